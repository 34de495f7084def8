"""How a weight was drawn, as its layer declares, and whether its numbers still are as drawn."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from archlint.analyses import initial
from archlint.analyses.weighing import laws
from archlint.analyses.weighing.blocks import Array
from archlint.analyses.weighing.laws import Law
from archlint.analyses.weighing.statistics import Statistics, widened
from archlint.graph import Layer, StoredWeight

FEWEST = 256
"""Numbers below which a test of their distribution says little."""

SAMPLE = 8192
"""Numbers that are tested at most: a deviation of 2 % of the distribution shows, in 1 ms."""

_SEED = 20240704

_VECTORS = 32
_VECTOR_BYTES = 2**23

_ROUNDING = {"float32": 1e-5, "float64": 1e-5, "float16": 2e-3, "bfloat16": 2e-2}
"""Relative error that storing leaves of a number, with room."""

KERNELS = {
    "kernel": ("kernel_initializer", "depthwise_initializer"),
    "depthwise_kernel": ("depthwise_initializer",),
    "pointwise_kernel": ("pointwise_initializer",),
    "recurrent_kernel": ("recurrent_initializer",),
    "embeddings": ("embeddings_initializer",),
}
"""The weights with units, by the last part of their name, and the settings that say how they are drawn."""

_CONSTANTS = {"bias": "bias_initializer", "gamma": "gamma_initializer", "beta": "beta_initializer"}


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the declared initializer gives, and how well the numbers fit: a p-value, 0 where it cannot be."""

    std: float | None = None
    magnitude: float | None = None
    fit: float | None = None


NOTHING = Drawn()
"""Of a weight whose initializer is not declared, or not known."""


def is_kernel(name: str) -> bool:
    """Whether a weight of this name has units."""
    return name.rpartition("/")[2] in KERNELS


def drawn(layer: Layer, weight: StoredWeight, array: Array, found: Statistics) -> Drawn:
    """How the weight of a layer was drawn; nothing where that is not declared or not known."""
    settings = layer.backward.args if "backward" in weight.name.split("/") and layer.backward else layer.args
    if weight.name.endswith("bias") and settings.get("unit_forget_bias"):
        return _zeros_and_ones(found)
    initializer = _declared(settings, weight.name)
    if initializer is None:
        return NOTHING
    family = initial.family(initializer)
    if family == "constant":
        return _filled(initializer, found)
    if not is_kernel(weight.name) or len(weight.shape) < 2:
        return NOTHING
    if initializer["name"] == "orthogonal":
        return _orthogonal(initializer, weight, array, found)
    possible = list(_laws(initializer, weight.shape))
    return _best(possible, sample(array), found, _ROUNDING.get(weight.dtype, 2e-2)) if possible else NOTHING


def _declared(args: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    last = name.rpartition("/")[2]
    keys = (*KERNELS.get(last, ()), *([_CONSTANTS[last]] if last in _CONSTANTS else ()))
    stated = (args[key] for key in keys if isinstance(args.get(key), Mapping))
    return next(stated, None)


def _zeros_and_ones(found: Statistics) -> Drawn:
    """The bias of an LSTM: 1 for its forget gate, 0 for the other three (of cuDNN's layer, seven)."""
    left = found.zeros not in (0.75, 0.875) or found.absmax != 1
    return Drawn(fit=0.0 if left else None)


def _filled(initializer: Mapping[str, Any], found: Statistics) -> Drawn:
    """A weight that was filled with one number; as long as it is, that says nothing of training."""
    value = {"zeros": 0.0, "ones": 1.0}.get(initializer["name"], initializer.get("value", 0.0))
    left = found.constant is None or not math.isclose(found.constant, value, rel_tol=1e-2, abs_tol=1e-30)
    return Drawn(0.0, abs(float(value)), 0.0 if left else None)


def _laws(initializer: Mapping[str, Any], shape: tuple[int, ...]) -> Iterator[Law]:
    """The law that the initializer is for a kernel of this shape; several where it depends on Keras's version."""
    name = initializer["name"]
    if initial.family(initializer) == "fixed":
        possible = [_fixed(initializer)]
    else:
        shape_of = _distribution(initializer, name)
        variances = (initial.variance(initializer, fans, shape) for fans in _fans(shape))
        possible = [shape_of(math.sqrt(found)) for found in variances if found is not None and 0 < found < math.inf]
    yield from (law for law in possible if law is not None)


def _fixed(initializer: Mapping[str, Any]) -> Law | None:
    def setting(key: str, default: float) -> float:
        value = initializer.get(key)
        return float(value) if isinstance(value, (int, float)) else default

    if initializer["name"] == "random_uniform":
        return laws.uniform(setting("minval", -0.05), setting("maxval", 0.05))
    law = laws.truncated if initializer["name"] == "truncated_normal" else laws.normal
    return law(setting("mean", 0.0), setting("stddev", 0.05))


def _distribution(initializer: Mapping[str, Any], name: str) -> Any:
    """From a standard deviation to the law of a VarianceScaling."""
    stated = str(initializer.get("distribution", ""))
    if name.endswith("_uniform") or stated == "uniform":
        return lambda std: laws.uniform(-math.sqrt(3) * std, math.sqrt(3) * std)
    if stated == "untruncated_normal":
        return lambda std: laws.normal(0.0, std)
    return lambda std: laws.truncated(0.0, std / initial.TRUNCATION)


def _fans(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """(fan_in, fan_out) as Keras counts them from the shape; einsum kernels also as 3.15 does, from the equation, which
    splits the axes into inputs and outputs at some place."""
    field = math.prod(shape[:-2])
    splits = [(math.prod(shape[:place]), math.prod(shape[place:])) for place in range(1, len(shape))]
    return list(dict.fromkeys([(shape[-2] * field, shape[-1] * field), *(splits if len(shape) == 3 else ())]))


def sample(array: Array) -> Array:
    """Numbers of the array, in order: all, or as many as are tested, always the same ones."""
    flat = array.reshape(-1)
    if flat.size > SAMPLE:
        chosen = np.random.default_rng(_SEED).choice(flat.size, SAMPLE, replace=False, shuffle=False)
        flat = flat[np.sort(chosen)]
    return np.sort(widened(flat).astype(np.float64))


def _best(possible: list[Law], ordered: Array, found: Statistics, rounding: float) -> Drawn:
    first = possible[0]
    absmax = found.absmax
    if absmax is None or found.nans or found.infinities:
        return Drawn(first.std, first.magnitude)
    chances = [min(1.0, found.elements * law.beyond(absmax)) for law in possible]
    within = [absmax <= law.bound * (1 + rounding) for law in possible]
    if any(within) and not testable(found):  # beyond its bounds a single number is proof
        return Drawn(first.std, first.magnitude)
    fits = [
        min(laws.fit(law, ordered), 1.0 if inside else chance)
        for law, inside, chance in zip(possible, within, chances, strict=True)
    ]
    spread = found.std or first.std  # where none fits, the law of the nearest scale is taken for the declared one
    best, law = max(zip(fits, possible, strict=True), key=lambda pair: (pair[0], -abs(math.log(spread / pair[1].std))))
    return Drawn(law.std, law.magnitude, best)


def testable(found: Statistics) -> bool:
    """Whether there are numbers enough, and all of them finite."""
    return found.elements >= FEWEST and not found.nans and not found.infinities


def _orthogonal(initializer: Mapping[str, Any], weight: StoredWeight, array: Array, found: Statistics) -> Drawn:
    """As drawn, the vectors of the shorter side are at right angles and of one length: no need for odds."""
    variance = initial.variance(initializer, (0, 0), weight.shape)
    if not variance:
        return NOTHING
    std = math.sqrt(variance)
    law = Drawn(std, std * math.sqrt(2 / math.pi))
    if not testable(found):
        return law
    matrix = array.reshape(-1, array.shape[-1])
    vectors = matrix.T if matrix.shape[0] >= matrix.shape[1] else matrix
    several = min(_VECTORS, _VECTOR_BYTES // (8 * vectors.shape[1]))
    if min(several, len(vectors)) < 2:
        return law
    chosen = np.array(vectors[:several], np.float64)
    products = chosen @ chosen.T / (variance * vectors.shape[1])
    error = float(np.abs(products - np.eye(len(chosen))).max())
    return Drawn(law.std, law.magnitude, float(error < _ROUNDING.get(weight.dtype, 2e-2)))
