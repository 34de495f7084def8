"""Recognises Python code in a text, by its first bytes: it is never unmarshalled or unpickled."""

import binascii
import re
import string
from itertools import islice
from typing import NamedTuple

from archlint.readers.strict_json import Json

_ALPHABET = frozenset(string.ascii_letters + string.digits + "+/")
_STRANGE = "[^A-Za-z0-9+/]*"
_STARTS = re.compile(rf"[\xe3c\x80]|{_STRANGE}(?:[4Y]{_STRANGE}[w-z0-9+/]|g{_STRANGE}A)")
"""How texts with code begin: the first two letters of base64, which passes over other characters, or the first
character of raw bytes."""

_MARSHALLED = re.compile(rb"[c\xe3][\0-\xff][\0-\x0f]\0\0", re.DOTALL)
"""A code object: its sign (flagged or not), and how many arguments it takes, in four bytes."""

_PICKLED = re.compile(rb"\x80[\2-\5].*\.\Z", re.DOTALL)
_SHORTEST = 16


class Payload(NamedTuple):
    """Code in a file: `bytecode`, `pickle`, or `text` that is no bytecode although it stands in its place."""

    kind: str
    size: int


def recognised(text: str) -> Payload | None:
    """The code that a text is by the look of it, wherever it stands."""
    if len(text) < _SHORTEST or not _STARTS.match(text) or not _begins_as_code(text):
        return None
    found = payload(text)
    return None if found.kind == "text" else found


def _begins_as_code(text: str) -> bool:
    first = "".join(islice(filter(_ALPHABET.__contains__, text), 8))
    heads = (text[:8].encode("latin-1", "replace"), binascii.a2b_base64(first) if len(first) == 8 else b"")
    return any(_MARSHALLED.match(head) or head.startswith(b"\x80") for head in heads)


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
