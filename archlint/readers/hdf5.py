"""HDF5 through pyfive, guarded: our own descriptor and its byte budget, one typed error for whatever parsing raises.

pyfive is pure Python, so a damaged file ends in an exception; libhdf5 (h5py) can crash or hang the whole process on
one flipped byte.
"""

import importlib
import struct
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

from archlint.errors import ReadError
from archlint.graph import Shape
from archlint.limits import HDF5_OBJECTS
from archlint.readers.files import OpenFile

_DAMAGED = "it is an HDF5 file, but damaged or cut short ({reason}); save or download it again"


@dataclass(frozen=True, slots=True)
class Hdf5:
    """An open HDF5 file: attributes of the root, and the shapes of the datasets below it."""

    _file: Any

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
            value = self._file.attrs.get(name)
        if value is None or isinstance(value, (bytes, str)):
            return value
        raise ReadError(_DAMAGED.format(reason=f"its attribute {name} is no text"))

    def datasets(self) -> list[tuple[str, Shape]]:
        """Path and shape of every dataset, following no link."""
        with _parsing():
            return list(self._datasets())

    def _datasets(self) -> Iterator[tuple[str, Shape]]:
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
                if hasattr(member, "shape"):
                    yield f"{path}/{name}"[1:], tuple(int(size) for size in member.shape)
                elif hasattr(member, "attrs"):
                    pending.append((f"{path}/{name}", member))


def open_hdf5(file: OpenFile) -> Hdf5:
    """The HDF5 file behind an open file.

    Raises:
        ReadError: not an HDF5 file, or one that cannot be parsed.
    """
    pyfive = _pyfive()
    with _parsing():
        return Hdf5(pyfive.File(file))


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
    # A parser of hostile bytes can raise anything: MemoryError, AssertionError, struct.error, UnicodeError …
    except Exception as error:
        kind = "bad structure" if isinstance(error, struct.error) else type(error).__name__
        raise ReadError(_DAMAGED.format(reason=kind)) from error


class _OnDemand:
    """Stands for something that is imported when it is first used."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load

    def __call__(self) -> "_OnDemand":
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._load(), name)


def _pyfive() -> ModuleType:
    """Import pyfive without fsspec and numcodecs, which it needs only for remote files and checksummed chunks.

    Importing them costs more than all the rest of a check (0.1 s), so a stand-in takes their place meanwhile.
    """
    if "pyfive" in sys.modules:
        return sys.modules["pyfive"]
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
        return importlib.import_module("pyfive")
    finally:
        for name in missing:
            del sys.modules[name]
