"""The stored weights, weighed: one pass over their numbers, one tensor in memory at a time."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np

from archlint.analyses.weighing.blocks import BYTES, Array
from archlint.analyses.weighing.drawn import NOTHING, Drawn, drawn, is_kernel
from archlint.analyses.weighing.statistics import Statistics, statistics
from archlint.analyses.weighing.trained import resemblance
from archlint.graph import Layer, Model, StoredWeight

Progress = Callable[[int, int], None]

SMALL = 0.01
"""Share of epsilon below which a moving variance is small: its channel comes out at a tenth of its size."""

_EPSILON = 1e-3

_DIGEST_FROM = 16


@dataclass(frozen=True, slots=True)
class Weighed:
    """A stored weight and what its numbers show; `found` is None where they cannot be read, or are no numbers.

    `small` counts the elements of a moving variance that are small. `digest` is equal for equal numbers and shapes.
    `odds` is the p-value of a kernel under the usual law that it resembles most; of ONNX files, which declare none.
    """

    weight: StoredWeight
    found: Statistics | None = None
    drawn: Drawn = NOTHING
    small: int | None = None
    digest: str | None = None
    odds: float | None = None


def weigh(model: Model, stored: Sequence[StoredWeight], progress: Progress | None = None) -> list[Weighed]:
    """Every stored weight, weighed.

    Raises:
        ReadError: the file does not hold what it declares.
    """
    total, done, weighed = sum(weight.nbytes for weight in stored), 0, []
    with np.errstate(all="ignore"):  # numbers may be anything
        for weight in stored:
            weighed.append(_weigh(model, weight))
            done += weight.nbytes
            if progress:
                progress(done, total)
    return list(_told_apart(weighed))


def _weigh(model: Model, weight: StoredWeight) -> Weighed:
    if weight.unreadable:
        return Weighed(weight)
    array = weight.read()
    has_units = is_kernel(weight.name)
    found = statistics(array, weight.unit_axis if has_units else None)
    if found is None:
        return Weighed(weight)
    layer = None if weight.layer is None else model.layers[weight.layer]
    return Weighed(
        weight,
        found,
        drawn(layer, weight, array, found) if layer and model.format != "onnx" else NOTHING,
        _small(layer, array) if layer and array.size and weight.name.endswith("moving_variance") else None,
        _fingerprint(weight, found),
        resemblance(array, found) if has_units and model.format == "onnx" else None,
    )


def _small(layer: Layer, variances: Array) -> int:
    epsilon = layer.args.get("epsilon")
    least = SMALL * (epsilon if isinstance(epsilon, (int, float)) else _EPSILON)
    return int(np.count_nonzero(variances < least))


def _fingerprint(weight: StoredWeight, found: Statistics) -> str | None:
    """What weights with the same numbers have in common, and few others."""
    if found.elements < _DIGEST_FROM:
        return None
    facts = (weight.shape, weight.dtype, found.mean, found.std, found.magnitude, found.absmax, found.nans)
    return blake2b(repr(facts).encode(), digest_size=8).hexdigest()


def _told_apart(weighed: Sequence[Weighed]) -> Iterator[Weighed]:
    """Weights that have their fingerprint in common are read again: the digest of their bytes decides."""
    shared = Counter(one.digest for one in weighed if one.found and one.found.constant is None)
    for one in weighed:
        again = one.found is not None and one.found.constant is None and one.digest and shared[one.digest] > 1
        yield replace(one, digest=_digest(one.weight.read())) if again else one


def _digest(array: Array) -> str:
    made = blake2b(digest_size=16)
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    for start in range(0, flat.size, BYTES):
        made.update(flat[start : start + BYTES].data)
    return made.hexdigest()
