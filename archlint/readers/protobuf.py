"""Protobuf, as far as a file can be judged by it: it has no signature, only fields that make sense or do not.

The encoding is described at https://protobuf.dev/programming-guides/encoding.
"""

import re
from collections.abc import Iterator
from itertools import islice

from archlint.errors import ReadError
from archlint.readers.files import OpenFile

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types. Groups, 3 and 4, are older than any format that is read here."""

HEADER = 20
"""Bytes that a tag and a length take at most: two varints."""

_VERSION, _PRODUCER, _GRAPH = 1, 2, 7
_MODEL = {_VERSION: VARINT, 5: VARINT} | dict.fromkeys((_PRODUCER, 3, 4, 6, _GRAPH, 8, 14, 20, 25, 26), BYTES)
"""The fields of ONNX's ModelProto with their wire types. Writers begin with the version."""

_MANY = 10_000  # fields that are looked at; in a model, some ten come before the graph
_CORE_ML = {1, 2, 10, *range(200, 3001)}  # fields of a Core ML Model; from 200 on, the kinds of models it can be
_NODE_DEF = re.compile(rb"\n[\x80-\xff]{0,4}[\x00-\x7f]\n([\x01-\x7f])")  # a GraphDef's first node and its name


def is_onnx(file: OpenFile) -> bool:
    """Whether the file is an ONNX model, be it damaged.

    Raises:
        ReadError: it begins as one, but has no graph.
    """
    fields = islice(_fields(file), _MANY)
    if next(fields, (0, 0, 0))[:2] != (_VERSION, VARINT):
        return False
    for number, wire, body in fields:
        if _MODEL.get(number) != wire or (number == _PRODUCER and file.pread(1, body) == b"\n"):
            return False  # no name begins with a newline; the first field of a message, as others have it here, does
        if number == _GRAPH:
            return True
    raise ReadError("it begins as an ONNX model, but ends before its graph; download or export it again")


def other_kind(file: OpenFile) -> str | None:
    """What else the file is, as a sentence, if it is one of the formats that models are kept in."""
    numbers = {number for number, *_ in islice(_fields(file), _MANY)}
    if file.head.startswith(b"\x08") and numbers <= _CORE_ML and max(numbers) >= 200:
        return "it is a Core ML model, which archlint does not read; check the model that it was converted from"
    if file.head.startswith(b"\x08\x01\x12") and numbers == {1, 2}:
        return (
            "it is a TensorFlow SavedModel, which archlint does not read; save the model with model.save('name.keras')"
        )
    node = _NODE_DEF.match(file.head)
    if node and file.head[node.end() + node[1][0] :].startswith(b"\x12"):
        return "it is a frozen TensorFlow graph, which archlint does not read; check the model that it was made from"
    return None


def header(window: bytes, at: int, base: int) -> tuple[int, int, int, int]:
    """The tag of the field at index `at`; then where its length, its content and the next field begin, plus `base`.

    Raises:
        ReadError: it makes no sense.
    """
    tag = window[at]
    at += 1
    if tag > 127:
        tag, at = _varint(window, at - 1, base)
    sized = at
    wire = tag & 7
    if wire == BYTES:
        length = window[at]
        at += 1
        if length > 127:
            length, at = _varint(window, at - 1, base)
        stop = at + length
    elif wire == VARINT:
        stop = at + 1 if window[at] < 128 else _varint(window, at, base)[1]
    elif wire in (FIXED32, FIXED64):
        stop = at + (4 if wire == FIXED32 else 8)
    else:
        raise damaged(base + at, f"no field is of wire type {wire}")
    return tag, base + sized, base + at, base + stop


def damaged(position: int, reason: str) -> ReadError:
    """The error of a file that cannot be what it seems."""
    return ReadError(
        f"it begins as an ONNX model, but is damaged (at byte {position:,} {reason}); download or export it again"
    )


def _varint(window: bytes, at: int, base: int) -> tuple[int, int]:
    """The number at index `at`, and the index after it."""
    number = 0
    for shift in range(0, 70, 7):
        byte = window[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
    raise damaged(base + at, "a number has more than ten bytes")


def _fields(file: OpenFile) -> Iterator[tuple[int, int, int]]:
    """Number, wire type and start of the content of the outermost fields; 0 for a field that makes no sense."""
    position = 0
    while position < file.size:
        window = file.pread(HEADER, position) + bytes(HEADER)
        try:
            tag, _, body, position = header(window, 0, position)
        except ReadError:
            yield 0, 0, 0
            return
        yield tag >> 3, tag & 7, body
