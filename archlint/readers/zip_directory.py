"""What a zip archive says that it holds, believed only where no two readers could understand it differently.

Where an archive ends is a matter of search, what it counts is not what it lists, its members may lie in one another:
each reader makes of that what it likes. Keras writes none of it, so such an archive is refused.

https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3 and 4.4
"""

import posixpath
import re
import stat
import struct
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from archlint.errors import ReadError
from archlint.limits import ZIP_DIRECTORY, ZIP_MEMBERS
from archlint.readers.files import OpenFile

_LOCAL_HEADER = struct.Struct("<4s2xHH4x3IHH")
_END = struct.Struct("<4s4H2IH")
_LONG_END = struct.Struct("<4s20x4Q")
_LOCATOR = struct.Struct("<4s4xQ4x")
_COMMENT = 2**16  # a comment, which follows the end, is shorter

_OPEN = (0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)  # stand in the end for numbers that are in the long end

_UNICODE_NAME = 0x7075  # the extra field of a second name
_LONG_SIZES = 1  # that of sizes of 64 bits
_LONGEST_BEHIND = 24  # bytes of the sizes behind a member, with a signature and 64 bits each
_ENCRYPTED, _SIZES_BEHIND, _UTF_8 = 1, 8, 0x800  # flags of a member; the second: sizes may be 0 before its content


class _End(NamedTuple):
    """The last record: where it begins, and the count, size and place of the directory."""

    at: int
    total: int
    size: int
    place: int


def members(file: OpenFile, wanted: Iterable[str]) -> list[zipfile.ZipInfo]:
    """The members of an archive; those that are `wanted`, by their names in small letters, can only be meant once.

    Raises:
        ReadError: readers would disagree about what the archive holds, or it holds too much.
        zipfile.BadZipFile: it is damaged.
    """
    end = _end(file)
    if end.total > ZIP_MEMBERS:
        raise ReadError(f"its archive has {end.total:,} members, more than any honest model; it was not read")
    if end.size > ZIP_DIRECTORY:
        raise ReadError("the directory of its archive is longer than any honest model's; it was not read")
    with zipfile.ZipFile(file) as archive:
        listed = archive.infolist()
    if len(listed) != end.total:
        raise _disagree(f"its directory lists {len(listed):,} members, but counts {end.total:,}")
    _refuse_strange(listed, frozenset(wanted))
    _refuse_overlaps(file, listed, end.place)
    return listed


def _end(file: OpenFile) -> _End:
    """The end of an archive. What zipfile takes for it, and any other reader may, must be the only one."""
    start = max(0, file.size - _COMMENT - _END.size)
    tail = file.pread(file.size - start, start)
    found = [match.start() for match in re.finditer(b"PK\5\6", tail) if match.start() <= len(tail) - _END.size]
    if not found:
        raise zipfile.BadZipFile("it has no directory")
    fitting = [at for at in found if at + _END.size + _END.unpack_from(tail, at)[-1] == len(tail)]
    if fitting != found[-1:]:
        raise _disagree("it is not clear where its directory ends")
    _, disk, first, here, count, size, place, _ = _END.unpack_from(tail, found[-1])
    end = _long_end(file, start + found[-1], (here, count, size, place))
    if disk or first or here != count or (end.total <= ZIP_MEMBERS and end.place + end.size != end.at):
        raise _disagree("its directory is not where it says")
    return end


def _long_end(file: OpenFile, at: int, said: tuple[int, int, int, int]) -> _End:
    """The end with numbers of 64 bits, which stands before the other one if there is need of it."""
    signature, place = _LOCATOR.unpack(file.pread(_LOCATOR.size, at - _LOCATOR.size).rjust(_LOCATOR.size, b"\0"))
    if signature != b"PK\6\7":
        return _End(at, *said[1:])
    record = at - _LOCATOR.size - _LONG_END.size
    signature, *long = _LONG_END.unpack(file.pread(_LONG_END.size, record).ljust(_LONG_END.size, b"\0"))
    agree = all(short in (number, nothing) for short, number, nothing in zip(said, long, _OPEN, strict=True))
    if place != record or signature != b"PK\6\6" or long[0] != long[1] or not agree:
        raise _disagree("its directory is described in two ways")
    return _End(record, *long[1:])


def _refuse_strange(listed: Iterable[zipfile.ZipInfo], wanted: frozenset[str]) -> None:
    """Refuse an archive in which it is not clear what a wanted member is."""
    named = Counter(name for member in listed for name in set(_names(member)) & wanted)
    for name, times in named.items():
        if times > 1:
            raise ReadError(f"its archive has {name} twice, so readers would disagree; it was not read")
    for member in listed:
        if "\0" in member.orig_filename:
            raise _disagree("its directory has a name with a null character")
        if stat.S_ISLNK(member.external_attr >> 16) and wanted.intersection(_names(member)):
            raise ReadError(f"its {member.filename} is a symbolic link, which is never followed; save the model again")


def _names(member: zipfile.ZipInfo) -> Iterator[str]:
    """What a member may be called by some reader, as paths in small letters: some systems do not tell CONFIG.JSON."""
    for name in (member.filename, *_second_names(member.extra)):
        yield posixpath.normpath(name.replace("\\", "/")).lstrip("/").lower()


def _second_names(extra: bytes) -> Iterator[str]:
    for kind, content in _fields(extra):
        if kind == _UNICODE_NAME:
            yield content[5:].decode("utf-8", "replace")  # a version and a checksum come first


def _fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """The kinds and contents of extra fields."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        yield kind, extra[4 : 4 + size]
        extra = extra[4 + size :]


def _refuse_overlaps(file: OpenFile, listed: Iterable[zipfile.ZipInfo], end: int) -> None:
    """Refuse an archive whose members share bytes, or have something between them that its directory does not list."""
    free = 0
    for member in sorted(listed, key=lambda member: member.header_offset):
        _refuse_gap(free, member.header_offset, "its members overlap")
        free = _end_of(file, member)
    _refuse_gap(free, end, "its members overlap with its directory")


def _refuse_gap(free: int, start: int, overlap: str) -> None:
    if start != free:
        raise _disagree(overlap if start < free else "it holds something that its directory does not list")


def _end_of(file: OpenFile, member: zipfile.ZipInfo) -> int:
    """Where a member ends, of which the header before it says the same as the directory."""
    header = file.pread(_LOCAL_HEADER.size, member.header_offset).ljust(_LOCAL_HEADER.size, b"\0")
    signature, flags, method, check, packed, size, name, extra = _LOCAL_HEADER.unpack(header)
    inside = file.pread(name + extra, member.header_offset + _LOCAL_HEADER.size)
    said = (check, *_long_sizes(packed, size, inside[name:]))
    is_named = inside[:name].decode("utf-8" if flags & _UTF_8 else "cp437", "replace") == member.orig_filename
    if signature != b"PK\3\4" or not is_named or method != member.compress_type or not _agrees(said, flags, member):
        raise _disagree("its directory does not agree with its members")
    if (flags | member.flag_bits) & _ENCRYPTED:
        raise ReadError(f"its {member.filename} is encrypted or damaged; save the model again")
    end: int = member.header_offset + _LOCAL_HEADER.size + name + extra + member.compress_size
    return end + (_length_behind(file.pread(_LONGEST_BEHIND, end), member) if flags & _SIZES_BEHIND else 0)


def _length_behind(found: bytes, member: zipfile.ZipInfo) -> int:
    """The length of what is said behind a member, which is what the directory says; it has one of four forms."""
    for sizes in ("II", "QQ"):
        said = struct.pack(f"<I{sizes}", member.CRC, member.compress_size, member.file_size)
        for form in (b"PK\7\x08" + said, said):
            if found.startswith(form):
                return len(form)
    raise _disagree("its directory does not agree with its members")


def _long_sizes(packed: int, size: int, extra: bytes) -> tuple[int, int]:
    """The sizes before a member, which may be in an extra field, the other way round."""
    long = next((content for kind, content in _fields(extra) if kind == _LONG_SIZES and len(content) >= 16), b"")
    if long and _OPEN[-1] in (packed, size):
        size, packed = struct.unpack_from("<QQ", long)
    return packed, size


def _agrees(said: tuple[int, int, int], flags: int, member: zipfile.ZipInfo) -> bool:
    """Whether checksum and sizes before a member are those in the directory, or are left to be said behind it."""
    listed = member.CRC, member.compress_size, member.file_size
    if flags & _SIZES_BEHIND:
        return all(one in (other, 0) for one, other in zip(said, listed, strict=True))
    return said == listed


def _disagree(fault: str) -> ReadError:
    return ReadError(f"{fault}, so readers of the archive would disagree; save the model again")
