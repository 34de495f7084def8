"""The output shapes of operations that pick elements out."""

from collections.abc import Mapping

from archlint.graph import Shape
from archlint.readers.onnx.shapes.terms import Call, Rule
from archlint.shape_terms import Dim, UnknownError, axes_of, natural, replaced, unknown

INT_MAX = 2**31 - 1
"""From here on, the end of a Slice means the end of the axis."""


def gather(call: Call) -> Shape:
    """One axis replaced by the axes of the indices."""
    shape, indices = call.shape(), call.shape(1)
    axis = call.axis(len(shape), 0)
    return (*shape[:axis], *indices, *shape[axis + 1 :])


def gather_elements(call: Call) -> Shape:
    """One element for each index."""
    return call.shape(1)


def gather_nd(call: Call) -> Shape:
    """The last axis of the indices says where to go; the axes that it does not reach are kept whole."""
    shape, indices = call.shape(), call.shape(1)
    batch = natural(call.whole("batch_dims", 0))
    reach = indices[-1] if indices else unknown()
    if reach is None or batch + reach > len(shape):
        raise UnknownError
    return (*indices[:-1], *shape[batch + reach :])


def slice_bounds(call: Call) -> list[tuple[int, Dim, Dim, Dim]]:
    """Axis, start, end and step of each axis that a Slice cuts."""
    rank = len(call.shape())
    starts, ends = call.listed("starts", 1), call.listed("ends", 2)
    if starts is None or ends is None or len(starts) != len(ends):
        raise UnknownError
    axes = call.axes(3, rank)
    axes = axes_of(list(range(len(starts))), rank) if axes is None else axes
    steps = call.entries(4) if call.has(4) else (1,) * len(starts)
    if not len(axes) == len(starts) == len(steps):
        raise UnknownError
    ends = tuple(_end(end, step) for end, step in zip(ends, steps, strict=True))
    return list(zip(axes, starts, ends, steps, strict=True))


def _end(end: Dim, step: Dim) -> Dim:
    """Going backwards to INT_MAX is to go nowhere by the standard, and to the front in onnxruntime."""
    return None if end is not None and end >= INT_MAX and (step is None or step < 0) else end


def sliced(call: Call) -> Shape:
    """Some axes cut; all of them open where it is not known which."""
    result = call.shape()
    if call.has(3) and call.name(3) not in call.known:
        return (None,) * len(result)
    for axis, start, end, step in slice_bounds(call):
        result = replaced(result, axis, _left(result[axis], start, end, step))
    return result


def _left(size: Dim, start: Dim, end: Dim, step: Dim) -> Dim:
    if size is None or start is None or end is None or step is None:
        return None
    return len(visited(size, start, end, step))


def visited(size: int, start: int, end: int, step: int) -> range:
    """The places of an axis that a Slice takes. NumPy differs where it goes backwards from far before the front."""
    start, end = (place + size if place < 0 else place for place in (start, end))
    if step > 0:
        return range(min(max(start, 0), size), min(max(end, 0), size), step)
    return range(min(max(start, 0), size - 1), min(max(end, -1), size - 1), step or unknown())


def compress(call: Call) -> Shape:
    """As many entries of an axis, or of all elements, as a condition lets through."""
    if call.attr("axis") is None:
        return (None,)
    return replaced(call.shape(), call.axis(len(call.shape())), None)


def non_max_suppression(_call: Call) -> Shape:
    """(boxes, 3)."""
    return (None, 3)


RULES: Mapping[str, Rule] = {
    "Compress": compress,
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "NonMaxSuppression": non_max_suppression,
    "Slice": sliced,
}
