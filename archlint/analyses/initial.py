"""What an initializer makes of a kernel: its family and the variance of an element.

Source of the formulas: Keras's initializers; He et al. 2015, Glorot & Bengio 2010, LeCun et al. 1998.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

from archlint.graph import Layer, Shape, Weight

TRUNCATION = 0.87962566
"""Standard deviation of a standard normal cut off at two: Keras's truncated normals."""

_FAMILIES = {
    "he_normal": "he",
    "he_uniform": "he",
    "glorot_normal": "glorot",
    "glorot_uniform": "glorot",
    "lecun_normal": "lecun",
    "lecun_uniform": "lecun",
    "variance_scaling": "scaling",
    "orthogonal": "orthogonal",
    "identity": "orthogonal",
    "zeros": "constant",
    "ones": "constant",
    "constant": "constant",
    "random_normal": "fixed",
    "random_uniform": "fixed",
    "truncated_normal": "fixed",
}
_UNDECIDED = frozenset({"separable_conv", "multi_head_attention", "einsum_dense"})
"""Kinds with several kernels; and of an einsum, versions of Keras count the fans differently (3.15 by the equation)."""
_SCALINGS = {"he": (2.0, "fan_in"), "glorot": (1.0, "fan_avg"), "lecun": (1.0, "fan_in")}


def family(initializer: Mapping[str, Any] | None) -> str | None:
    """The family of an initializer as in `layer.initializer_family`; None for none."""
    if initializer is None:
        return None
    known = _FAMILIES.get(str(initializer["name"]), "custom")
    # Constant(array) is a kernel that somebody worked out (bilinear upsampling), not one number for all
    filled = isinstance(initializer.get("value", 0), (int, float))
    return known if known != "constant" or filled else "custom"


def variance(initializer: Mapping[str, Any] | None, fans: tuple[int, int], shape: Shape) -> float | None:
    """Variance of one element of a kernel of this shape at initialization; None where it is not known."""
    kind = family(initializer)
    if initializer is None or kind is None:
        return None
    if kind in _SCALINGS:
        return _scaled(*_SCALINGS[kind], fans)
    if kind == "scaling":
        scale = initializer.get("scale", 1.0)
        return _scaled(scale, str(initializer.get("mode", "fan_in")), fans) if isinstance(scale, (int, float)) else None
    if kind == "orthogonal" and shape and None not in shape:
        gain = _number(initializer, "gain", 1.0)
        sizes = [size or 0 for size in shape]
        return gain * gain / max(prod(sizes[:-1]), sizes[-1], 1)
    return _fixed(initializer) if kind == "fixed" else None


def _scaled(scale: float, mode: str, fans: tuple[int, int]) -> float | None:
    size = {"fan_in": fans[0], "fan_out": fans[1], "fan_avg": sum(fans) / 2}.get(mode)
    return None if size is None else scale / max(1.0, size)


def _fixed(initializer: Mapping[str, Any]) -> float:
    if initializer["name"] == "random_uniform":
        low, high = _number(initializer, "minval", -0.05), _number(initializer, "maxval", 0.05)
        return (low * low + low * high + high * high) / 3
    stddev = _number(initializer, "stddev", 0.05)
    if initializer["name"] == "truncated_normal":
        stddev *= TRUNCATION
    return stddev * stddev  # unlike ** 2, this gives infinity where it overflows


def _number(settings: Mapping[str, Any], key: str, default: float) -> float:
    value = settings.get(key)
    return float(value) if isinstance(value, (int, float)) else default


def summed_inputs(layer: Layer, kernel: Shape) -> float | None:
    """How many products one output of the layer sums up: the true fan-in, which Keras's differs from for some kinds.

    None where the variance of a kernel does not tell what the layer does to a signal.
    """
    sizes = [size or 0 for size in kernel]
    if len(sizes) < 2 or layer.kind in _UNDECIDED:
        return None
    field = prod(sizes[:-2])
    if layer.kind == "depthwise_conv":
        return field
    if layer.kind == "conv_transpose":
        strides = layer.args.get("strides", 1)
        steps = strides if isinstance(strides, list) else [strides] * (len(sizes) - 2)
        return sizes[-1] * field / max(1, prod(step for step in steps if isinstance(step, int)))
    return sizes[-2] * field


_BY_EQUATION = (3, 15)
"""Since this version of Keras, the fans of an einsum's kernel are counted by its equation."""


def kernel_fans(layer: Layer, weight: Weight, version: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) that Keras of this version initializes the weight with; versions are new where not known."""
    shape = weight.shape
    inputs = _input_axes(layer, weight) if version >= _BY_EQUATION or not version else None
    if inputs is not None:
        return prod(shape[axis] for axis in inputs), prod(size for axis, size in enumerate(shape) if axis not in inputs)
    *field, fan_in, fan_out = (1, 1, *shape) if len(shape) > 1 else (*(shape or (1,)) * 2,)
    return fan_in * prod(field), fan_out * prod(field)


def _input_axes(layer: Layer, weight: Weight) -> tuple[int, ...] | None:
    """Axes of the kernel of an einsum that are summed over; None for other weights."""
    rank = len(weight.shape)
    if layer.kind == "multi_head_attention" and weight.name.endswith("/kernel"):
        return (0, 1) if weight.name.startswith("attention_output") else (0,)
    if layer.kind == "einsum_dense" and weight.name == "kernel":
        return summed_axes(str(layer.args.get("equation")), rank)
    return None


def summed_axes(equation: str, rank: int) -> tuple[int, ...] | None:
    """Which axes of an einsum's second operand do not come out; None if it is no equation of a kernel of that rank."""
    sides = equation.replace(" ", "").replace(".", "").split("->")
    operands = sides[0].split(",")
    if len(sides) != 2 or len(operands) != 2 or len(operands[1]) != rank:
        return None
    return tuple(axis for axis, letter in enumerate(operands[1]) if letter not in sides[1])
