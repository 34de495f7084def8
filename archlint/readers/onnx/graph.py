"""ONNX's graph in plain Python: what the file says, with everything that only makes it hard to read taken out.

Value names are unique over the whole model (a name inside a function or a loop's body carries the path of its
scope), functions are unfolded where they are called, nodes are in topological order, initializers are never inputs,
and Constant nodes are constants like initializers. Nothing is interpreted yet.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from numpy.typing import NDArray

from archlint.graph import Shape
from archlint.readers.files import OpenFile
from archlint.readers.onnx.external import External
from archlint.readers.onnx.wire import Payload

Array = NDArray[Any]

ITEM_BITS = {
    **dict.fromkeys("bool int8 uint8 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz float8e8m0".split(), 8),
    **dict.fromkeys("float16 bfloat16 int16 uint16".split(), 16),
    **dict.fromkeys("float int32 uint32".split(), 32),
    **dict.fromkeys("double int64 uint64 complex64".split(), 64),
    **dict.fromkeys("int4 uint4 float4e2m1".split(), 4),
    **dict.fromkeys("int2 uint2".split(), 2),
    "complex128": 128,
}
"""Bits of one element, by ONNX's name of the type in its text syntax; strings have no fixed size."""

FLOATS = frozenset(name for name in ITEM_BITS if name.startswith(("float", "bfloat", "double")))


class Type(NamedTuple):
    """What is declared of a value: element type and shape; None where it is not, or where it is no tensor."""

    dtype: str | None = None
    shape: Shape | None = None


@dataclass(frozen=True, slots=True)
class Constant:
    """A stored tensor. `value` is there if it is small; of others, `payload` or `external` says where the bytes are."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    value: Array | None = None
    payload: Payload | None = None
    external: External | None = None
    initializer: bool = False

    @property
    def elements(self) -> int:
        """How many elements it has."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def nbytes(self) -> int:
        """The bytes that its elements take in memory."""
        return -(-self.elements * ITEM_BITS.get(self.dtype, 0) // 8)


@dataclass(frozen=True, slots=True)
class Node:
    """One operation. `opset` is the version of its domain that the model asks for; absent inputs are empty names.

    `captured` are values of the graphs around it that its `bodies` (of If, Loop, Scan) read.
    """

    path: str
    op: str
    domain: str
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    bodies: "Mapping[str, Graph]" = field(default_factory=dict)
    captured: tuple[str, ...] = ()

    @property
    def standard(self) -> bool:
        """Whether ONNX itself defines the operation."""
        return self.domain == ""


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph: the model's, or the body of a control-flow node.

    `types` holds what the file declares of any value, the inputs and outputs included.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, Constant]
    types: Mapping[str, Type]

    def graphs(self) -> "Iterator[Graph]":
        """This graph and the bodies in it, at whatever depth."""
        yield self
        for node in self.nodes:
            for body in node.bodies.values():
                yield from body.graphs()


@dataclass(frozen=True, slots=True)
class Source:
    """The file as a whole. `opsets` by domain; `overridable` are initializers that are listed as inputs, too.

    `elsewhere` are tensors whose numbers are in other files and that are no initializers of the graph itself.
    """

    file: OpenFile
    name: str | None
    producer: str | None
    producer_version: str | None
    ir_version: int
    opsets: Mapping[str, int]
    graph: Graph
    overridable: frozenset[str] = frozenset()
    training: bool = False
    elsewhere: tuple[Constant, ...] = ()
