"""The rows of `weight`, and whether the stored weights are read at all."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

from archlint.evidence import Evidence, Reading
from archlint.graph import Model, StoredWeight
from archlint.limits import MIB

if TYPE_CHECKING:
    from archlint.analyses.weighing import Weighed

_STATISTICS = ("nans", "infinities", "absmax", "mean", "std", "magnitude", "zeros")
_OF_UNITS = ("units", "dead_units", "alike")


class Weights:
    """The stored weights of one model, read when they are first asked for, if the evidence allows it."""

    def __init__(self, model: Model, evidence: Evidence) -> None:
        self.model, self.evidence = model, evidence

    @cached_property
    def _stored(self) -> tuple[StoredWeight, ...]:
        return self.model.stored()

    @cached_property
    def unread(self) -> str | None:
        """Why their numbers are not read; None: they are."""
        reading = self.evidence.weights
        if reading is Reading.never:
            return "--weights never was given"
        if not self._stored:
            return self.model.absent.get("weight.layer", "the file holds no weights")
        total = sum(weight.nbytes for weight in self._stored)
        if reading is Reading.auto and total > self.evidence.budget:
            budget = f"{self.evidence.budget // MIB} MiB that are read by default"
            return f"its weights are {_size(total)}, beyond the {budget}; pass --weights always"
        return None

    @property
    def declared(self) -> int:
        """The bytes that they take in memory by their shapes; 0 where nobody wants to know of them."""
        return 0 if self.evidence.weights is Reading.never else sum(weight.nbytes for weight in self._stored)

    @cached_property
    def weighed(self) -> "Sequence[Weighed]":
        """Their statistics; empty where they are not read."""
        if self.unread:
            return ()
        from archlint.analyses.weighing import weigh  # here: it needs numpy

        return weigh(self.model, self._stored, self.evidence.progress)

    @cached_property
    def trained(self) -> bool | None:
        """As in `model.trained`."""
        if not self.weighed:
            return None
        from archlint.analyses.weighing.trained import trained

        return trained(self.model, self.weighed)

    @property
    def moments(self) -> Mapping[tuple[int, str], tuple[float, float]]:
        """Mean and standard deviation of every weight that was read, by its layer's number and its name."""
        return {
            place: (one.found.mean, one.found.std)
            for one in self.weighed
            if one.weight.layer is not None and one.found
            if one.found.mean is not None and one.found.std is not None
            for place in ((one.weight.layer, one.weight.name), *one.weight.also)
        }

    def rows(self) -> list[dict[str, Any]]:
        """The rows of `weight`."""
        return [_row(one) for one in self.weighed]


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"


def _row(one: "Weighed") -> dict[str, Any]:
    weight, found = one.weight, one.found
    return {
        "layer": weight.layer,
        "name": weight.name,
        "shape": "x".join(map(str, weight.shape)),
        "dtype": weight.dtype,
        "elements": prod(weight.shape),
        "bytes": weight.nbytes,
        **{name: getattr(found, name, None) for name in _STATISTICS + _OF_UNITS},
        "small": one.small,
        "constant": getattr(found, "constant", None),
        "digest": one.digest,
        "drawn_std": one.drawn.std,
        "drawn_magnitude": one.drawn.magnitude,
        "drawn_fit": one.drawn.fit,
    }
