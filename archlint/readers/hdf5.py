"""HDF5 through pyfive, guarded: our own descriptor and its byte budget, one typed error for whatever parsing raises.

pyfive reads what describes the file; the numbers of its datasets are read here, as they lie there.

pyfive is pure Python, so a damaged file ends in an exception; libhdf5 (h5py) can crash or hang the whole process on
one flipped byte.
"""

import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, takewhile
from math import prod
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archlint.errors import ReadError
from archlint.limits import HDF5_OBJECTS, MIB, NAME_LENGTH, TENSOR_BYTES
from archlint.readers.files import Source
from archlint.readers.hdf5_chunks import Chunked, read_chunks
from archlint.readers.hdf5_links import elsewhere, links_out
from archlint.shape_terms import believable

_DAMAGED = "it is an HDF5 file, but damaged or cut short ({reason}); save or download it again"

_COMPACT, _CONTIGUOUS = 0, 1  # classes of layout


@dataclass(frozen=True, slots=True)
class Dataset:
    """Numbers in the file: where in its groups they are, and what they take in memory once `read` has read them.

    `read` raises ReadError where the file does not hold what it declares; always where `unreadable` says why not.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    nbytes: int
    read: Callable[[], NDArray[Any]]
    unreadable: str | None = None


@dataclass(frozen=True, slots=True)
class Hdf5:
    """An open HDF5 file: attributes of the root, and the datasets below it."""

    _file: Any
    _source: Source

    def names(self) -> list[str]:
        """Names of the objects in the root group."""
        return list(self._file)

    def has_attribute(self, name: str) -> bool:
        """Whether the root has an attribute of this name, whatever its type."""
        with _parsing():
            return name in self._file.attrs

    def attribute(self, name: str) -> bytes | str | None:
        """The text of an attribute of the root, None if it has none of that name."""
        with _parsing():
            attributes = self._file.attrs
        if name not in attributes:
            return None
        value = attributes[name]  # None if its type is not known to pyfive
        if isinstance(value, bytes) and b"\0" in value:  # where the text may end: to pyfive it does not
            raise ReadError(_DAMAGED.format(reason=f"its attribute {name} has a null character"))
        if isinstance(value, (bytes, str)):
            return value
        raise ReadError(_DAMAGED.format(reason=f"its attribute {name} is no text"))

    def datasets(self) -> list[Dataset]:
        """Every dataset of numbers, following no link."""
        with _parsing():
            members = [found for found in self._members() if _is_numeric(found[2])]
            datasets = [self._dataset(*found) for found in members]
            if sum(self._plain_size(member) for _, _, member in members) > self._source.size:
                raise ReadError("its datasets are longer than the file, so it is cut short; save or download it again")
            return datasets

    def _plain_size(self, member: Any) -> int:
        """The bytes that a dataset takes in the file, if they are there as they are."""
        if member.id.layout_class != _CONTIGUOUS or member.id.data_offset >= self._source.size:
            return 0
        return int(prod(member.shape) * member.dtype.itemsize)

    def paths(self) -> list[str]:
        """The path of every dataset, following no link."""
        with _parsing():
            return [path for path, _, member in self._members() if hasattr(member, "shape")]

    def listed(self, root: str) -> dict[str, list[str]] | None:
        """The weights that Keras's attributes list, by groups in `root`; None if they list no groups.

        A group that is not there, or only by a link, has none.
        """
        with _parsing():
            around = _within(self._file, root)
            groups = _texts(around, "layer_names") if around is not None else None
            if around is None or groups is None:
                return None
            if len(set(groups)) < len(groups):
                raise ReadError("it lists weights twice, so readers would disagree; save the model again")
            found = {name: _within(around, name) for name in groups}
            return {
                name: _texts(group, "weight_names") or [] if group is not None else [] for name, group in found.items()
            }

    def links_out(self) -> list[tuple[str, str, str]]:
        """Of everything that is in another file: what kind it is, its path, and that file."""
        with _parsing():
            return list(links_out(self._file))

    def _members(self) -> Iterator[tuple[str, int, Any]]:
        """Every object in the file with its path and address."""
        pending = [("", self._file)]
        seen: set[int] = set()
        while pending:
            path, group = pending.pop()
            for name in reversed(list(group)):
                address = group._links[name]
                # A soft or external link is a string; following one could leave the file or go round in circles.
                if isinstance(address, str) or address in seen:
                    continue
                seen.add(address)
                member = group.get_lazy_view(name)
                if len(seen) > HDF5_OBJECTS:
                    raise ReadError("it holds more HDF5 objects than any honest model; it was not read further")
                if len(path) + len(name) > NAME_LENGTH:
                    raise ReadError(f"the path of a dataset in it is longer than {NAME_LENGTH:,} characters; rename it")
                yield f"{path}/{name}"[1:], address, member
                if hasattr(member, "attrs") and not hasattr(member, "shape"):
                    pending.append((f"{path}/{name}", member))

    def _dataset(self, path: str, address: int, member: Any) -> Dataset:
        dtype, shape = _meant(member.dtype), tuple(int(size) for size in member.shape)
        header = self._file._get_dataobjects(address)
        if not header.plain_numbers:
            raise NotImplementedError("numbers of an unusual format")
        if not believable(shape):
            raise ReadError(f"its dataset {path!r} is larger than any memory; save the model again")
        made = np.dtype(np.float32) if dtype == _BFLOAT16 else dtype

        def read() -> NDArray[Any]:
            with _parsing():
                found = self._read(path, address, member, shape)
            return _as_float(found) if dtype == _BFLOAT16 else found.astype(dtype.newbyteorder("="), copy=False)

        name = "bfloat16" if dtype == _BFLOAT16 else dtype.name
        unreadable = "its numbers are in another file, which is never opened" if elsewhere(header) else None
        return Dataset(path, shape, name, prod(shape) * made.itemsize, read, unreadable)

    def _read(self, path: str, address: int, member: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        """The numbers of a dataset as they are stored."""
        if elsewhere(self._file._get_dataobjects(address)):
            raise ReadError(f"the numbers of its dataset {path!r} are in another file, which is never opened")
        if prod(shape) * member.dtype.itemsize > TENSOR_BYTES:
            raise ReadError(
                f"its dataset {path!r} is larger than {TENSOR_BYTES // MIB:,} MiB; check it without --weights"
            )
        layout, base = member.id.layout_class, self._file.userblock_size
        if layout == _COMPACT:
            return np.frombuffer(member.id._data, member.dtype, prod(shape)).reshape(shape)
        if layout == _CONTIGUOUS:
            return _contiguous(self._source, member.id.data_offset + base, member.dtype, shape)
        pipeline = member.id.filter_pipeline or ()
        filters = [(found["filter_id"], next(iter(found["client_data"]), 0)) for found in pipeline]
        index = member.id._index_params.chunk_address
        fill = member.fillvalue
        return read_chunks(self._source, Chunked(path, member.dtype, shape, member.chunks, index, base, filters, fill))


def _contiguous(source: Source, offset: int, dtype: "np.dtype[Any]", shape: tuple[int, ...]) -> NDArray[Any]:
    size = prod(shape) * dtype.itemsize
    if size and offset > source.size - size:
        raise ReadError("its weights are cut short; save or download it again")
    raw = np.empty(size, np.uint8)
    if size:
        source.fill(raw.data, offset)
    return raw.view(dtype).reshape(shape)


def _within(group: Any, path: str) -> Any:
    """A group in another one, None if there is none; no link is followed."""
    for name in path.split("/"):
        if not isinstance(group._links.get(name, ""), int):
            return None
        group = group.get_lazy_view(name)
        if hasattr(group, "shape"):
            return None
    return group


def _texts(group: Any, name: str) -> list[str] | None:
    """The texts in an attribute, which Keras cuts into several if they are long; None if there is none."""
    attributes = group.attrs
    parts = [name] if name in attributes else [*takewhile(attributes.__contains__, (f"{name}{n}" for n in count()))]
    texts = [text for part in parts for text in np.ravel(attributes[part])]
    return [_text(text) for text in texts] if parts else None


def _text(value: Any) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


_BFLOAT16 = np.dtype("V2")
"""How bfloat16 is stored, which is no type of HDF5's: two bytes without a meaning."""


def _is_numeric(member: Any) -> bool:
    """Whether an object is a dataset of numbers."""
    dtype = getattr(member, "dtype", None) if hasattr(member, "shape") else None  # a datatype by itself has none
    return isinstance(dtype, np.dtype) and (dtype.kind in "fiub" or dtype == _BFLOAT16)


def _meant(stored: "np.dtype[Any]") -> "np.dtype[Any]":
    """What a type stands for: h5py writes truth values as an enumeration."""
    names = stored.metadata.get("enum") if stored.metadata else None
    return np.dtype(bool) if names and set(names) == {"FALSE", "TRUE"} else stored


def _as_float(stored: NDArray[Any]) -> NDArray[np.float32]:
    """Numbers in bfloat16, which are the upper halves of those in float32."""
    return (stored.view("<u2").astype(np.uint32) << 16).view(np.float32)


def open_hdf5(source: Source) -> Hdf5:
    """The HDF5 file in a source of bytes.

    Raises:
        ReadError: not an HDF5 file, or one that cannot be parsed.
    """
    if not __debug__:  # pyfive checks by `assert`; without, it takes damaged files for sound ones
        raise ReadError(
            "Python was told to leave out checks (-O or PYTHONOPTIMIZE) that reading HDF5 safely needs; do without that"
        )
    objects = _objects()
    with _parsing():
        return Hdf5(objects.Hdf5File(source), source)


@contextmanager
def _parsing() -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ReadError:
        raise
    except RecursionError as error:
        raise ReadError(_DAMAGED.format(reason="its structure refers to itself")) from error
    except RuntimeError as error:  # NotImplementedError is one; pyfive raises others at layouts it does not know
        raise ReadError(
            "it is an HDF5 file that holds what Keras never writes, and archlint does not read; save the model again"
        ) from error
    # A parser of hostile bytes can raise anything: MemoryError, AssertionError, struct.error, UnicodeError …
    except Exception as error:
        told = isinstance(error, _objects().InvalidHDF5File)
        raise ReadError(_DAMAGED.format(reason=error if told else "its structure makes no sense")) from error


class _OnDemand:
    """Stands for something that is imported when it is first used."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load

    def __call__(self) -> "_OnDemand":
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._load(), name)


def _objects() -> ModuleType:
    """Import pyfive, mended, without fsspec and numcodecs, which it needs only for remote files and checksummed chunks.

    Importing them costs more than all the rest of a check (0.1 s), so a stand-in takes their place meanwhile.
    """
    name = "archlint.readers.hdf5_objects"
    if name in sys.modules:
        return sys.modules[name]
    utils = _OnDemand(lambda: importlib.import_module("fsspec.utils"))
    fletcher = _OnDemand(lambda: importlib.import_module("numcodecs").Fletcher32())
    stand_ins: dict[str, Any] = {
        "fsspec": SimpleNamespace(utils=utils),
        "fsspec.utils": utils,
        "numcodecs": SimpleNamespace(Fletcher32=fletcher),
    }
    missing = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(missing)
    try:
        return importlib.import_module(name)
    finally:
        for stand_in in missing:
            del sys.modules[stand_in]
