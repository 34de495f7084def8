"""Pickles in files of NumPy's: what `numpy.load` would unpickle where it may, as Keras 3.8 lets it with weights.

https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import zipfile
import zlib
from hashlib import sha256

from archlint.limits import DIGEST_DIGITS, MIB
from archlint.readers.files import Source

_ARRAY, _ARCHIVES = b"\x93NUMPY", (b"PK\3\4", b"PK\5\6")
_HEADER = 2**16  # bytes; the header of an array of plain numbers has 128
_OBJECTS = (b"O", b"object", b"\\")
"""What the header of an array of objects has in it, that of plain numbers not; the last, as letters may be escaped."""


def unpickled(source: Source) -> bool:
    """Whether anything in a file would be unpickled; also if that cannot be told."""
    start = source.pread(_HEADER, 0)
    if start.startswith(_ARRAY):
        return _has_objects(start)
    return not start.startswith(_ARCHIVES) or _any_in_archive(source)


def content_digest(source: Source) -> str:
    """Digits that change with any byte of a file."""
    found = sha256()
    for offset in range(0, source.size, MIB):
        found.update(source.pread(MIB, offset))
    return found.hexdigest()[:DIGEST_DIGITS]


def _any_in_archive(source: Source) -> bool:
    """What is no array is handed out as bytes."""
    try:
        with zipfile.ZipFile(source) as archive:
            return any(_has_objects(_start(archive, member)) for member in archive.infolist())
    # whatever zipfile raises at bytes that make no sense
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError):
        return True


def _start(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as content:
        return content.read(_HEADER)


def _has_objects(start: bytes) -> bool:
    """Whether the file that begins so is an array, and not of plain numbers."""
    if not start.startswith(_ARRAY):
        return False
    width = 2 if start[6:7] == b"\1" else 4
    length = int.from_bytes(start[8 : 8 + width], "little")
    header = start[8 + width : 8 + width + length]
    return len(header) < length or any(sign in header for sign in _OBJECTS)
