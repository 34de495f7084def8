"""How the weights of a layer are drawn: mean and variance of their elements, by initializer or as measured."""

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, NamedTuple

from archlint.analyses import initial
from archlint.analyses.signal.state import bounded
from archlint.graph import Layer, Shape, Weight

Measured = Mapping[tuple[int, str], tuple[float, float]]
"""(layer, name of the weight) to mean and standard deviation of the stored numbers."""


class Source(NamedTuple):
    """Where weights come from: the version of Keras that draws them; `stored`: the file has no initializers, only
    numbers; `trained`: those are no longer as they were drawn."""

    version: tuple[int, ...]
    stored: bool
    trained: bool


class Drawn(NamedTuple):
    """A weight's shape, and mean and variance of its elements; `known` is False where these are guesses."""

    shape: Shape
    mean: float
    variance: float
    known: bool = True

    @property
    def square(self) -> float:
        """E[w²]."""
        return bounded(self.mean * self.mean + self.variance)


_INITIALIZERS = {
    "kernel": "kernel_initializer",
    "depthwise_kernel": "depthwise_initializer",
    "pointwise_kernel": "pointwise_initializer",
    "recurrent_kernel": "recurrent_initializer",
    "embeddings": "embeddings_initializer",
    "reverse_embeddings": "embeddings_initializer",
    "alpha": "alpha_initializer",
    "bias": "bias_initializer",
    "gamma": "gamma_initializer",
    "scale": "scale_initializer",
    "beta": "beta_initializer",
}
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "recurrent_initializer": {"name": "orthogonal"},
    "embeddings_initializer": {"name": "random_uniform", "minval": -0.05, "maxval": 0.05},
    "alpha_initializer": {"name": "zeros"},
    "bias_initializer": {"name": "zeros"},
    "beta_initializer": {"name": "zeros"},
    "gamma_initializer": {"name": "ones"},
    "scale_initializer": {"name": "ones"},
}
_GLOROT = {"name": "glorot_uniform"}
_FIXED = {"moving_mean": 0.0, "moving_variance": 1.0, "scale": 1.0}
"""Weights that start as one number."""
_OF_DATA = frozenset({"mean", "variance", "count"})
"""Weights that are adapted to data before training; nothing is known of them unless they are stored."""


def drawn(
    layer: Layer, weights: Iterable[Weight], measured: Mapping[str, tuple[float, float]], source: Source
) -> dict[str, Drawn]:
    """All weights of a layer as they are at the start, by name; `measured` by the same names."""
    found = {}
    for weight in weights:
        numbers = measured.get(weight.name)
        if numbers is not None:
            mean, std = map(bounded, map(float, numbers))
            found[weight.name] = _measured(weight, mean, bounded(std * std), known=not source.trained)
        elif weight.name in _OF_DATA:
            continue
        elif source.stored:
            found[weight.name] = _guessed(weight)
        else:
            found[weight.name] = _by_initializer(layer, weight, source.version)
    if "SpectralNormalization" in (layer.wrapper or ""):
        return {name: _of_norm_one(weight) if name == "kernel" else weight for name, weight in found.items()}
    return found


def _of_norm_one(kernel: Drawn) -> Drawn:
    """A kernel over its largest singular value, which is that of a random matrix of many rows and columns."""
    columns = max(1, kernel.shape[-1] or 1)
    rows = max(1, prod(size or 1 for size in kernel.shape[:-1]))
    return Drawn(kernel.shape, 0.0, (rows**0.5 + columns**0.5) ** -2, known=False)


def _measured(weight: Weight, mean: float, variance: float, *, known: bool) -> Drawn:
    """As stored; that the mean of a kernel's numbers is not quite zero is chance."""
    if len(weight.shape) > 1 and mean * mean < 0.1 * variance:
        mean, variance = 0.0, bounded(variance + mean * mean)
    return Drawn(weight.shape, mean, variance, known)


def _guessed(weight: Weight) -> Drawn:
    """A kernel that keeps the variance; a norm that does nothing."""
    name = weight.name.rpartition("/")[2]
    if len(weight.shape) > 1 and "kernel" in name:
        return Drawn(weight.shape, 0.0, 1 / max(1, prod(weight.shape[:-1])), known=False)
    return Drawn(weight.shape, float(name in ("gamma", "scale", "variance", "moving_variance")), 0.0, known=False)


def _by_initializer(layer: Layer, weight: Weight, version: tuple[int, ...]) -> Drawn:
    part, _, name = weight.name.rpartition("/")
    args = (layer.backward or layer).args if part == "backward" else layer.args
    key = _INITIALIZERS.get(name, "kernel_initializer")
    if layer.kind == "depthwise_conv" and name == "kernel":
        key = "depthwise_initializer"
    if weight.name in _FIXED and key not in args:
        return Drawn(weight.shape, _FIXED[weight.name], 0.0)
    initializer = args.get(key) or _DEFAULTS.get(key, _GLOROT)
    if not isinstance(initializer, Mapping) or "name" not in initializer:
        initializer = _DEFAULTS.get(key, _GLOROT)
    return _of(initializer, weight.shape, initial.kernel_fans(layer, weight, version))


def _of(initializer: Mapping[str, Any], shape: tuple[int, ...], fans: tuple[int, int]) -> Drawn:
    constants = {"zeros": 0.0, "ones": 1.0, "constant": initializer.get("value", 0.0)}
    value = constants.get(str(initializer["name"]))
    if isinstance(value, (int, float)):
        return Drawn(shape, bounded(float(value)), 0.0)
    variance = initial.variance(initializer, fans, shape)
    if variance is None:
        return Drawn(shape, 0.0, 1 / max(1, fans[0]), known=False)
    mean = initializer.get("mean", 0.0) if initial.family(initializer) == "fixed" else 0.0
    if initializer["name"] == "random_uniform":
        low, high = (initializer.get(end, edge) for end, edge in (("minval", -0.05), ("maxval", 0.05)))
        mean = (low + high) / 2 if isinstance(low, (int, float)) and isinstance(high, (int, float)) else 0.0
        variance -= mean * mean  # `initial` gives E[w²], which for all others is the same
    mean = float(mean) if isinstance(mean, (int, float)) else 0.0
    return Drawn(shape, bounded(mean), max(0.0, bounded(variance)))
