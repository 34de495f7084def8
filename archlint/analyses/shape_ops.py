"""The output shapes of operations that change shapes, by the name of the operation.

Names and arguments are those of `keras.ops`; where TensorFlow calls an argument otherwise, both names are read. Element
by element operations need no rule here: their kind (`arithmetic`, `activation`, `add` …) has one.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from archlint.analyses.shape_layers import Shapes, concat, merge, reshaped, same, shape_of_constant
from archlint.graph import Shape
from archlint.shape_terms import (
    MOST_OUTPUTS,
    Dim,
    UnknownError,
    Use,
    axes_of,
    axis_of,
    broadcast,
    each,
    items,
    known,
    natural,
    positive,
    product,
    replaced,
    total,
    unknown,
    whole,
    wholes,
)


def reduce(use: Use) -> Shape:
    """The reduced axes go, or stay as 1 with `keepdims`; all of them where no axis is given."""
    shape = use.input()
    axis = use.option("axis", "axes", position=1)
    gone = range(len(shape)) if axis is None else axes_of(axis, len(shape))
    keep = use.option("keepdims", "keep_dims", position=2) is True
    return tuple(1 if number in gone else dim for number, dim in enumerate(shape) if keep or number not in gone)


def expand_dims(use: Use) -> Shape:
    """New axes of size 1, counted in the output."""
    shape, axis = use.input(), use.option("axis", position=1)
    count = len(items(axis)) if isinstance(axis, (list, tuple)) else 1
    rank = len(shape) + count
    new, rest = axes_of(axis, rank), iter(shape)
    return tuple(1 if number in new else next(rest) for number in range(rank))


def squeeze(use: Use) -> Shape:
    """Axes of size 1 taken away: the given ones, else all."""
    shape, axis = use.input(), use.option("axis", position=1)
    if axis is None:
        return tuple(dim for dim in shape if dim != 1)
    gone = axes_of(axis, len(shape))
    if any(shape[number] not in (1, None) for number in gone):
        raise UnknownError
    return tuple(dim for number, dim in enumerate(shape) if number not in gone)


def reshape(use: Use) -> Shape:
    """The whole tensor in another form, the batch included."""
    return reshaped(use.input(), wholes(use.option("newshape", "target_shape", "shape", position=1)))


def ravel(use: Use) -> Shape:
    """One axis of everything."""
    return (product(use.input()),)


def transpose(use: Use) -> Shape:
    """The axes in another order, backwards where none is given."""
    shape, axes = use.input(), use.option("axes", "perm", position=1)
    order = tuple(reversed(range(len(shape)))) if axes is None else axes_of(items(axes), len(shape))
    return tuple(shape[axis] for axis in order) if len(order) == len(shape) else unknown()


def swapaxes(use: Use) -> Shape:
    """Two axes change places."""
    shape = use.input()
    first = axis_of(use.option("axis1", position=1), len(shape))
    second = axis_of(use.option("axis2", position=2), len(shape))
    return replaced(replaced(shape, first, shape[second]), second, shape[first])


def moveaxis(use: Use) -> Shape:
    """Axes taken out and put in elsewhere; the others keep their order."""
    shape = use.input()
    source = axes_of(use.option("source", position=1), len(shape))
    target = axes_of(use.option("destination", position=2), len(shape))
    if len(source) != len(target):
        raise UnknownError
    moved = {to: shape[axis] for axis, to in zip(source, target, strict=True)}
    rest = iter([dim for axis, dim in enumerate(shape) if axis not in source])
    return tuple(moved[axis] if axis in moved else next(rest) for axis in range(len(shape)))


def broadcast_to(use: Use) -> Shape:
    """The stated shape."""
    return tuple(natural(size) for size in items(use.option("shape", position=1)))


def tile(use: Use) -> Shape:
    """Every axis repeated; missing factors are 1 on the left."""
    shape, repeats = use.input(), use.option("repeats", "multiples", position=1)
    times = wholes(repeats) if isinstance(repeats, (list, tuple)) else (whole(repeats),)
    rank = max(len(shape), len(times))
    padded, times = (1,) * (rank - len(shape)) + shape, (1,) * (rank - len(times)) + times
    return tuple(product((dim, natural(factor))) for dim, factor in zip(padded, times, strict=True))


def repeat(use: Use) -> Shape:
    """The entries of one axis repeated, each equally often or by a list."""
    shape, axis = use.input(), use.option("axis", position=2)
    repeats = use.option("repeats", position=1)
    shape, axis = ((product(shape),), 0) if axis is None else (shape, axis_of(axis, len(shape)))
    times = each(repeats, 1, least=0) if not isinstance(repeats, list) or len(repeats) == 1 else wholes(repeats)
    longer = product((shape[axis], times[0])) if len(times) == 1 else total(times)
    return replaced(shape, axis, longer)


def pad(use: Use) -> Shape:
    """Every axis made longer on both sides."""
    shape, width = use.input(), use.option("pad_width", "paddings", position=1)
    pairs = items(width) if isinstance(width, (list, tuple)) else (width,)
    if all(not isinstance(pair, (list, tuple)) for pair in pairs):
        pairs = (pairs,)
    margins = [each(pair if isinstance(pair, (list, tuple)) else [pair], 2, least=0) for pair in pairs]
    margins = margins * len(shape) if len(margins) == 1 else margins
    if len(margins) != len(shape):
        raise UnknownError
    return tuple(total((dim, *margin)) for dim, margin in zip(shape, margins, strict=True))


def take(use: Use) -> Shape:
    """One axis replaced by the axes of the indices, which are a tensor or a constant."""
    shape, axis = use.input(), use.option("axis", position=2)
    stated = use.option("indices", position=1)
    indices = use.input(1) if len(use.inputs) > 1 else unknown() if stated is None else shape_of_constant(stated)
    if axis is None:
        return indices
    number = axis_of(axis, len(shape))
    return (*shape[:number], *indices, *shape[number + 1 :])


def one_hot(use: Use) -> Shape:
    """A new axis as long as there are classes."""
    shape, axis = use.input(), use.option("axis", position=2)
    classes = positive(use.option("num_classes", "depth", position=1))
    place = axis_of(-1 if axis is None else axis, len(shape) + 1)
    return (*shape[:place], classes, *shape[place:])


def glu(use: Use) -> Shape:
    """Half of one axis gates the other half."""
    shape, axis = use.input(), use.option("axis", position=1)
    number = axis_of(-1 if axis is None else axis, len(shape))
    half = known(shape[number])
    return replaced(shape, number, half // 2) if half % 2 == 0 else unknown()


def matmul(use: Use) -> Shape:
    """Matrix product over the last two axes, the others broadcast; a vector counts as a matrix for the while."""
    left = _transposed(use.input(0), use.option("transpose_a"))
    right = _transposed(use.input(1), use.option("transpose_b"))
    if not (left and right):
        raise UnknownError
    rows, inner, columns = left[-2:-1], right[-2:][0], right[-1:] if len(right) > 1 else ()
    if None not in (left[-1], inner) and left[-1] != inner:
        raise UnknownError
    return (*broadcast((left[:-2], right[:-2])), *rows, *columns)


def _transposed(shape: Shape, flag: Any) -> Shape:
    return (*shape[:-2], *reversed(shape[-2:])) if flag is True else shape


def numpy_dot(use: Use) -> Shape:
    """The last axis of the left summed with the last but one of the right, no axis shared."""
    left, right = use.input(0), use.input(1)
    if not (left and right):
        return left or right
    return (*left[:-1], *right[:-2], *(right[-1:] if len(right) > 1 else ()))


def tensordot(use: Use) -> Shape:
    """Summed over given axes of both, or over the last n of the left and the first n of the right."""
    left, right = use.input(0), use.input(1)
    axes = use.option("axes", position=2)
    if isinstance(axes, (list, tuple)):
        pair = items(axes) if len(axes) == 2 else unknown()
        first, second = axes_of(pair[0], len(left)), axes_of(pair[1], len(right))
    else:
        count = natural(2 if axes is None else axes)
        if count > min(len(left), len(right)):
            raise UnknownError
        first, second = tuple(range(len(left) - count, len(left))), tuple(range(count))
    rest = [dim for axis, dim in enumerate(left) if axis not in first]
    return (*rest, *(dim for axis, dim in enumerate(right) if axis not in second))


def einsum(use: Use) -> Shape:
    """An equation with an arrow; an ellipsis stands for the axes that are broadcast."""
    equation = use.option("subscripts", "equation", position=0)
    sides = re.sub(r"\s", "", equation).split("->") if isinstance(equation, str) else ()
    if len(sides) != 2 or len(terms := sides[0].split(",")) != len(use.inputs):
        raise UnknownError
    sizes: dict[str, Dim] = {}
    elided: list[Shape] = []
    for number, term in enumerate(terms):
        letters, shared = _named_axes(term, use.input(number))
        elided.append(shared)
        for letter, dim in letters:
            sizes[letter] = dim if sizes.get(letter) in (None, 1) else sizes[letter]
    front, dots, back = sides[1].partition("...")
    middle = broadcast(elided) if dots else ()
    return (*(_size(sizes, letter) for letter in front), *middle, *(_size(sizes, letter) for letter in back))


def _size(sizes: Mapping[str, Dim], letter: str) -> Dim:
    return sizes[letter] if letter in sizes else unknown()


def _named_axes(term: str, shape: Shape) -> tuple[list[tuple[str, Dim]], Shape]:
    front, dots, back = term.partition("...")
    end = len(shape) - len(back)
    if end < len(front) or (not dots and end != len(front)):
        raise UnknownError
    named = [*zip(front, shape[: len(front)], strict=True), *zip(back, shape[end:], strict=True)]
    return named, shape[len(front) : end]


def get_item(use: Use) -> Shape:
    """`tensor[key]`: integers drop an axis, slices shorten one, None adds one, an ellipsis skips some."""
    return _indexed(aligned_key(use), use.input())


def aligned_key(use: Use) -> list[Any]:
    """The key of `tensor[key]` with an integer or a slice for each axis of the tensor, and a None for each new axis."""
    key = use.option("key", "slice_spec", position=1)
    parts = [_part(part) for part in (key if isinstance(key, (list, tuple)) else [key])]
    if parts.count(Ellipsis) > 1:
        raise UnknownError
    if Ellipsis not in parts:
        parts.append(Ellipsis)
    skipped = len(use.input()) - sum(part is not None and part is not Ellipsis for part in parts)
    place = parts.index(Ellipsis)
    return [*parts[:place], *[slice(None)] * natural(skipped), *parts[place + 1 :]]


def _part(part: Any) -> Any:
    """A part of a key, from any of the forms that files have: an integer, None, a slice, an ellipsis."""
    if isinstance(part, Mapping):
        if part.get("class_name") == "__ellipsis__":
            return Ellipsis
        bounds = part.get("config", part)
        if not isinstance(bounds, Mapping) or not {"start", "stop"} <= set(bounds):
            raise UnknownError
        return slice(*(_bound(bounds.get(name)) for name in ("start", "stop", "step")))
    if part is None or part is Ellipsis or isinstance(part, slice):
        return part
    return Ellipsis if part == "..." else whole(part)


def _bound(value: Any) -> int | None:
    return None if value is None else whole(value)


def _indexed(parts: list[Any], dims: Shape) -> Shape:
    result: list[Dim] = []
    rest = iter(dims)
    for part in parts:
        if part is None:
            result.append(1)
        elif isinstance(part, slice):
            result.append(_sliced(part, next(rest)))
        else:
            next(rest)
    return tuple(result)


def _sliced(part: slice, dim: Dim) -> Dim:
    if part.step == 0:
        raise UnknownError
    return None if dim is None else len(range(*part.indices(dim)))


def slice_to_shape(use: Use) -> Shape:
    """`keras.ops.slice`: the stated shape is what comes out."""
    sizes = wholes(use.option("shape", "size", position=2))
    return tuple(natural(size) if size != -1 else None for size in sizes)


def depth_to_space(use: Use) -> Shape:
    """Channels spread over a block of places."""
    return _reblocked(use, spread=True)


def space_to_depth(use: Use) -> Shape:
    """A block of places gathered into channels."""
    return _reblocked(use, spread=False)


def _reblocked(use: Use, *, spread: bool) -> Shape:
    shape = use.input()
    block = positive(use.option("block_size", position=1))
    if len(shape) != 4:
        raise UnknownError
    depth = 1 if use.option("data_format", position=2) in ("channels_first", "NCHW") else 3
    scaled = (
        _scaled(dim, block**2 if axis == depth else block, grow=spread is not (axis == depth))
        for axis, dim in enumerate(shape[1:], start=1)
    )
    return (shape[0], *scaled)


def _scaled(dim: Dim, factor: int, *, grow: bool) -> Dim:
    if dim is None:
        return None
    if grow:
        return dim * factor
    return dim // factor if dim % factor == 0 else unknown()


def resize(use: Use) -> Shape:
    """(…, h, w, c) → (…, size, c)."""
    shape = use.input()
    height, width = each(use.option("size", position=1), 2)
    if len(shape) not in (3, 4):
        raise UnknownError
    start = len(shape) - (2 if use.option("data_format") == "channels_first" else 3)
    return (*shape[:start], height, width, *shape[start + 2 :])


def split(use: Use) -> Shapes:
    """One axis cut into equal parts, at indices (numpy's list), or into sizes (TensorFlow's list)."""
    shape = use.input()
    axis = axis_of(_or_zero(use.option("axis", position=2)), len(shape))
    sections = use.option("indices_or_sections")
    if isinstance(sections, (list, tuple)):
        sizes = _between(wholes(sections), shape[axis])
    else:
        sizes = _parts(use.option("indices_or_sections", "num_or_size_splits", position=1), shape[axis])
    return tuple(replaced(shape, axis, size) for size in sizes)


def _or_zero(value: Any) -> Any:
    return 0 if value is None else value


def _between(cuts: tuple[int, ...], dim: Dim) -> tuple[Dim, ...]:
    if dim is None or any(cut < 0 for cut in cuts):
        return (None,) * (len(cuts) + 1)
    ends = [min(cut, dim) for cut in cuts]
    return tuple(max(0, end - start) for start, end in zip([0, *ends], [*ends, dim], strict=True))


def _parts(sections: Any, dim: Dim) -> tuple[Dim, ...]:
    if isinstance(sections, (list, tuple)):
        return tuple(None if size == -1 else size for size in wholes(sections))
    count = positive(sections)
    if count > MOST_OUTPUTS or (dim is not None and dim % count):
        raise UnknownError
    return (None if dim is None else dim // count,) * count


def unstack(use: Use) -> Shapes:
    """One tensor for every entry of an axis."""
    shape = use.input()
    axis = axis_of(_or_zero(use.option("axis", position=2)), len(shape))
    count = positive(use.option("num", position=1) or shape[axis])
    return ((*shape[:axis], *shape[axis + 1 :]),) * count if count <= MOST_OUTPUTS else unknown()


def stack(use: Use) -> Shape:
    """Tensors of one shape along a new axis."""
    shapes = use.all_inputs()
    axis = axis_of(_or_zero(use.option("axis", position=1)), len(shapes[0]) + 1)
    common = broadcast(shapes)
    return (*common[:axis], len(shapes), *common[axis:]) if len(common) == len(shapes[0]) else unknown()


def top_k(use: Use) -> Shapes:
    """The k largest along the last axis, and their indices."""
    shape = use.input()
    chosen = (*shape[:-1], positive(use.option("k", position=1))) if shape else unknown()
    return (chosen, chosen)


def moments(use: Use) -> Shapes:
    """Mean and variance."""
    return (reduce(use), reduce(use))


def _single(rule: Callable[[Use], Shape]) -> Callable[[Use], Shapes]:
    return lambda use: (rule(use),)


_REDUCTIONS = (
    "average mean sum prod max min amax amin var std any all argmax argmin median logsumexp count_nonzero norm "
    "nanmean nansum nanmax nanmin nanstd nanvar nanprod "
    "reduce_mean reduce_sum reduce_prod reduce_max reduce_min reduce_any reduce_all reduce_variance reduce_std "
    "reduce_logsumexp"
)
_ELEMENTWISE = (
    "greater greater_equal less less_equal equal not_equal logical_and logical_or logical_not logical_xor "
    "isnan isinf isfinite arctan2 hypot logaddexp floor_divide fmod remainder divide_no_nan erf erfc erfinv "
    "tan arcsin arccos arctan sinh cosh arcsinh arccosh arctanh exp2 log2 log10 cbrt trunc nan_to_num "
    "real imag conjugate squared_difference"
)
_KEEPERS = (
    "flip roll sort argsort cumsum cumprod stop_gradient zeros_like ones_like normalize l2_normalize clip tril triu"
)

OPERATIONS: Mapping[str, Callable[[Use], Shapes]] = {
    **{name: _single(reduce) for name in _REDUCTIONS.split()},
    **{name: _single(same) for name in _KEEPERS.split()},
    **{name: _single(merge) for name in _ELEMENTWISE.split()},
    **{name: _single(take) for name in ("take", "gather")},
    **{name: _single(get_item) for name in ("get_item", "getitem")},
    **{name: _single(concat) for name in ("concatenate", "concat")},
    "expand_dims": _single(expand_dims),
    "squeeze": _single(squeeze),
    "reshape": _single(reshape),
    "ravel": _single(ravel),
    "transpose": _single(transpose),
    "swapaxes": _single(swapaxes),
    "moveaxis": _single(moveaxis),
    "broadcast_to": _single(broadcast_to),
    "tile": _single(tile),
    "repeat": _single(repeat),
    "pad": _single(pad),
    "one_hot": _single(one_hot),
    "glu": _single(glu),
    "matmul": _single(matmul),
    "dot": _single(numpy_dot),
    "tensordot": _single(tensordot),
    "einsum": _single(einsum),
    "slice": _single(slice_to_shape),
    "depth_to_space": _single(depth_to_space),
    "space_to_depth": _single(space_to_depth),
    "resize": _single(resize),
    "split": split,
    "unstack": unstack,
    "stack": _single(stack),
    "top_k": top_k,
    "moments": moments,
}
"""The rule of every operation that has one, by its name in snake_case."""
