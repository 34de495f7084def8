"""What shape rules are written in: a layer in use, and its settings, read with care.

Everything that a file states is doubted: a reader here gives a plain Python value of the wanted type, or raises
`UnknownError`, which ends as None at the one place that catches it. Hence no shape rule checks anything twice.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from archlint.graph import Layer, Shape

Dim = int | None

MOST_OUTPUTS = 256
"""More outputs of one call are not believed: a file must not be able to fill the memory with one number."""

MOST_AXES = 32
"""What numpy allowed for long; a chain of `expand_dims` must not make shapes as long as the model is deep."""

MOST_ELEMENTS = 2**63 - 1
"""What a 64-bit integer holds, in tensors as in the facts."""


class UnknownError(Exception):
    """A shape or weight that cannot be known from what the file states."""


def unknown() -> NoReturn:
    """Give up, from inside an expression."""
    raise UnknownError


def whole(value: Any, least: int | None = None) -> int:
    """`value` if it is an integer of at least `least`; a boolean is none."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise UnknownError
    return value if least is None or value >= least else unknown()


def positive(value: Any) -> int:
    """`value` if it is an integer above zero."""
    return whole(value, least=1)


def natural(value: Any) -> int:
    """`value` if it is an integer of zero or more."""
    return whole(value, least=0)


def known(dim: Dim) -> int:
    """A dimension that must not be open."""
    return dim if dim is not None else unknown()


def items(value: Any) -> tuple[Any, ...]:
    """The items of a list or tuple."""
    return tuple(value) if isinstance(value, (list, tuple)) else unknown()


def wholes(value: Any) -> tuple[int, ...]:
    """A list of integers."""
    return tuple(whole(item) for item in items(value))


def each(value: Any, rank: int, least: int = 1) -> tuple[int, ...]:
    """One integer per axis: `3` and `[3]` mean (3, 3) where the rank is 2."""
    given = items(value) if isinstance(value, (list, tuple)) else (value,)
    if len(given) not in (1, rank):
        raise UnknownError
    return tuple(whole(item, least) for item in (given * rank if len(given) == 1 else given))


def axis_of(value: Any, rank: int) -> int:
    """An axis counted from the front, of a tensor of that rank."""
    axis = whole(value)
    return axis % rank if -rank <= axis < rank else unknown()


def axes_of(value: Any, rank: int) -> tuple[int, ...]:
    """The different axes that an integer or a list of integers names, in the order of the file."""
    axes = tuple(axis_of(item, rank) for item in (items(value) if isinstance(value, (list, tuple)) else (value,)))
    return axes if len(set(axes)) == len(axes) else unknown()


def last(shape: Shape) -> Dim:
    """The size of the last axis, of which there must be one."""
    return shape[-1] if shape else unknown()


def shape_from(value: Any) -> Shape:
    """A shape as files write it: a list of integers and nulls."""
    return tuple(None if item is None else natural(item) for item in items(value))


def product(dims: Iterable[Dim]) -> Dim:
    """The number of elements, None if a dimension is open."""
    sizes = list(dims)
    return None if None in sizes else math.prod(known(size) for size in sizes)


def total(dims: Iterable[Dim]) -> Dim:
    """The sum of dimensions, None if one is open."""
    sizes = list(dims)
    return None if None in sizes else sum(known(size) for size in sizes)


def replaced(shape: Shape, axis: int, dim: Dim) -> Shape:
    """`shape` with another size at `axis` (counted from the front)."""
    return (*shape[:axis], dim, *shape[axis + 1 :])


def believable(shape: Shape) -> bool:
    """Whether a tensor of this shape could exist at all."""
    return len(shape) <= MOST_AXES and math.prod(dim for dim in shape if dim) <= MOST_ELEMENTS


def broadcast(shapes: Iterable[Shape]) -> Shape:
    """The common shape of tensors combined element by element, as numpy has it.

    An open dimension against 1 stays open; against any other size it must turn out to be that size.
    """
    result: Shape = ()
    for shape in shapes:
        rank = max(len(result), len(shape))
        padded = ((1,) * (rank - len(side)) + side for side in (result, shape))
        result = tuple(_wider(left, right) for left, right in zip(*padded, strict=True))
    return result


def _wider(left: Dim, right: Dim) -> Dim:
    if left == right or right == 1:
        return left
    if left == 1 or left is None:
        return right
    return left if right is None else unknown()


@dataclass(frozen=True, slots=True)
class Use:
    """A layer as it is called: its settings, the shapes of its inputs, the plain values among its arguments."""

    layer: Layer
    inputs: tuple[Shape | None, ...] = ()
    constants: Mapping[str, Any] = field(default_factory=dict)

    def input(self, number: int = 0) -> Shape:
        """The shape of one input, batch included."""
        shape = self.inputs[number] if number < len(self.inputs) else None
        return shape if shape is not None else unknown()

    def all_inputs(self) -> tuple[Shape, ...]:
        """The shapes of all inputs, of which there must be one."""
        return tuple(self.input(number) for number in range(max(1, len(self.inputs))))

    def arg(self, name: str, default: Any = None) -> Any:
        """A setting; `default` where it is missing or null."""
        value = self.layer.args.get(name)
        return default if value is None else value

    def option(self, *names: str, position: int | None = None) -> Any:
        """An argument of an operation, which dialects keep among the call's values or among the settings; else None."""
        for name in names:
            for place in (self.constants, self.layer.args):
                if place.get(name) is not None:
                    return place[name]
        return self.constants.get(str(position))
