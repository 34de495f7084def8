"""An ONNX file without its weights: the protobuf is walked field by field, and all but the tensors' data is copied.

However large the file is, only its structure passes through memory. What the structure will take once it is parsed is
estimated on the way: two bytes of protobuf can become 200 of memory, so a hostile file has to end here.
"""

import re
from dataclasses import dataclass

from archlint.errors import ReadError
from archlint.limits import ONNX_DEPTH, ONNX_MEMORY
from archlint.readers.files import OpenFile
from archlint.readers.onnx.messages import DATA, KINDS, LIST, PACKED, PLACE, PROPERTY, SHORT_PROPERTY, TEXT, Kind
from archlint.readers.protobuf import BYTES, FIXED32, FIXED64, HEADER, VARINT, damaged, header

SEVERAL = 0  # no field has this number


@dataclass(frozen=True, slots=True)
class Payload:
    """Data that was left out: where it lies in the file, its length in bytes, and the number of its field.

    The offset is None if the data does not lie in one piece; the length then counts the tags in between too. Data in
    several fields has the number `SEVERAL`.
    """

    offset: int | None
    length: int
    field: int


@dataclass(frozen=True, slots=True)
class Slim:
    """A ModelProto without long data.

    A TensorProto or AttributeProto whose data was left out has the index of its payload, in decimal, for a doc_string;
    no other message has a doc_string. Names that are no UTF-8, which protobuf would hand out as bytes, are escaped.
    `is_external`: some tensor says whether its data is in another file.
    """

    data: bytes
    payloads: tuple[Payload, ...]
    is_external: bool = False


def slim(file: OpenFile) -> Slim:
    """The structure of the model in `file`.

    Raises:
        ReadError: the file is cut short or damaged, or its structure too large or too deep to be honest.
    """
    walk = _Walk(file)
    data = walk.message(KINDS["model"], 0, file.size)
    return Slim(walk.take(0, file.size) if data is None else data, tuple(walk.payloads), walk.is_external)


_WINDOW = 2**14  # bytes read at once; few, as the data of a large tensor may begin after any of them

# What else costs memory, in bytes, besides the messages themselves. As costs bound the time too, they are rounded up.
_FIELD = 120
_EDIT = 800
_BYTE = 3  # in the slim copy, in the parsed message, in a str
_PACKED_BYTE = 8  # each may become an integer
_PLACE = 2048  # a path that is looked at, and a row of our own

_KEPT_PROPERTIES = (
    b"pkg.torch.onnx.class_hierarchy",
    b"pkg.torch.onnx.name_scopes",
    b"pkg.torch.onnx.fx_node",
    b"pkg.onnxscript.rewriter.rule_name",
)
"""Properties that tell which layer a node came from. Most of what is written beside them are stack traces."""

_SHORT_ENTRY = 1024
"""Longest property of a model that is kept, in bytes: some tools write whole lists of class names there."""

_SHORT_MESSAGE = 256
"""Longest message that is known again, in bytes; none so short can hold data that is left out."""

_RUNS = {
    7 << 3 | FIXED32: re.compile(rb"(?:\x3d.{4})*+", re.DOTALL),
    8 << 3 | VARINT: re.compile(rb"(?:\x40[\x80-\xff]{0,9}[\x00-\x7f])*+"),
}
"""More floats or ints of an attribute, by their tag: a forest of decision trees has millions, one by one."""

_Edit = tuple[int, int, bytes]
"""Start and stop of what is replaced, and by what."""

_Data = tuple[int, int, int | None, int]
"""Start and stop of a field, start of its content if that is in one piece, and its number."""


class _Walk:
    """A walk through a file, of which a window is in memory."""

    def __init__(self, file: OpenFile) -> None:
        self.payloads: list[Payload] = []
        self.is_external = False
        self._file = file
        self._left = ONNX_MEMORY
        self._window = b""  # zeros follow its end, so that a header can be read before it is known to be whole
        self._base = self._until = 0
        self._seen: dict[bytes, tuple[bytes | None, int]] = {}

    def message(self, kind: Kind, start: int, end: int, depth: int = 0) -> bytes | None:
        """The message from `start` to `end`, rewritten; None if it may stay as it is."""
        if depth > ONNX_DEPTH:
            raise ReadError("its graphs are nested more deeply than any honest model's; it was not read further")
        self._spend(kind.cost)
        edits: list[_Edit] = []
        data: list[_Data] = []
        position, count = start, 0
        while position < end:
            if position + HEADER > self._until:
                self._spend(_FIELD * count)
                self._turn(position)
                count = 0
            count += 1
            tag, sized, body, stop = header(self._window, position - self._base, self._base)
            if stop > end:
                raise self._overrun(position, depth)
            todo = kind.fields.get(tag)
            if todo is PROPERTY or todo is SHORT_PROPERTY:
                todo = self._property(todo, body, stop)
            if todo is TEXT:
                if not (text := self._look(body, stop)).isascii():
                    self._replace(edits, sized, stop, _escaped(text))
            elif isinstance(todo, Kind):
                walk = self._alike if todo.alike else self.message
                self._replace(edits, sized, stop, walk(todo, body, stop, depth + 1))
            elif todo is DATA or todo is LIST:
                stop = self._run(tag, stop, end)
                self._spend(_EDIT)
                data.append((position, stop, body if todo is DATA else None, tag >> 3))
            elif todo is PACKED:
                self._left -= _PACKED_BYTE * (stop - body)
            elif todo is PLACE:
                self.is_external = True
                self._spend(_PLACE)
            elif todo is None:
                self._leave_out(edits, position, stop, kind, tag)
            position = stop
        if data:
            self._leave_out_data(edits, data, kind, end)
        self._spend(_FIELD * count)
        return self._edited(start, end, edits) if edits else None

    def take(self, start: int, stop: int) -> bytes:
        """The bytes of the file from `start` to `stop`."""
        self._spend(_BYTE * (stop - start))
        return self._look(start, stop)

    def _run(self, tag: int, stop: int, end: int) -> int:
        """Where the run of unpacked numbers ends that a field ending at `stop` begins, as far as the window shows."""
        run = _RUNS.get(tag)
        found = run and run.match(self._window, stop - self._base, min(end, self._until) - self._base)
        return self._base + found.end() if found else stop

    def _turn(self, position: int) -> None:
        """Move the window to `position`."""
        read = self._file.pread(_WINDOW, position)
        self._base, self._until = position, position + len(read)
        self._window = read + bytes(HEADER)

    def _look(self, start: int, stop: int) -> bytes:
        if self._base <= start and stop <= self._until:
            return self._window[start - self._base : stop - self._base]
        self._spend(stop - start)
        read = self._file.pread(stop - start, start)
        if len(read) < stop - start:
            raise ReadError("it was changed while it was read; check it again")
        return read

    def _spend(self, cost: int) -> None:
        self._left -= cost
        if self._left < 0:
            raise ReadError("its structure is larger than any honest model's; it was not read further")

    def _property(self, todo: str, start: int, stop: int) -> Kind | None:
        """What to do with an entry of `metadata_props`."""
        if todo is SHORT_PROPERTY:
            kept = stop - start <= _SHORT_ENTRY
        else:
            kept = self._look(start, min(stop, start + 2**6)).startswith(_KEPT_PROPERTIES, 2)  # after tag and length
        return KINDS["entry"] if kept else None

    def _alike(self, kind: Kind, start: int, stop: int, depth: int) -> bytes | None:
        """As `message`; but what came of an equal one, and its cost, is remembered."""
        if stop - start > _SHORT_MESSAGE:
            return self.message(kind, start, stop, depth)
        content = self._look(start, stop)
        if content in self._seen:
            rewritten, cost = self._seen[content]
            self._spend(cost)
            return rewritten
        before = self._left
        rewritten = self.message(kind, start, stop, depth)
        self._seen[content] = rewritten, before - self._left
        self._spend(_EDIT + len(content))
        return rewritten

    def _replace(self, edits: list[_Edit], sized: int, stop: int, content: bytes | None) -> None:
        """Give a field, whose length is at `sized`, other content, unless that is None."""
        if content is not None:
            self._left -= _EDIT
            edits.append((sized, stop, _varint(len(content)) + content))

    def _leave_out(self, edits: list[_Edit], start: int, stop: int, kind: Kind, tag: int) -> None:
        known = any(tag & ~7 | wire in kind.fields for wire in (VARINT, FIXED64, BYTES, FIXED32))
        if known != (tag in kind.fields) or not 0 < tag >> 3 < 2**29:
            raise damaged(start, f"field {tag >> 3} is not of wire type {tag & 7}")
        self._left -= _EDIT
        edits.append((start, stop, b""))

    def _leave_out_data(self, edits: list[_Edit], data: list[_Data], kind: Kind, end: int) -> None:
        """Leave out the data of a message that ends at `end`, and note there where it was; unless there is little."""
        data = [piece for piece in data if piece[1] != piece[2]]  # an empty one says nothing
        length = sum(stop - start for start, stop, *_ in data)
        if length <= kind.room:
            self._left -= _PACKED_BYTE * length
            return
        _, stop, body, number = data[0]
        if body is not None and len(data) == 1:
            self.payloads.append(Payload(body, stop - body, number))
        else:
            alone = all(piece[3] == number for piece in data)
            self.payloads.append(Payload(None, length, number if alone else SEVERAL))
        note = str(len(self.payloads) - 1).encode()
        edits += [(start, stop, b"") for start, stop, *_ in data]
        edits.sort()
        edits.append((end, end, bytes([kind.doc_string << 3 | BYTES, len(note)]) + note))

    def _edited(self, start: int, end: int, edits: list[_Edit]) -> bytes:
        pieces: list[bytes] = []
        for first, stop, content in edits:
            pieces += self.take(start, first), content
            start = stop
        return b"".join((*pieces, self.take(start, end)))

    def _overrun(self, position: int, depth: int) -> ReadError:
        if depth:
            return damaged(position, "a field is longer than what it is part of")
        return ReadError("it begins as an ONNX model, but is cut short; download or export it again")


def _escaped(text: bytes) -> bytes | None:
    """The text in UTF-8, None if that is what it is."""
    escaped = text.decode("utf-8", "backslashreplace").encode()
    return None if escaped == text else escaped


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    return bytes((*written, number))
