"""pyfive's reading of HDF5, mended where it goes wrong, or would read another thing than the HDF5 library does.

Keras reads with the library. A file of which the two make different things could show archlint a harmless model, and
Keras another: such files are refused. What is mended is that of pyfive 1.3; pyfive itself stays as it is.

https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
"""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from pyfive import File as _File
from pyfive.btree import BTreeV1Groups, BTreeV2AttrNames
from pyfive.core import UNDEFINED_ADDRESS, InvalidHDF5File
from pyfive.dataobjects import DataObjects
from pyfive.misc_low_level import FractalHeap, GlobalHeap, Heap, SymbolTable
from pyfive.p5t import P5VlenStringType

from archlint.errors import ReadError

_SHARED = 2  # flag of a message: it only says where it is
_DATATYPE = 3  # type of a message

_HAS_TYPE, _HAS_ORDER, _HAS_CHARACTERS = 8, 4, 16  # flags of a link: which of its fields there are
_HARD, _SOFT, _ELSEWHERE = 0, 1, 64  # types of links; 64 leads to other files, those beyond are defined by programs

_TEXT = 16  # bytes of a reference to a text: its length, the heap that it is in, its number there

_INTEGER, _FLOAT, _ENUMERATION = 0, 1, 8  # classes of datatypes
_FORMAT, _NORMALIZED = 0x70, 0x20  # bits of a float's class: how its mantissa is, and whether it is one of the VAX
_IEEE = {2: (15, 0, 16, 10, 5, 0, 10, 15), 4: (31, 0, 32, 23, 8, 0, 23, 127), 8: (63, 0, 64, 52, 11, 0, 52, 1023)}
"""Of floats by their size: place of the sign; offset, precision, exponent (place, size), mantissa (same), bias."""


# pyfive ships no types, so its classes are of type Any.
class Hdf5File(_File):  # type: ignore[misc]
    """An HDF5 file, the objects of which are read as below."""

    def __init__(self, source: Any) -> None:
        super().__init__(source)
        # pyfive counts addresses from where the file says, the library from where it finds the superblock.
        if self.userblock_size != self._find_superblock_offset(source):
            raise ReadError("it says that its content begins elsewhere, so readers would disagree; it was not read")

    def _get_dataobjects(self, obj_addr: int) -> "Objects":
        found: Objects | None = self._dataobjects_cache.get(obj_addr)
        if found is None:
            found = self._dataobjects_cache[obj_addr] = Objects(self._fh, obj_addr, global_heaps=self._global_heaps)
        return found


class Objects(DataObjects):  # type: ignore[misc]
    """The header of an object: its messages, attributes and links."""

    def __init__(self, fh: Any, offset: int, **options: Any) -> None:
        super().__init__(fh, offset, **options)
        self._names: set[str] = set()
        if any(message["flags"] & _SHARED for message in self.msgs):
            raise NotImplementedError("a shared message")  # pyfive takes the address of the message for itself
        # pyfive believes how many messages there are, the library reads them all.
        if "total_header_messages" in self._header and not self._is_read_to_its_end():
            raise InvalidHDF5File("a header of more messages than it says")

    def _is_read_to_its_end(self) -> bool:
        last = self.msgs[-1] if self.msgs else {"offset_to_message": 0, "size": 0}
        return last["offset_to_message"] + last["size"] == len(self.msg_data)

    @property
    def is_dataset(self) -> bool:
        """Whether it is a dataset; one without a dataspace, on which pyfive fails, has nothing to read."""
        return super().is_dataset and self.shape is not None

    @property
    def plain_numbers(self) -> bool:
        """Whether the numbers of a dataset are IEEE's, or whole numbers of all their bits, as pyfive believes."""
        at = self.find_msg_type(_DATATYPE)[0]["offset_to_message"]
        if self.msg_data[at] & 15 == _ENUMERATION:
            at += 8
        kind, bits, sign, size = struct.unpack_from("<BBBxI", self.msg_data, at)
        if kind & 15 == _INTEGER:
            return struct.unpack_from("<HH", self.msg_data, at + 8) == (0, 8 * size)
        if kind & 15 == _FLOAT:
            properties = struct.unpack_from("<HHBBBBI", self.msg_data, at + 8)
            return bits & _FORMAT == _NORMALIZED and (sign, *properties) == _IEEE.get(size)
        return True

    # Attributes

    def _get_attributes_from_attr_info(self, attrs: dict[str, Any], attr_info: list[Any]) -> dict[str, Any]:
        """The attributes that have a heap to themselves, by the index that the library finds them with."""
        at = attr_info[0]["offset_to_message"]
        counted = self.msg_data[at + 1] & 1
        heap, index = struct.unpack_from("<QQ", self.msg_data, at + 2 + 2 * counted)
        if heap == UNDEFINED_ADDRESS:
            return {}
        if attrs:  # the library would not see these
            raise InvalidHDF5File("attributes in two places")
        kept = FractalHeap(self.fh, heap)
        records = BTreeV2AttrNames(self.fh, index).iter_records()
        return dict(self._parse_attribute_msg(self._unshared(kept, record), 0) for record in records)

    @staticmethod
    def _unshared(kept: Any, record: Any) -> bytes:
        if record["flags"] & _SHARED:
            raise NotImplementedError("a shared attribute")
        found: bytes = kept.get_data(record["heapid"])
        return found

    def _parse_attribute_msg(self, buffer: bytes, offset: int) -> tuple[str, Any]:
        version, flags, size = struct.unpack_from("<BBH", buffer, offset)
        if version > 1 and flags:
            raise NotImplementedError("an attribute of a shared type")
        start = offset + (9 if version == 3 else 8)
        if buffer[start : start + size].find(b"\0") != size - 1:  # pyfive drops zeros from both ends
            raise InvalidHDF5File("an attribute whose name ends early")
        name, value = super()._parse_attribute_msg(buffer, offset)
        if name in self._names:  # pyfive would give the last one, the library gives the first
            raise ReadError(f"it has the attribute {name!r} twice, so readers would disagree; it was not read")
        self._names.add(name)
        return name, value

    def _attr_value(self, ptype: Any, buf: bytes, count: int, offset: int) -> Any:
        if not isinstance(ptype, P5VlenStringType):
            return super()._attr_value(ptype, buf, count, offset)
        if count > (len(buf) - offset) // _TEXT:
            raise InvalidHDF5File("an attribute of more texts than there are")
        found = np.empty(count, object)
        found[:] = [self._text(*struct.unpack_from("<IQI", buf, offset + _TEXT * place)) for place in range(count)]
        return found

    def _text(self, size: int, address: int, number: int) -> bytes:
        """A text in a heap. It ends at its first zero, as texts of C do."""
        if not address:
            return b""
        if address not in self._global_heaps:
            self._global_heaps[address] = Texts(self.fh, address)
        found: bytes = self._global_heaps[address].objects[number]
        if len(found) != size:
            raise InvalidHDF5File("a text of another length than it says")
        return found.partition(b"\0")[0]

    # Links

    def get_links(self) -> dict[str, int | str]:
        """Addresses by name; of soft links the path, of links to other files a text that begins with NUL."""
        listed = list(self.iter_links())
        links = dict(listed)
        if len(links) < len(listed):
            raise InvalidHDF5File("two links of one name")
        return links

    def _iter_links_btree_v1(self, btree_address: int, heap_address: int) -> Iterator[tuple[str, int | str]]:
        heap = Heap(self.fh, heap_address)
        for address in BTreeV1Groups(self.fh, btree_address).symbol_table_addresses():
            table = SymbolTable(self.fh, address)
            table.assign_name(heap)
            links = table.get_links(heap)
            if len(links) < len(table.entries):  # pyfive leaves out those that it does not know
                raise InvalidHDF5File("two links of one name, or of no kind")
            yield from links.items()

    @staticmethod
    def _decode_link_info_msg(data: bytes, offset: int) -> dict[str, Any]:
        """Where the links of a group are: the library finds them by name, so the index by order is left out."""
        return {**DataObjects._decode_link_info_msg(data, offset), "order_btree_address": None}

    @staticmethod
    def _decode_link_msg(data: bytes, offset: int) -> tuple[int | None, tuple[str, int | str]]:
        """A link, of whatever type: pyfive fails on those to other files, and on names that say they are ASCII."""
        version, flags = data[offset : offset + 2]
        if version != 1:
            raise InvalidHDF5File("a link of an unknown version")
        offset += 2
        kind, offset = (data[offset], offset + 1) if flags & _HAS_TYPE else (_HARD, offset)
        offset += 8 * bool(flags & _HAS_ORDER) + bool(flags & _HAS_CHARACTERS)
        name, offset = _counted(data, offset, 1 << (flags & 3))
        if kind == _HARD:
            return None, (name.decode(), struct.unpack_from("<Q", data, offset)[0])
        if kind != _SOFT and kind < _ELSEWHERE:
            raise InvalidHDF5File("a link of an unknown type")
        target = _counted(data, offset, 2)[0].decode()
        return None, (name.decode(), target if kind == _SOFT else "\0" + target[1:])  # of which the first are flags


def _counted(data: bytes, offset: int, width: int) -> tuple[bytes, int]:
    """Bytes behind their number, which has so many bytes itself, and the offset behind them."""
    start = offset + width
    stop = start + int.from_bytes(data[offset:start], "little")
    if stop > len(data):
        raise InvalidHDF5File("a link that is cut short")
    return data[start:stop], stop


class Texts(GlobalHeap):  # type: ignore[misc]
    """A heap of texts."""

    _by_number: dict[int, bytes] | None = None

    @property
    def objects(self) -> dict[int, bytes]:
        """The texts by number."""
        if self._by_number is None:
            self._by_number = dict(_texts(self.heap_data))
        return self._by_number


def _texts(heap: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 16 <= len(heap):
        number, size = struct.unpack_from("<H6xQ", heap, at)
        if not number:
            # Free space, at which pyfive stops and the library goes on; whoever wrote it left nothing behind it.
            if at + size != len(heap):
                raise InvalidHDF5File("texts behind the last one")
            return
        if at + 16 + size > len(heap):
            raise InvalidHDF5File("a text that is cut short")
        yield number, heap[at + 16 : at + 16 + size]
        at += 16 + size + -size % 8
