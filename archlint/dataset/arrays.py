"""Reads .npz archives, array by array in blocks of samples; arrays of Python objects are pickles and stay closed."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from math import prod
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from archlint.dataset.contents import Dataset, Parts, Values, listed
from archlint.dataset.statistics import Features, Targets, few, together
from archlint.errors import UsageError

VALUES = 250_000_000
"""Values of one array that are looked at, some eight seconds' worth; the images of CIFAR-10 have 154 million."""

BLOCK = 2**18
"""Values that are in memory at a time, if a sample has no more and the array is stored sample by sample."""

SAMPLE = 2**24
"""Values of one sample, which is in memory as a whole: a scan of 256 x 256 x 256."""

BY_COLUMNS = 2**26
"""Values of an array that is stored column by column (in Fortran's order), so that it must be read as a whole."""

_HEADER = 2**16
"""Bytes at the start of an array that may tell its shape; NumPy writes 128, and reads as many as they say they are."""

_ASIDE = re.compile(r"groups|(x|y)_test|(?P<validation>(x|y)_val)(_\d+)?")
_ROLE = re.compile(r"(?P<role>[xy])(_train)?(_(?P<number>\d{1,4}))?")
_SAVE = "save np.savez('train.npz', x=x, y=y)"


@dataclass(frozen=True, slots=True)
class _Header:
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    by_columns: bool

    @property
    def textual(self) -> bool:
        return self.dtype.kind in "US"

    @property
    def size(self) -> int:
        """Values of a sample; of texts bytes."""
        return prod(self.shape[1:]) * (max(1, self.dtype.itemsize) if self.textual else 1)


def read(name: str, file: BufferedReader, columns: Sequence[str]) -> Dataset:
    """What the archive shows; UsageError without the file's name."""
    if columns:
        raise UsageError(
            f"an .npz file has no columns, so --target {columns[0]} names nothing in it; its targets are the array y"
        )
    try:
        with zipfile.ZipFile(file) as archive:
            return _Archive(archive).dataset(name)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UsageError(f"the archive is damaged ({error}); save it again") from error


class _Archive:
    """An open archive and the headers of its arrays."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        members = [member for member in archive.namelist() if member.endswith(".npy")]
        if not members:
            raise UsageError(f"it is a zip archive without arrays; {_SAVE}, or save a table as .csv")
        self.headers = {member.removesuffix(".npy"): self._header(member) for member in members}
        self.seen: list[int] = []

    def dataset(self, name: str) -> Dataset:
        """What all arrays show together."""
        used = {known: header for known, header in self.headers.items() if header.shape and not _ASIDE.fullmatch(known)}
        samples = _samples(used)
        inputs, targets = self._parts(used, "x"), self._parts(used, "y")
        if not inputs.given:
            raise UsageError(f"it holds {listed(list(self.headers))}, but nothing for the input; {_SAVE}")
        validation = [
            header.shape[0]
            for known, header in self.headers.items()
            if header.shape and (aside := _ASIDE.fullmatch(known)) and aside["validation"]
        ]
        if len(set(validation)) > 1:
            raise UsageError(f"its validation arrays hold {validation[0]:,} and {validation[1]:,} samples; {_SAVE}")
        return Dataset(
            name,
            samples,
            min(self.seen, default=samples),
            inputs,
            targets,
            validation[0] if validation else None,
            held=listed(list(self.headers)),
        )

    def _parts(self, used: Mapping[str, _Header], role: str) -> Parts:
        """The arrays for inputs (`x`) or outputs (`y`), with those named after some layer."""
        whole: Values | None = None
        numbered: dict[int, Values] = {}
        named: dict[str, Values] = {}
        for known, header in used.items():
            found = _ROLE.fullmatch(known)
            if found and found["role"] != role:
                continue
            values = self._values(known, header, role)
            if found is None:
                named[known] = values
            elif found["number"] is None:
                whole = values
            else:
                numbered[int(found["number"])] = values
        if sorted(numbered) != [*range(len(numbered))]:
            raise UsageError(f"its arrays {role}_… must be numbered from 0, without gaps: {role}_0, {role}_1, …")
        return Parts(whole, tuple(numbered[place] for place in sorted(numbered)), named)

    def _values(self, known: str, header: _Header, role: str) -> Values:
        if header.textual:
            return Values(known, header.shape, targets=self._texts(known, header) if role == "y" else None)
        features: Features | None = None
        targets: Targets | None = None
        for block in self._blocks(known, header):
            numbers = block.astype(np.float64).reshape(*block.shape[: max(1, block.ndim - 1)], -1)
            if role == "x":
                features = together(features, Features.of(numbers))
            else:
                targets = together(targets, Targets.of(numbers))
        return Values(known, header.shape, features, targets)

    def _texts(self, known: str, header: _Header) -> Targets:
        different: frozenset[str] = frozenset()
        for block in self._blocks(known, header):
            different = few(different.union(map(str, np.unique(block).tolist())))
        return Targets.of_texts(different, 0)

    def _blocks(self, known: str, header: _Header) -> Iterator[NDArray[Any]]:
        """The array in blocks of whole samples, as far as it is read."""
        size = header.size
        if size > SAMPLE:
            raise UsageError(f"one sample of {known} has {size:,} values; give samples of up to {SAMPLE:,}")
        limit = min(header.shape[0], max(1, VALUES // size))
        self.seen.append(limit)
        step = max(1, BLOCK // size)
        if header.by_columns and size * header.shape[0] > BY_COLUMNS:
            raise UsageError(f"{known} is stored column by column; save np.ascontiguousarray({known}) instead")
        with self.archive.open(f"{known}.npy") as member:
            _read_header(member)
            whole = _block(member, known, header, header.shape[0]) if header.by_columns else None
            for start in range(0, limit, step):
                rows = min(step, limit - start)
                yield _block(member, known, header, rows) if whole is None else whole[start : start + rows]

    def _header(self, member: str) -> _Header:
        if self.archive.getinfo(member).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UsageError(f"its arrays are packed in a way that NumPy does not know; {_SAVE}")
        with self.archive.open(member) as file:
            header = _read_header(file)
        known = member.removesuffix(".npy")
        if header.dtype.hasobject:
            raise UsageError(
                f"the array {known} holds Python objects, which are pickled, and archlint never unpickles; "
                f"make it an array of numbers: np.asarray({known}, dtype='float32')"
            )
        if header.dtype.kind not in "biufUS":
            raise UsageError(f"the array {known} holds {header.dtype}, no numbers; save it as float32 or int64")
        return header


def _read_header(file: IO[bytes]) -> _Header:
    head = io.BytesIO(file.read(_HEADER))
    try:
        version = npy.read_magic(head)
        read_rest = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, by_columns, dtype = read_rest(head)
    except (ValueError, SyntaxError, TokenError) as error:  # numpy parses the header as a Python literal
        raise UsageError(f"one of its arrays is damaged ({error}); {_SAVE}") from error
    file.seek(head.tell())
    return _Header(tuple(shape), np.dtype(dtype), bool(by_columns) and len(shape) > 1)


def _block(member: IO[bytes], known: str, header: _Header, rows: int) -> NDArray[Any]:
    shape = (rows, *header.shape[1:])
    wanted = prod(shape) * header.dtype.itemsize
    data = member.read(wanted)
    if len(data) < wanted:
        raise UsageError(f"the array {known} ends before its {header.shape[0]:,} samples do; save it again")
    try:
        return np.frombuffer(data, header.dtype).reshape(shape, order="F" if header.by_columns else "C")
    except ValueError as error:  # texts without characters, more axes than NumPy can have
        raise UsageError(f"the array {known} is damaged ({error}); save it again") from error


def _samples(used: Mapping[str, _Header]) -> int:
    first = next(iter(used.items()), None)
    for known, header in used.items():
        if first and header.shape[0] != first[1].shape[0]:
            raise UsageError(
                f"{first[0]} holds {first[1].shape[0]:,} samples ({_sizes(first[1].shape)}), "
                f"but {known} {header.shape[0]:,} ({_sizes(header.shape)}); they must be as many"
            )
        if min(header.shape) < 1:
            raise UsageError(f"{known} holds no values ({_sizes(header.shape)}); {_SAVE}")
    return first[1].shape[0] if first else 0


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
