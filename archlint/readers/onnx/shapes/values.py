"""The elements of small tensors, computed as the runtime would: exporters write chains of nodes to get at a shape.

An array whose elements are all known has the type that NumPy has for it. Elements that come from open dimensions are
None, in an array of objects. Nothing here checks how large a result is: a rule is asked only after the shape of the
result is known to be small.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np

from archlint.graph import Shape
from archlint.readers.onnx.graph import Array
from archlint.readers.onnx.shapes.dtypes import output_dtypes
from archlint.readers.onnx.shapes.layout import shape_range
from archlint.readers.onnx.shapes.reductions import reduced_axes
from archlint.readers.onnx.shapes.selection import slice_bounds, visited
from archlint.readers.onnx.shapes.terms import Call
from archlint.readers.onnx.tensors import NUMPY
from archlint.shape_terms import UnknownError, known, product, unknown

Evaluation = Callable[[Call, Sequence[tuple[int, ...]]], Sequence[Array]]
"""From a node and the shapes of its outputs to their elements."""


def with_gaps(array: Array, gaps: Array) -> Array:
    """`array` with None where there are gaps."""
    if not gaps.any():
        return array
    result = array.astype(object)
    result[np.broadcast_to(gaps, array.shape)] = None
    return result


def gaps_of(array: Array) -> Array:
    """Where elements are open."""
    if array.dtype != object:
        return np.zeros(array.shape, bool)
    return np.array([item is None for item in array.ravel().tolist()], bool).reshape(array.shape)


def closed(array: Array, dtype: str | None) -> Array:
    """An array of numbers, with 1 in the place of open elements."""
    if array.dtype != object:
        return array
    return np.where(gaps_of(array), 1, array).astype(NUMPY[dtype or unknown()])


def elementwise(function: Callable[..., Any]) -> Evaluation:
    """A function of numbers; what it makes of an open one is open."""

    def rule(call: Call, _shapes: object) -> Sequence[Array]:
        arrays = [call.value(number) for number in range(max(1, len(call.node.inputs)))]
        numbers = [closed(array, call.dtypes.get(name)) for array, name in zip(arrays, call.node.inputs, strict=True)]
        result = np.asarray(function(*numbers))
        for array in arrays:
            result = with_gaps(result, gaps_of(array)) if array.dtype == object else result
        return (result,)

    return rule


def folded(function: Callable[[Any, Any], Any]) -> Evaluation:
    """A function of two, over any number of inputs."""
    return elementwise(lambda *arrays: reduce(function, arrays))


def divided(left: Array, right: Array) -> Array:
    """Integers are cut off towards zero; by zero they give nothing."""
    if left.dtype.kind == "f":
        return np.asarray(left / right)
    gaps = right == 0
    divisor = np.where(gaps, np.ones_like(right), right)
    return with_gaps(np.asarray((left - np.fmod(left, divisor)) // divisor), gaps)


def modulo(call: Call, shapes: Sequence[tuple[int, ...]]) -> Sequence[Array]:
    """The remainder has the sign of the divisor, with `fmod` that of the dividend."""
    remainder = np.fmod if call.flag("fmod") else np.mod

    def function(left: Array, right: Array) -> Array:
        gaps = right == 0
        return with_gaps(np.asarray(remainder(left, np.where(gaps, np.ones_like(right), right))), gaps)

    return elementwise(function)(call, shapes)


def power(base: Array, exponent: Array) -> Array:
    """In the type of the base."""
    return np.asarray(np.power(base, exponent)).astype(base.dtype)


def cast(call: Call, shapes: Sequence[tuple[int, ...]]) -> Sequence[Array]:
    """Another type; a float that no integer of the type can hold gives nothing."""
    kind = np.dtype(NUMPY.get(output_dtypes(call)[0] or "") or unknown())

    def function(array: Array, *_like: Array) -> Array:
        if array.dtype.kind != "f" or kind.kind not in "iu":
            return array.astype(kind)
        fits = np.abs(array) < 2.0 ** (8 * kind.itemsize - 1)
        return with_gaps(np.where(fits, array, 0).astype(kind), ~fits)

    return elementwise(function)(replace(call, node=replace(call.node, inputs=call.node.inputs[:1])), shapes)


def identity(call: Call, _shapes: object) -> Sequence[Array]:
    """What comes in."""
    return (call.value(),)


def reshaped(call: Call, shapes: Sequence[tuple[int, ...]]) -> Sequence[Array]:
    """The same elements in another form."""
    return (call.value().reshape(shapes[0]),)


def expanded(call: Call, shapes: Sequence[tuple[int, ...]]) -> Sequence[Array]:
    """The same elements, repeated."""
    return (np.broadcast_to(call.value(), shapes[0]),)


def tiled(call: Call, _shapes: object) -> Sequence[Array]:
    """The whole tensor, repeated."""
    return (np.tile(call.value(), call.sure(1)),)


def transposed(call: Call, _shapes: object) -> Sequence[Array]:
    """The axes in another order."""
    return (np.transpose(call.value(), call.attr("perm")),)


def gathered(call: Call, _shapes: object) -> Sequence[Array]:
    """Some entries of one axis."""
    return (np.asarray(np.take(call.value(), call.sure(1), call.axis(call.value().ndim, 0))),)


def cut(call: Call, _shapes: object) -> Sequence[Array]:
    """Some ranges of axes."""
    array = call.value()
    for axis, *bounds in slice_bounds(call):
        array = np.take(array, visited(array.shape[axis], *map(known, bounds)), axis)
    return (array,)


def joined(call: Call, _shapes: object) -> Sequence[Array]:
    """Tensors put together; one of them may be open altogether, if its size is known."""
    parts = [call.known.get(name) for name in call.node.inputs]
    if all(part is None for part in parts):
        raise UnknownError
    arrays = [_open(call.shape(number)) if part is None else part for number, part in enumerate(parts)]
    return (np.concatenate(arrays, call.whole("axis")),)


def _open(shape: Shape) -> Array:
    return np.full([known(dim) for dim in shape], None, object)


def parted(call: Call, shapes: Sequence[tuple[int, ...]]) -> Sequence[Array]:
    """The parts of a tensor along one axis."""
    axis = call.axis(call.value().ndim, 0)
    ends = np.cumsum([shape[axis] for shape in shapes])
    return np.split(call.value(), ends[:-1], axis)


def chosen(call: Call, _shapes: object) -> Sequence[Array]:
    """Elements of one tensor or the other; of either where it is open which."""
    condition = call.value()
    result = np.where(closed(condition, "bool"), call.value(1), call.value(2))
    return (with_gaps(result, gaps_of(condition)),)


def filled(call: Call, shapes: Sequence[tuple[int, ...]]) -> Sequence[Array]:
    """One number throughout, 0 where none is stated."""
    tensor = call.tensor("value")
    if tensor is None:
        return (np.zeros(shapes[0], np.float32),)
    if tensor.value is None or tensor.value.size != 1:
        raise UnknownError
    return (np.full(shapes[0], tensor.value.item(), tensor.value.dtype),)


def counted(call: Call, shapes: Sequence[tuple[int, ...]]) -> Sequence[Array]:
    """Numbers at equal steps."""
    start, step = call.sure(0), call.sure(2)
    return ((start.item() + step.item() * np.arange(*shapes[0])).astype(start.dtype),)


def non_zero(call: Call, _shapes: object) -> Sequence[Array]:
    """The places of elements that are not zero, one row for each axis."""
    return (np.array(np.nonzero(call.sure(0)), np.int64),)


def dimensions(call: Call, _shapes: object) -> Sequence[Array]:
    """The sizes of a tensor's axes, which are known more often than its elements."""
    sizes = call.shape()[shape_range(call)]
    return (np.array(sizes, object if None in sizes else np.int64),)


def elements(call: Call, _shapes: object) -> Sequence[Array]:
    """How many elements a tensor has."""
    count = product(call.shape())
    return (np.array(count, object if count is None else np.int64),)


def reduction(function: Callable[..., Any]) -> Evaluation:
    """A function of the elements along some axes; one open element leaves the result open."""

    def rule(call: Call, shapes: Sequence[tuple[int, ...]]) -> Sequence[Array]:
        array, axes = call.value(), reduced_axes(call)
        numbers = closed(array, call.dtypes.get(call.name(0)))
        result = np.asarray(function(numbers, axis=axes)).astype(numbers.dtype)
        return (with_gaps(result.reshape(shapes[0]), gaps_of(array).any(axis=axes).reshape(shapes[0])),)

    return rule


EVALUATIONS: Mapping[str, Evaluation] = {
    "Abs": elementwise(np.abs),
    "Add": elementwise(np.add),
    "And": elementwise(np.logical_and),
    "Cast": cast,
    "CastLike": cast,
    "Ceil": elementwise(np.ceil),
    "Concat": joined,
    "ConstantOfShape": filled,
    "Div": elementwise(divided),
    "Equal": elementwise(np.equal),
    "Exp": elementwise(np.exp),
    "Expand": expanded,
    "Flatten": reshaped,
    "Floor": elementwise(np.floor),
    "Gather": gathered,
    "Greater": elementwise(np.greater),
    "GreaterOrEqual": elementwise(np.greater_equal),
    "Identity": identity,
    "Less": elementwise(np.less),
    "LessOrEqual": elementwise(np.less_equal),
    "Log": elementwise(np.log),
    "Max": folded(np.maximum),
    "Min": folded(np.minimum),
    "Mod": modulo,
    "Mul": elementwise(np.multiply),
    "Neg": elementwise(np.negative),
    "NonZero": non_zero,
    "Not": elementwise(np.logical_not),
    "Or": elementwise(np.logical_or),
    "Pow": elementwise(power),
    "Range": counted,
    "Reciprocal": elementwise(np.reciprocal),
    "ReduceMax": reduction(np.max),
    "ReduceMin": reduction(np.min),
    "ReduceProd": reduction(np.prod),
    "ReduceSum": reduction(np.sum),
    "Reshape": reshaped,
    "Relu": elementwise(lambda array: np.maximum(array, 0)),
    "Round": elementwise(np.round),
    "Shape": dimensions,
    "Sign": elementwise(np.sign),
    "Size": elements,
    "Slice": cut,
    "Split": parted,
    "Sqrt": elementwise(np.sqrt),
    "Squeeze": reshaped,
    "Sub": elementwise(np.subtract),
    "Sum": folded(np.add),
    "Tile": tiled,
    "Transpose": transposed,
    "Unsqueeze": reshaped,
    "Where": chosen,
    "Xor": elementwise(np.logical_xor),
}
