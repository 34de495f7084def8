"""Recognises Python code in a text, by its first bytes: it is never unmarshalled or unpickled."""

import binascii
import re
from typing import NamedTuple

from archlint.readers.strict_json import Json

_STARTS = ("4w", "Yw", "gA", "\xe3", "c", "\x80")
"""How texts with code begin: the first two letters of base64, or the first character of raw bytes."""

_MARSHALLED = re.compile(rb"[c\xe3][\0-\x3f]\0\0\0", re.DOTALL)
"""A code object: its sign (flagged or not), and how many arguments it takes, in four bytes."""

_PICKLED = re.compile(rb"\x80[\2-\5].*\.\Z", re.DOTALL)
_SHORTEST = 16


class Payload(NamedTuple):
    """Code in a file: `bytecode`, `pickle`, or `text` that is no bytecode although it stands in its place."""

    kind: str
    size: int


def recognised(text: str) -> Payload | None:
    """The code that a text is by the look of it, wherever it stands."""
    if not text.startswith(_STARTS) or len(text) < _SHORTEST:
        return None
    head = _bytes(text[:8])
    if not _MARSHALLED.match(head) and not head.startswith(b"\x80"):
        return None
    found = payload(text)
    return None if found.kind == "text" else found


def payload(value: Json) -> Payload:
    """The code in a value that Keras would load as such: a text, or a list that begins with one."""
    text = value[0] if isinstance(value, list) and value else value
    if not isinstance(text, str):
        return Payload("text", 0)
    content = _bytes(text)
    if _MARSHALLED.match(content):
        return Payload("bytecode", len(content))
    return Payload("pickle" if _PICKLED.match(content) else "text", len(content))


def _bytes(text: str) -> bytes:
    """The bytes of a text: base64 since Keras 2.1, before one character for each."""
    raw = text.encode("latin-1", "replace")
    if _MARSHALLED.match(raw) or _PICKLED.match(raw):
        return raw
    try:
        return binascii.a2b_base64(raw)
    except binascii.Error:
        return raw
