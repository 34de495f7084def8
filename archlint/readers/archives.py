"""Members of a zip archive as sources of bytes: stored ones are a part of the file, packed ones are unpacked by parts.

A packed member is never unpacked as a whole: the state of the unpacking is kept at every mebibyte, so that any place
is reached from the one before.
"""

import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import Any

from archlint.errors import ReadError
from archlint.limits import MIB, READ_BYTES, UNPACKED_FILE, UNPACKED_FREELY, UNPACKED_RATIO
from archlint.readers.files import OpenFile, Source

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_PIECE = 2**14  # packed bytes that are read at once; what is left of them is kept with each state
_BLOCK = MIB
_KEPT_BLOCKS = 32


def open_member(file: OpenFile, member: zipfile.ZipInfo) -> Source:
    """The content of a member of the archive that `file` is.

    Raises:
        ReadError: it is packed in a way that Keras never uses, or much too well.
    """
    signature, name, extra = _LOCAL_HEADER.unpack(file.pread(_LOCAL_HEADER.size, member.header_offset).ljust(30, b"\0"))
    if signature != b"PK\3\4" or member.flag_bits & 1:
        raise ReadError(f"its {member.filename} is encrypted or not where the archive says; save the model again")
    packed = file.part(member.header_offset + _LOCAL_HEADER.size + name + extra, member.compress_size)
    if member.compress_type == zipfile.ZIP_STORED:
        return packed
    if member.compress_type != zipfile.ZIP_DEFLATED:
        raise ReadError(f"its {member.filename} is packed in a way that Keras never uses; save the model again")
    if member.file_size > min(UNPACKED_FILE, max(UNPACKED_FREELY, UNPACKED_RATIO * packed.size)):
        raise ReadError(f"its {member.filename} unpacks to far more than any honest model; it was not read")
    return Inflated(packed, member.file_size)


@dataclass(slots=True)
class Inflated(Source):
    """A deflated member, unpacked where it is read."""

    packed: OpenFile
    size: int
    position: int = 0
    budget: int = READ_BYTES
    _states: "list[tuple[Any, int]]" = field(default_factory=list)
    _blocks: dict[int, bytes] = field(default_factory=dict)

    def pread(self, length: int, offset: int) -> bytes:
        """Up to `length` bytes at `offset`; fewer at the end."""
        found = bytearray(max(0, min(length, self.size - offset)) if offset >= 0 else 0)
        count = self.readinto(memoryview(found), offset) if found else 0
        return bytes(found[:count])

    def readinto(self, buffer: memoryview, offset: int) -> int:
        """Fill a buffer of bytes with those from `offset` on; how many there were."""
        done = 0
        while done < len(buffer):
            number, skipped = divmod(offset + done, _BLOCK)
            piece = self._block(number)[skipped : skipped + len(buffer) - done]
            if not piece:
                break
            buffer[done : done + len(piece)] = piece
            done += len(piece)
        return done

    def _block(self, number: int) -> bytes:
        """The content from `number` mebibytes on, one mebibyte long, shorter at the end."""
        if number in self._blocks:
            return self._blocks[number]
        if not self._states:
            self._states.append((zlib.decompressobj(-zlib.MAX_WBITS), 0))
        found = b""
        for place in range(min(number, len(self._states) - 1), number + 1):
            found = self._unpack(place)
        while len(self._blocks) >= _KEPT_BLOCKS:
            del self._blocks[next(iter(self._blocks))]
        self._blocks[number] = found
        return found

    def _unpack(self, number: int) -> bytes:
        """A block, of which the state before it is known; the state after it is known then."""
        if number >= len(self._states):
            return b""
        state, offset = self._states[number]
        unpacker = state.copy()
        pieces: list[bytes] = []
        left = min(_BLOCK, self.size - number * _BLOCK)
        while left > 0 and not unpacker.eof:
            packed = self.packed.pread(_PIECE, offset)
            if not packed:
                break
            piece = unpacker.decompress(packed, left)
            offset += len(packed) - len(unpacker.unconsumed_tail)
            left -= len(piece)
            pieces.append(piece)
        if number + 1 == len(self._states) and not left:
            self._states.append((unpacker, offset))
        return b"".join(pieces)
