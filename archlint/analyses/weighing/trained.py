"""Whether a model was trained: by its declared initializers, else by the shape of its kernels' distributions."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from archlint.analyses.weighing import laws
from archlint.analyses.weighing.blocks import Array
from archlint.analyses.weighing.drawn import sample, testable
from archlint.analyses.weighing.statistics import Statistics
from archlint.graph import Model

if TYPE_CHECKING:
    from archlint.analyses.weighing import Weighed

LEFT = 1e-6
"""p-value of a kernel that has left its declared initialization: below what any of a thousand drawn ones comes to."""

ODD, LIKELY = 1e-4, 1e-2
"""p-values of all kernels together, below which they were not drawn, and above which they may have been."""

_LEAST = 1e-5

_COMMON = 3
"""Kernels of one scale that are no coincidence."""

_NEAR = 0.15
"""Relative distance from a usual scale that training may have gone."""


def trained(model: Model, weighed: "Sequence[Weighed]") -> bool | None:
    """Whether the kernels have visibly left their initialization; None where that cannot be told."""
    return _unlike_drawn(weighed) if model.format == "onnx" else _moved(weighed)


def _moved(weighed: "Sequence[Weighed]") -> bool | None:
    """By the declared initializers. Embeddings are often loaded into a model that is yet to be trained."""
    own = (one for one in weighed if not one.weight.name.endswith("embeddings"))
    fits = [one.drawn.fit for one in own if one.drawn.fit is not None]
    return any(fit < LEFT for fit in fits) if fits else None


def _unlike_drawn(weighed: "Sequence[Weighed]") -> bool | None:
    """By the shape of their distributions, which training widens, all p-values combined (Fisher 1932).

    One tensor that is no kernel, a table of positions, must not decide alone: its p-value is bounded from below.
    """
    scales = sorted(one.found.std for one in weighed if one.odds is not None and one.found and one.found.std)
    odds = [max(_odds(one, one.odds, scales), _LEAST) for one in weighed if one.odds is not None]
    if not odds:
        return None
    half, count = -math.fsum(map(math.log, odds)), len(odds)
    # half of a chi-square with twice `count` degrees of freedom, as a normal number (Wilson & Hilferty 1931)
    z = 3 * math.sqrt(count) * ((half / count) ** (1 / 3) - 1 + 1 / (9 * count))
    together = math.erfc(z / math.sqrt(2)) / 2
    return True if together < ODD else False if together > LIKELY else None


def _odds(one: "Weighed", alone: float, scales: Sequence[float]) -> float:
    """The p-value of a kernel, also under a normal law of an unusual scale, if that is the scale of several kernels.

    So are drawn GPT-2's projections (0.02 over the root of its depth) and T5's queries. Training drives scales apart,
    but not far from where they were: near a usual scale, kernels may have one in common after it, too.
    """
    if alone >= ODD or not one.found or not one.found.std:
        return alone
    std, tolerance = one.found.std, _tolerance(one.found)
    common = bisect_right(scales, std * (1 + tolerance)) - bisect_left(scales, std * (1 - tolerance))
    law = laws.normal(0.0, std)
    if law is None or common < _COMMON or any(abs(std / usual - 1) < _NEAR for usual in _usual(one.weight.shape)):
        return alone
    return max(alone, laws.fit(law, sample(one.weight.read())))


def _tolerance(found: Statistics) -> float:
    """Relative error of a standard deviation, four times."""
    return 4 / math.sqrt(2 * found.elements)


def resemblance(array: Array, found: Statistics) -> float | None:
    """How likely the numbers are under a uniform or truncated normal law of their scale, or a normal one of a usual."""
    if array.dtype.kind != "f" or not testable(found) or not found.std or found.absmax is None:
        return None
    # the greatest of n uniform numbers falls short of their bound by one n-th
    bound = found.absmax * (1 + 1 / found.elements)
    possible = [laws.uniform(-bound, bound), laws.truncated(0.0, bound / 2)]
    # trained kernels come near a bell, too, but not near one of a usual size
    usual = (std for std in _usual(array.shape) if abs(found.std / std - 1) < _tolerance(found))
    possible += [laws.normal(0.0, std) for std in usual]
    ordered = sample(array)
    return max(laws.fit(law, ordered) for law in possible if law is not None)


def _usual(shape: tuple[int, ...]) -> Iterator[float]:
    """Standard deviations of normal initializers: He, Glorot, LeCun and orthogonal by any side, and fixed ones."""
    yield from (0.01, 0.02, 0.05, 0.1, 1.0)
    if len(shape) > 1:
        field = math.prod(shape[2:])
        for fan in {*shape, shape[0] * field, shape[1] * field, sum(shape[:2]) * field / 2}:
            yield from (math.sqrt(1 / fan), math.sqrt(2 / fan))
