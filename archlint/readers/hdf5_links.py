"""What in an HDF5 file is not in it: links to other files, datasets whose numbers are elsewhere. None is followed.

https://docs.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html, sections IV.A.2.g to IV.A.2.i
"""

from collections.abc import Iterator
from typing import Any

from archlint.errors import ReadError
from archlint.limits import HDF5_OBJECTS, NAME_LENGTH

_EXTERNAL_FILES, _LAYOUT = 7, 8  # types of messages in the header of an object
_VIRTUAL = 3  # class of layout


def links_out(file: Any) -> Iterator[tuple[str, str, str]]:
    """Of everything in an open file that is elsewhere: what kind it is, its path, and the file that it is in."""
    pending = [("", file._dataobjects)]
    seen: set[int] = set()
    while pending:
        path, header = pending.pop()
        if kind := elsewhere(header):
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


def elsewhere(header: Any) -> str | None:
    """How the numbers of an object are stored, if they are in another file."""
    if header.find_msg_type(_EXTERNAL_FILES):
        return "external-storage"
    for message in header.find_msg_type(_LAYOUT):
        version, *classes = header.msg_data[message["offset_to_message"] :][:3]
        if classes[0 if version > 2 else 1] == _VIRTUAL:
            return "virtual-dataset"
    return None
