"""The graph of an ONNX file, of which archlint knows the layers and onnxruntime the values.

onnxruntime opens no file. It gets bytes, of which archlint has read that they are the graph that was checked: whoever
replaces the file in between, or writes into it, is found out. What would lead out of these bytes (numbers in other
files, operators of other libraries) is refused before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from archlint.errors import ArchlintError
from archlint.graph import Layer, Model
from archlint.graph import Node as NodeFact
from archlint.readers.files import OpenFile, open_file
from archlint.readers.onnx.graph import Constant, Node, Source
from archlint.readers.onnx.lift import lift
from archlint.readers.onnx.load import load
from archlint.readers.onnx.proto import parse

MOST_BYTES = 512 * 2**20
"""Of a file. Parsed, written anew and loaded it takes about four times as much, of the lab's 6 GB."""

DOMAINS = frozenset({"", "ai.onnx.ml", "com.microsoft"})
"""Of operators that onnxruntime brings along. Others are in libraries, of which the lab loads none."""

_IN_ANOTHER_FILE = 1  # TensorProto.DataLocation.EXTERNAL


class ExchangeError(ArchlintError):
    """An ONNX file, or a place in it, into which the lab cannot look; one sentence says why."""


@dataclass(slots=True)
class _Held(OpenFile):
    """A file of which all bytes are in memory."""

    data: bytes = b""

    def pread(self, length: int, offset: int) -> bytes:
        """Up to `length` bytes at `offset`; fewer at the end."""
        return self.data[offset : offset + max(0, length)] if offset >= 0 else b""


class Trace:
    """A graph, and where in it the layers are."""

    def __init__(self, model: Model, source: Source, data: bytes) -> None:
        self.model, self._source, self._data = model, source, data

    @classmethod
    def read(cls, path: Path, checked: Model) -> "Trace":
        """The graph in the file at `path`, which is that of the model that was checked.

        Raises:
            ExchangeError: it is not fit for onnxruntime, or another one by now.
            ReadError: the file cannot be read any more.
        """
        with open_file(path) as file:
            if file.size > MOST_BYTES:
                raise ExchangeError(
                    f"the file has {file.size / 2**20:,.0f} MB, and the lab runs ONNX files of up to "
                    f"{MOST_BYTES / 2**20:.0f} MB"
                )
            data = file.pread(file.size, 0)
        source = load(_Held(path, -1, len(data), file.head, data=data))
        model = lift(source)
        if model.exchange != checked.exchange:
            raise ExchangeError("the file was changed after it was checked; verify it again")
        _refuse(source, data)
        return cls(model, source, data)

    @property
    def inputs(self) -> tuple[str, ...]:
        """What the data are fed to."""
        return self._source.graph.inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the graph puts out."""
        return self._source.graph.outputs

    def written(self, values: Sequence[str], change: Callable[[Any], None] | None = None) -> bytes:
        """The file, with these values among its outputs, and changed.

        Args:
            values: of the graph.
            change: changes the GraphProto.
        """
        proto = parse(self._data)
        if change is not None:
            change(proto.graph)
        stated = {value.name for value in (*proto.graph.output, *proto.graph.input)}
        for name in dict.fromkeys(values):
            if name not in stated:
                proto.graph.output.add().name = name
        written: bytes = proto.SerializeToString()
        return written

    def layer(self, name: str) -> Layer:
        """The layer of this name."""
        return self.model.layers[self._number(name)]

    def nodes(self, name: str) -> list[Node]:
        """The nodes that a layer consists of, in their order.

        Raises:
            ExchangeError: there are none.
        """
        number = self._number(name)
        found = [node for node, fact in self._placed if fact.layer == number]
        if not found:
            raise ExchangeError(f"{name} was merged into another layer by the exporter: its values are not in the file")
        return found

    def received(self, name: str) -> str:
        """The value that a layer reads: the first that depends on the data and is not of its own making.

        Raises:
            ExchangeError: the value is not to be seen.
        """
        nodes = self.nodes(name)
        own = {value for node in nodes for value in node.outputs}
        read = (value for node in nodes for value in node.inputs if value in self._moving and value not in own)
        return self.seen(next(read, ""), name)

    def made(self, name: str) -> str:
        """The value that a layer puts out: the last that is read outside of it.

        Raises:
            ExchangeError: the value is not to be seen.
        """
        nodes = self.nodes(name)
        inside = {node.path for node in nodes}
        outside = [node for node in self._source.graph.nodes if node.path not in inside]
        read = {*self._source.graph.outputs, *(value for node in outside for value in (*node.inputs, *node.captured))}
        return self.seen(next((value for node in nodes[::-1] for value in node.outputs if value in read), ""), name)

    def seen(self, value: str, name: str) -> str:
        """A value of a layer that has its name in the file itself.

        Raises:
            ExchangeError: it has not.
        """
        if value not in self._named:
            raise ExchangeError(f"{name} is in a function of the file, into which onnxruntime gives no sight")
        return value

    def stored(self, value: str) -> Constant | None:
        """The stored tensor that a value is, also under another name; None if it is none."""
        while value in self._renamed:
            value = self._renamed[value]
        return self._source.graph.constants.get(value)

    def _number(self, name: str) -> int:
        return next(number for number, layer in enumerate(self.model.layers) if layer.name == name)

    @cached_property
    def _placed(self) -> list[tuple[Node, NodeFact]]:
        """The nodes of the graph itself, each with what archlint found out about it."""
        facts = {fact.name: fact for fact in self.model.exchange.nodes} if self.model.exchange else {}
        return [(node, facts[node.path]) for node in self._source.graph.nodes]

    @cached_property
    def _moving(self) -> set[str]:
        """The values that depend on the data."""
        moving = set(self.inputs)
        for node, fact in self._placed:
            if fact.layer is not None or (fact.idle and node.inputs[0] in moving):
                moving.update(node.outputs)
        return moving

    @cached_property
    def _renamed(self) -> dict[str, str]:
        return {node.outputs[0]: node.inputs[0] for node in self._source.graph.nodes if node.op == "Identity"}

    @cached_property
    def _named(self) -> set[str]:
        """The values that have their name in the file: those inside of functions have one for each call."""
        graph = parse(self._data).graph
        made = {value for node in graph.node for value in node.output if value}
        return made | set(self.inputs)


def _refuse(source: Source, data: bytes) -> None:
    """Stop before onnxruntime sees what leads out of the file."""
    if _leads_out(parse(data)):
        raise ExchangeError("its numbers are in another file, which is never opened; export it as a single file")
    nodes = (node for graph in source.graph.graphs() for node in graph.nodes)
    if foreign := next((node for node in nodes if node.domain not in DOMAINS), None):
        raise ExchangeError(
            f"{foreign.path} is an operator of the domain {foreign.domain!r}, and the lab loads no library for it"
        )


def _leads_out(message: Any) -> bool:
    """Whether any tensor in a message, at whatever depth, has its numbers in another file."""
    for field, value in message.ListFields():
        if field.name == "external_data" or (field.name == "data_location" and value == _IN_ANOTHER_FILE):
            return True
        if field.message_type is not None and any(map(_leads_out, value if _is_list(value) else (value,))):
            return True
    return False


def _is_list(value: Any) -> bool:
    return not hasattr(value, "ListFields")
