"""What the rules of ONNX's operations are written in: a node in use, its attributes and inputs read with care.

As in `archlint.shape_terms`, whatever cannot be known raises `UnknownError`, and a rule checks nothing twice.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from archlint.graph import Shape
from archlint.readers.onnx.graph import Array, Constant, Node
from archlint.shape_terms import (
    MOST_AXES,
    Dim,
    UnknownError,
    axes_of,
    axis_of,
    known,
    natural,
    unknown,
    whole,
    wholes,
)

Shapes = tuple[Shape | None, ...]
"""One shape for each output; None where it cannot be known."""

Rule = Callable[["Call"], Shape]
"""The shape that all outputs of a node have."""

Rules = Callable[["Call"], Shapes]
"""The shapes of a node's outputs where they differ."""


@dataclass(slots=True)
class Call:
    """A node as it is run: its attributes, and what is known of its inputs."""

    node: Node
    shapes: Mapping[str, Shape]
    dtypes: Mapping[str, str]
    known: Mapping[str, Array]

    def name(self, number: int) -> str:
        """The name of an input, empty where it is left out."""
        inputs = self.node.inputs
        return inputs[number] if number < len(inputs) else ""

    def has(self, number: int) -> bool:
        """Whether an input is given."""
        return self.name(number) != ""

    def shape(self, number: int = 0) -> Shape:
        """The shape of an input."""
        shape = self.shapes.get(self.name(number))
        return unknown() if shape is None else shape

    def shape_or_open(self, number: int, rank: int) -> Shape:
        """The shape of an input that must have `rank` axes; all of them open where it is not known."""
        shape = self.shapes.get(self.name(number), (None,) * rank)
        return shape if len(shape) == rank else unknown()

    def all_shapes(self) -> tuple[Shape, ...]:
        """The shapes of all inputs, of which there must be one."""
        return tuple(self.shape(number) for number in range(max(1, len(self.node.inputs))))

    def value(self, number: int = 0) -> Array:
        """The elements of an input; an object array holds None for those that are open."""
        value = self.known.get(self.name(number))
        return unknown() if value is None else value

    def sure(self, number: int) -> Array:
        """The elements of an input, none of them open."""
        value = self.value(number)
        return unknown() if value.dtype == object else value

    def attr(self, name: str, default: Any = None) -> Any:
        """An attribute; `default` where it is missing."""
        value = self.node.attrs.get(name)
        return default if value is None else value

    def whole(self, name: str, default: int | None = None) -> int:
        """An attribute that is an integer."""
        return whole(self.attr(name, default))

    def flag(self, name: str, default: int = 0) -> bool:
        """An attribute that is 0 or 1."""
        return bool(self.whole(name, default))

    def axis(self, rank: int, default: int | None = None) -> int:
        """The attribute `axis`, counted from the front."""
        return axis_of(self.attr("axis", default), rank)

    def tensor(self, name: str) -> Constant | None:
        """An attribute that is a tensor; None where it is missing."""
        value = self.attr(name)
        return value if value is None or isinstance(value, Constant) else unknown()

    def entries(self, number: int) -> tuple[Dim, ...]:
        """The integers of an input that is a list (or a single one); None for those that are open."""
        value = self.known.get(self.name(number))
        if value is not None:
            return tuple(None if item is None else whole(item) for item in value.ravel().tolist())
        shape = self.shape(number)
        length = known(shape[0]) if len(shape) == 1 else unknown()
        return (None,) * length if length <= MOST_AXES else unknown()

    def sizes(self, number: int) -> Shape:
        """The sizes in an input; None for those that are open."""
        return tuple(None if item is None else natural(item) for item in self.entries(number))

    def scalar(self, number: int) -> float | None:
        """The single number in an input, an `int` if it is one; None where it is open."""
        value = self.known.get(self.name(number))
        if value is None:
            return None
        item = value.item() if value.size == 1 else unknown()
        if item is not None and not (isinstance(item, (int, float)) and math.isfinite(item)):
            raise UnknownError
        return item

    def listed(self, name: str, number: int) -> tuple[Dim, ...] | None:
        """Integers that old opsets have as an attribute and new ones as an input; None where neither is given."""
        stated = self.node.attrs.get(name)
        if stated is not None:
            return wholes(stated)
        return self.entries(number) if self.has(number) else None

    def sure_list(self, name: str, number: int) -> tuple[int, ...] | None:
        """As `listed`, none of them open."""
        stated = self.listed(name, number)
        return None if stated is None else tuple(known(item) for item in stated)

    def number(self, name: str, number: int) -> Dim:
        """One integer that old opsets have as an attribute and new ones as an input; None where it is open."""
        stated = self.attr(name)
        entries = self.entries(number) if stated is None else (whole(stated),)
        return entries[0] if len(entries) == 1 else unknown()

    def axes(self, number: int, rank: int) -> tuple[int, ...] | None:
        """The attribute or input `axes`, counted from the front; None where it is not given."""
        stated = self.sure_list("axes", number)
        return None if stated is None else axes_of(stated, rank)


def same(call: Call) -> Shape:
    """One tensor in, one of the same shape out."""
    return call.shape()


def merged(left: Dim, right: Dim) -> Dim:
    """A dimension that two tensors share."""
    if left is None or left == right:
        return right
    return left if right is None else unknown()


def agreed(left: Shape, right: Shape) -> Shape:
    """A shape of which two things are known."""
    if len(left) != len(right):
        raise UnknownError
    return tuple(merged(*dims) for dims in zip(left, right, strict=True))


def common(left: Shape | None, right: Shape | None) -> Shape | None:
    """What is true of a tensor that has one shape or the other."""
    if left is None or right is None or len(left) != len(right):
        return None
    return tuple(first if first == second else None for first, second in zip(left, right, strict=True))
