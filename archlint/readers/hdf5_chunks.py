"""Datasets of HDF5 that are stored in chunks, each packed by itself.

What they unpack to is bounded before it is unpacked: pyfive would unpack whatever a chunk holds.

https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html, sections III.A.1 and IV.A.2.l
"""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archlint.errors import ReadError
from archlint.limits import CHUNK_BYTES, HDF5_CHUNKS, UNPACKED_BYTES, UNPACKED_FREELY, UNPACKED_RATIO
from archlint.readers.files import Source

_HEADER = np.dtype([("signature", "S4"), ("type", "u1"), ("level", "u1"), ("entries", "<u2"), ("siblings", "<u8", 2)])
_TOO_LARGE = "its dataset {path!r} unpacks to far more than any honest model's; it was not read"
_BAD_INDEX = "the index of its dataset {path!r} makes no sense; save the model again"


@dataclass(frozen=True, slots=True)
class Chunked:
    """A dataset in chunks: its type and shape, the shape of a chunk, and where the index of the chunks is.

    `base` is where the addresses in the file are counted from; `filters` are the numbers of what packed each chunk,
    with the first parameter of each; `fill` stands where no chunk is stored.
    """

    path: str
    dtype: "np.dtype[Any]"
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    index: int
    base: int
    filters: Sequence[tuple[int, int]]
    fill: Any


class _Chunk(NamedTuple):
    """A chunk: where its first element is in the dataset, where its bytes are, and which filters were left out."""

    place: tuple[int, ...]
    address: int
    size: int
    mask: int


def read_chunks(source: Source, dataset: Chunked) -> NDArray[Any]:
    """The numbers of a dataset.

    Raises:
        ReadError: it unpacks to too much, or by means that are not known, or its chunks are not there.
    """
    size, chunk_size = prod(dataset.shape) * dataset.dtype.itemsize, prod(dataset.chunk) * dataset.dtype.itemsize
    if len(dataset.chunk) != len(dataset.shape) or not chunk_size:
        raise ReadError(_BAD_INDEX.format(path=dataset.path))
    count = prod(-(-whole // part) for whole, part in zip(dataset.shape, dataset.chunk, strict=True))
    unpacked = max(size, count * chunk_size - UNPACKED_FREELY) if count < HDF5_CHUNKS else UNPACKED_BYTES + 1
    if unpacked > UNPACKED_BYTES or chunk_size > CHUNK_BYTES:
        raise ReadError(_TOO_LARGE.format(path=dataset.path))
    chunks = list(_chunks(source, dataset, count)) if size else []
    if len({chunk.place for chunk in chunks}) < len(chunks):
        raise ReadError(_BAD_INDEX.format(path=dataset.path))
    if size > max(UNPACKED_FREELY, UNPACKED_RATIO * sum(chunk.size for chunk in chunks)):
        raise ReadError(_TOO_LARGE.format(path=dataset.path))
    found = np.zeros(dataset.shape, dataset.dtype)
    if dataset.fill and len(chunks) < count:
        found[...] = dataset.fill
    for chunk in chunks:
        raw = _unpacked(source, dataset, chunk, chunk_size)
        part = found[tuple(slice(start, start + size) for start, size in zip(chunk.place, dataset.chunk, strict=True))]
        whole = raw.view(dataset.dtype).reshape(dataset.chunk)
        part[...] = whole[tuple(slice(size) for size in part.shape)]
    return found


def _chunks(source: Source, dataset: Chunked, most: int) -> Iterator[_Chunk]:
    """The chunks in the index, a B-tree, of which there are `most` at most."""
    entry = np.dtype([("size", "<u4"), ("mask", "<u4"), ("place", "<u8", len(dataset.shape) + 1), ("child", "<u8")])
    left = 2 * most + 64  # entries of all levels
    pending: list[tuple[int, int | None]] = [(dataset.index, None)]
    while pending:
        address, level = pending.pop()
        signature, kind, height, count, _ = _look(source, dataset, address, _HEADER, 1)[0].item()
        left -= 1 + count
        if signature != b"TREE" or kind != 1 or left < 0 or level not in (None, height):
            raise ReadError(_BAD_INDEX.format(path=dataset.path))
        for found in _look(source, dataset, address + _HEADER.itemsize, entry, count):
            if height:
                pending.append((int(found["child"]), height - 1))
            else:
                *starts, rest = found["place"].tolist()
                place = tuple(starts)
                if rest or any(start % part for start, part in zip(place, dataset.chunk, strict=True)):
                    raise ReadError(_BAD_INDEX.format(path=dataset.path))
                yield _Chunk(place, int(found["child"]), int(found["size"]), int(found["mask"]))


def _look(source: Source, dataset: Chunked, address: int, dtype: "np.dtype[Any]", count: int) -> NDArray[Any]:
    raw = np.empty(count * dtype.itemsize, np.uint8)
    source.fill(raw.data, address + dataset.base)
    return raw.view(dtype)


def _unpacked(source: Source, dataset: Chunked, chunk: _Chunk, size: int) -> NDArray[np.uint8]:
    """The bytes of a chunk, of which there must be `size`."""
    # Deflate makes nothing longer by more than a few bytes.
    raw = np.empty(min(chunk.size, 2 * size + 2**10), np.uint8)
    source.fill(raw.data, chunk.address + dataset.base)
    for place, (number, parameter) in reversed(list(enumerate(dataset.filters))):
        if not chunk.mask >> place & 1:
            if number not in _FILTERS:
                raise ReadError(f"its dataset {dataset.path!r} is packed by a filter that is not known; save it again")
            raw = _FILTERS[number](raw, size, parameter)
    if raw.size != size:
        raise ReadError(f"a chunk of its dataset {dataset.path!r} does not hold what it declares; save it again")
    return raw


def _inflate(raw: NDArray[np.uint8], size: int, _: int) -> NDArray[np.uint8]:
    found = zlib.decompressobj().decompress(raw.data, size + 2 * _CHECKSUM)
    return np.frombuffer(found, np.uint8)


def _unshuffle(raw: NDArray[np.uint8], _: int, width: int) -> NDArray[np.uint8]:
    """The first bytes of all elements come first, then all second ones; what is left over stays at the end."""
    whole = raw.size - raw.size % width
    return np.concatenate((raw[:whole].reshape(width, -1).T.reshape(-1), raw[whole:]))


_CHECKSUM = 4


def _without_checksum(raw: NDArray[np.uint8], _size: int, _width: int) -> NDArray[np.uint8]:
    return raw[:-_CHECKSUM]


_FILTERS: Mapping[int, Callable[[NDArray[np.uint8], int, int], NDArray[np.uint8]]] = {
    1: _inflate,
    2: _unshuffle,
    3: _without_checksum,
}
"""How a filter is taken back: from bytes, the size of a chunk and the filter's parameter, of the second one the size
of an element."""
