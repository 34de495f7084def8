"""ONNX's messages as a table: which of their fields are kept when a file is read, and how.

The numbers are those of onnx.proto; a field that is not here is left out.
"""

from dataclasses import dataclass, field
from typing import Final

from archlint.readers.protobuf import BYTES, FIXED32, FIXED64, VARINT

# What to do with a field that is no message
KEEP: Final = "keep"
TEXT: Final = "text"
PACKED: Final = "packed"
DATA: Final = "data"
LIST: Final = "list"  # data of which each element has a tag of its own
PROPERTY: Final = "property"
SHORT_PROPERTY: Final = "short property"
PLACE: Final = "place"  # whether data is in another file

# What a message costs once it is parsed, in bytes of memory: 200 were measured with protobuf 7, for an attribute
_PLAIN = 300
_OBJECT = 4096  # one that becomes objects and rows of our own
_ATTRIBUTE = 1200  # one that is decoded, looked up by its name and remembered


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A kind of message: what to do with its fields, by tag.

    `room` is how many bytes of data it may keep, and `doc_string` the number of that field; messages that are `alike`
    often repeat an earlier one.
    """

    cost: int = _PLAIN
    room: int = 0
    doc_string: int = 0
    alike: bool = False
    fields: "dict[int, str | Kind]" = field(default_factory=dict)


_SCALARS = {
    "int": {VARINT: KEEP},
    "float": {FIXED32: KEEP},
    "dims": {VARINT: KEEP, BYTES: PACKED},
    "text": {BYTES: TEXT},
    "bytes": {BYTES: DATA},
    "ints": {VARINT: LIST, BYTES: DATA},
    "floats": {FIXED32: LIST, BYTES: DATA},
    "doubles": {FIXED64: LIST, BYTES: DATA},
    "strings": {BYTES: LIST},
    "property": {BYTES: PROPERTY},
    "short_property": {BYTES: SHORT_PROPERTY},
    "place": {VARINT: PLACE},
}
"""What to do with a field of a type, by wire type: repeated numbers may be written packed or one by one."""

_FIELDS = {
    "model": "int 1 5, text 2 3 4, graph 7, opset 8, short_property 14, training 20, function 25",
    "training": "graph 1 2, entry 3 4",
    "function": "text 1 4 5 6 10 13, node 7, opset 9, attribute 11, value 12",
    "graph": "node 1, text 2, tensor 5, value 11 12 13, annotation 14, sparse 15",
    "node": "text 1 2 3 4 7 8, attribute 5, property 9",
    "attribute": "text 1 21, float 2, int 3 20, bytes 4, tensor 5 10, graph 6 11, floats 7, ints 8, strings 9, "
    "type 14 15, sparse 22 23",
    "tensor": "dims 1, int 2, segment 3, floats 4, ints 5 7 11, strings 6, text 8, bytes 9, doubles 10, entry 13, "
    "place 14",
    "segment": "int 1 2",
    "sparse": "tensor 1 2, dims 3",
    "value": "text 1, type 2",
    "type": "tensor_type 1 8, item 4 9, map 5, text 6, opaque 7",
    "tensor_type": "int 1, shape 2",
    "shape": "dimension 1",
    "dimension": "int 1, text 2 3",
    "item": "type 1",
    "map": "int 1, type 2",
    "opaque": "text 1 2",
    "annotation": "text 1, entry 2",
    "entry": "text 1 2",
    "opset": "text 1, int 2",
}

KINDS = {name: Kind() for name in _FIELDS} | {
    "node": Kind(_OBJECT),
    "function": Kind(_OBJECT),
    "attribute": Kind(_ATTRIBUTE, room=2**16, doc_string=13, alike=True),
    "tensor": Kind(room=256, doc_string=12),  # enough for shapes, axes and scalars
    "type": Kind(alike=True),
}
"""The kinds of messages by name."""


def _fill(kind: Kind, fields: str) -> None:
    for entry in fields.split(", "):
        name, *numbers = entry.split()
        todos: dict[int, str | Kind] = {BYTES: KINDS[name]} if name in KINDS else dict(_SCALARS[name])
        for number in numbers:
            kind.fields.update({int(number) << 3 | wire: todo for wire, todo in todos.items()})


for _name, _text in _FIELDS.items():
    _fill(KINDS[_name], _text)
