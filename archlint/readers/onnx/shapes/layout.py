"""The output shapes of operations that arrange elements anew: reshaping, joining, splitting, padding."""

import math
from collections.abc import Mapping, Sequence

from archlint.graph import Shape
from archlint.readers.onnx.shapes.terms import Call, Rule, Rules, Shapes, agreed
from archlint.shape_terms import (
    MOST_OUTPUTS,
    Dim,
    UnknownError,
    axes_of,
    axis_of,
    broadcast,
    items,
    known,
    natural,
    positive,
    product,
    replaced,
    total,
    unknown,
)


def reshape(call: Call) -> Shape:
    """The stated shape: 0 is the size that the axis had, -1 what is left."""
    stated, before = call.listed("shape", 1), call.shapes.get(call.name(0))
    if stated is None or stated.count(-1) > 1 or any(size is not None and size < -1 for size in stated):
        raise UnknownError
    copied = () if call.flag("allowzero") else tuple(axis for axis, size in enumerate(stated) if size == 0)
    target = tuple(None if size == -1 else size for size in stated)
    if before is None:
        return tuple(None if axis in copied else size for axis, size in enumerate(target))
    if copied and copied[-1] >= len(before):
        raise UnknownError
    target = tuple(before[axis] if axis in copied else size for axis, size in enumerate(target))
    return _completed(before, target, copied)


def _completed(before: Shape, target: Shape, copied: Sequence[int]) -> Shape:
    """`target` with its open size worked out; axes that were copied count on neither side, so they may be open."""
    free = [axis for axis, size in enumerate(target) if size is None and axis not in copied]
    rest = product(size for axis, size in enumerate(target) if axis not in copied and axis not in free)
    elements = product(dim for axis, dim in enumerate(before) if axis not in copied)
    if elements is None or not rest or len(free) > 1:
        return target
    if not free:
        return target if elements == rest else unknown()
    return replaced(target, free[0], elements // rest) if elements % rest == 0 else unknown()


def flatten(call: Call) -> Shape:
    """Two axes: everything before `axis`, and everything from there."""
    shape = call.shape()
    axis = call.whole("axis", 1)
    if not -len(shape) <= axis <= len(shape):
        raise UnknownError
    axis += len(shape) if axis < 0 else 0
    return (product(shape[:axis]), product(shape[axis:]))


def transpose(call: Call) -> Shape:
    """The axes in another order, backwards where none is given."""
    shape = call.shape()
    order = axes_of(call.attr("perm", list(reversed(range(len(shape))))), len(shape))
    return tuple(shape[axis] for axis in order) if len(order) == len(shape) else unknown()


def squeeze(call: Call) -> Shape:
    """Axes of size 1 taken away: the given ones, else all."""
    shape = call.shape()
    gone = call.axes(1, len(shape))
    if gone is None:
        gone = tuple(axis for axis, dim in enumerate(shape) if known(dim) == 1)
    if any(shape[axis] not in (1, None) for axis in gone):
        raise UnknownError
    return tuple(dim for axis, dim in enumerate(shape) if axis not in gone)


def unsqueeze(call: Call) -> Shape:
    """New axes of size 1, counted in the output."""
    shape, stated = call.shape(), call.listed("axes", 1) or unknown()
    rank = len(shape) + len(stated)
    new, rest = axes_of(stated, rank), iter(shape)
    return tuple(1 if axis in new else next(rest) for axis in range(rank))


def concat(call: Call) -> Shape:
    """Joined along one axis; the others are shared."""
    return joined(call.all_shapes(), call.whole("axis", 1 if call.node.opset < 4 else None))


def joined(shapes: Sequence[Shape], axis: int) -> Shape:
    """Shapes put together along an axis."""
    result, axis = shapes[0], axis_of(axis, len(shapes[0]))
    size = total(shape[axis] if len(shape) == len(result) else unknown() for shape in shapes)
    for shape in shapes:
        result = agreed(replaced(result, axis, size), replaced(shape, axis, size))
    return result


def split(call: Call) -> Shapes:
    """Parts along one axis, of given sizes or as equal as can be."""
    shape = call.shape()
    axis = call.axis(len(shape), 0)
    count = len(call.node.outputs)
    sizes = call.listed("split", 1) if count <= MOST_OUTPUTS else unknown()
    if sizes is None:
        sizes = _equal_parts(shape[axis], count)
    return tuple(replaced(shape, axis, None if size is None else natural(size)) for size in sizes)


def _equal_parts(size: Dim, count: int) -> Shape:
    """The last part is smaller if they cannot be equal."""
    if size is None:
        return (None,) * count
    part = -(-size // max(1, count))
    return tuple(max(0, min(part, size - part * number)) for number in range(count))


def expand(call: Call) -> Shape:
    """Broadcast to the stated shape, which may itself be smaller."""
    return broadcast((call.shape(), call.sizes(1)))


def tile(call: Call) -> Shape:
    """Every axis repeated."""
    shape, repeats = call.shape(), call.sizes(1)
    if len(repeats) != len(shape):
        raise UnknownError
    return tuple(product(pair) for pair in zip(shape, repeats, strict=True))


def pad(call: Call) -> Shape:
    """Axes made longer on both sides, or shorter."""
    shape = call.shape()
    axes = call.axes(3, len(shape)) if call.has(3) else range(len(shape))
    stated = call.listed("paddings" if call.attr("paddings") else "pads", 1) or ()
    if axes is None or len(stated) != 2 * len(axes):
        raise UnknownError
    result = list(shape)
    for axis, before, after in zip(axes, stated, stated[len(axes) :], strict=False):
        longer = total((shape[axis], before, after))
        result[axis] = None if longer is None else natural(longer)
    return tuple(result)


def center_crop_pad(call: Call) -> Shape:
    """The stated size along some axes."""
    shape, sizes = call.shape(), call.sizes(1)
    axes = axes_of(call.attr("axes", list(range(len(shape)))), len(shape))
    if len(axes) != len(sizes):
        raise UnknownError
    result = list(shape)
    for axis, size in zip(axes, sizes, strict=True):
        result[axis] = size
    return tuple(result)


def depth_to_space(call: Call) -> Shape:
    """Channels become blocks of places."""
    (batch, channels, *places), block = _image(call), positive(call.whole("blocksize"))
    fewer = None if channels is None else channels // block ** len(places)
    return (batch, fewer, *(product((dim, block)) for dim in places))


def space_to_depth(call: Call) -> Shape:
    """Blocks of places become channels."""
    (batch, channels, *places), block = _image(call), positive(call.whole("blocksize"))
    return (batch, product((channels, block ** len(places))), *(dim and dim // block for dim in places))


def _image(call: Call) -> Shape:
    shape = call.shape()
    return shape if len(shape) == 4 else unknown()


def shape_of(call: Call) -> Shape:
    """One number for each axis in the range."""
    return (len(range(len(call.shape()))[shape_range(call)]),)


def shape_range(call: Call) -> slice:
    """The axes that a Shape node reads."""
    return slice(call.whole("start", 0), None if call.attr("end") is None else call.whole("end"))


def scalar(_call: Call) -> Shape:
    """One number, whatever comes in."""
    return ()


def constant_of_shape(call: Call) -> Shape:
    """The stated shape."""
    return call.sizes(0)


def stated_shape(call: Call) -> Shape:
    """The attribute `shape`."""
    return tuple(natural(size) for size in items(call.attr("shape")))


def number_range(call: Call) -> Shape:
    """As many numbers as there are steps."""
    start, limit, step = (call.scalar(number) for number in range(3))
    if start is None or limit is None or step is None:
        return (None,)
    steps = (limit - start) / step if step else math.nan
    return (max(0, math.ceil(steps)),) if math.isfinite(steps) else unknown()


def one_hot(call: Call) -> Shape:
    """A new axis as long as there are classes."""
    shape, depth = call.shape(), call.scalar(1)
    axis = call.axis(len(shape) + 1, -1)
    classes = None if depth is None else natural(depth if isinstance(depth, int) else round(depth))
    return (*shape[:axis], classes, *shape[axis:])


def multinomial(call: Call) -> Shape:
    """(batch, classes) → (batch, samples)."""
    return (call.shape()[0], positive(call.whole("sample_size", 1))) if call.shape() else unknown()


def window(call: Call) -> Shape:
    """A window function of the stated length."""
    sizes = call.sizes(0)
    return sizes if len(sizes) == 1 else unknown()


RULES: Mapping[str, Rule] = {
    "BlackmanWindow": window,
    "CenterCropPad": center_crop_pad,
    "Concat": concat,
    "ConstantOfShape": constant_of_shape,
    "DepthToSpace": depth_to_space,
    "Expand": expand,
    "Flatten": flatten,
    "HammingWindow": window,
    "HannWindow": window,
    "Multinomial": multinomial,
    "OneHot": one_hot,
    "OptionalHasElement": scalar,
    "Pad": pad,
    "RandomNormal": stated_shape,
    "RandomUniform": stated_shape,
    "Range": number_range,
    "Reshape": reshape,
    "SequenceLength": scalar,
    "Shape": shape_of,
    "Size": scalar,
    "SpaceToDepth": space_to_depth,
    "Squeeze": squeeze,
    "Tile": tile,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}

MANY: Mapping[str, Rules] = {"Split": split}
