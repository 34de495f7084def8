"""What in an HDF5 file is not in it: links to other files, datasets whose numbers are elsewhere. None is followed.

https://docs.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html, sections IV.A.2.g to IV.A.2.i
"""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from archlint.errors import ReadError
from archlint.limits import HDF5_OBJECTS, NAME_LENGTH

_SOFT, _USER_DEFINED = 1, 64  # types of links; 64 is the external link, those beyond are defined by programs
_HAS_TYPE = 8  # flag of a link message: it states its type

_EXTERNAL_FILES, _LAYOUT = 7, 8  # types of messages in the header of an object
_VIRTUAL = 3  # class of layout


def read_external_links(pyfive: ModuleType) -> None:
    """Have pyfive 1.3 read external links, on which it fails: they become texts, like soft links, that begin with NUL.

    Else a file with such a link could not be read at all, and would be called damaged.
    """
    headers = pyfive.dataobjects.DataObjects
    decode: Callable[[bytes, int], Any] = headers._decode_link_msg

    def decode_all(data: bytes, offset: int) -> Any:
        if data[offset + 1] & _HAS_TYPE and data[offset + 2] >= _USER_DEFINED:
            data = data[: offset + 2] + bytes([_SOFT]) + data[offset + 3 :]  # both are a length and so many bytes
        return decode(data, offset)

    headers._decode_link_msg = staticmethod(decode_all)


def links_out(file: Any) -> Iterator[tuple[str, str, str]]:
    """Of everything in a file of pyfive's that is elsewhere: what kind it is, its path, and the file that it is in."""
    pending = [("", file._dataobjects)]
    seen: set[int] = set()
    while pending:
        path, header = pending.pop()
        if kind := _storage(header):
            yield kind, path[1:], "another file"
        for name, target in header.get_links().items():
            inner = f"{path}/{name}"
            if isinstance(target, str):
                if target.startswith("\0"):  # flags, then the file and the path in it, each ended by NUL
                    yield "external-link", inner[1:], target[1:].partition("\0")[0]
            elif target not in seen:
                seen.add(target)
                if len(seen) > HDF5_OBJECTS or len(inner) > NAME_LENGTH:
                    raise ReadError("it holds more HDF5 objects than any honest model; it was not read further")
                pending.append((inner, file._get_dataobjects(target)))


def _storage(header: Any) -> str | None:
    """How the numbers of an object are stored, if they are in another file."""
    if header.find_msg_type(_EXTERNAL_FILES):
        return "external-storage"
    for message in header.find_msg_type(_LAYOUT):
        version, *classes = header.msg_data[message["offset_to_message"] :][:3]
        if classes[0 if version > 2 else 1] == _VIRTUAL:
            return "virtual-dataset"
    return None
