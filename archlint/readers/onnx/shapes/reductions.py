"""The output shapes of operations that reduce axes, or pick along one."""

from collections.abc import Mapping

import numpy as np

from archlint.graph import Shape
from archlint.readers.onnx.shapes.terms import Call, Rule, Rules, Shapes
from archlint.shape_terms import axis_of, natural, replaced

REDUCTIONS = [f"Reduce{kind}" for kind in "L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare".split()]


def without(shape: Shape, gone: tuple[int, ...], keep: bool) -> Shape:
    """`shape` with some axes taken out, or kept as 1."""
    return tuple(1 if axis in gone else dim for axis, dim in enumerate(shape) if keep or axis not in gone)


def reduced_axes(call: Call) -> tuple[int, ...]:
    """The axes that a reduction takes out: all where none is stated."""
    rank = len(call.shape())
    axes = call.axes(1, rank)
    if axes:
        return axes
    return () if call.flag("noop_with_empty_axes") else tuple(range(rank))


def reduction(call: Call) -> Shape:
    """The reduced axes go, or stay as 1."""
    keep = call.flag("keepdims", 1)
    if keep and call.has(1) and call.name(1) not in call.known:
        return (None,) * len(call.shape())
    return without(call.shape(), reduced_axes(call), keep)


def arg_extreme(call: Call) -> Shape:
    """One axis goes, or stays as 1."""
    shape = call.shape()
    return without(shape, (call.axis(len(shape), 0),), call.flag("keepdims", 1))


def top_k(call: Call) -> Shape:
    """The first k along one axis."""
    shape, count = call.shape(), call.number("k", 1)
    return replaced(shape, call.axis(len(shape), -1), None if count is None else natural(count))


def unique(call: Call) -> Shapes:
    """As many different elements as there turn out to be."""
    shape = call.shape()
    axis = call.attr("axis")
    values = (None,) if axis is None else replaced(shape, axis_of(axis, len(shape)), None)
    return (values, (None,), (None,), (None,))


def non_zero(call: Call) -> Shape:
    """(axes, places): as many places as there turn out to be."""
    value = call.known.get(call.name(0))
    return (len(call.shape()), None if value is None or value.dtype == object else int(np.count_nonzero(value)))


def loss(call: Call) -> Shapes:
    """Scores (batch, classes, …) to one number, or one for each label; for some, the logarithms beside it."""
    scores = call.shapes.get(call.name(0))
    reduction = call.attr("reduction", "mean")
    return (call.shapes.get(call.name(1)) if reduction == "none" else (), scores)


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(REDUCTIONS, reduction),
    "ArgMax": arg_extreme,
    "ArgMin": arg_extreme,
    "NonZero": non_zero,
    "TopK": top_k,
}

MANY: Mapping[str, Rules] = {
    "NegativeLogLikelihoodLoss": loss,
    "SoftmaxCrossEntropyLoss": loss,
    "Unique": unique,
}
