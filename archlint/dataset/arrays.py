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
from typing import IO, Any, Literal
from warnings import catch_warnings

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from archlint.dataset.contents import Dataset, Parts, Values, listed
from archlint.dataset.statistics import Features, Targets, few, together
from archlint.errors import UsageError

VALUES = 250_000_000
"""Values of one array that are looked at, some eight seconds' worth; the images of CIFAR-10 have 154 million."""

ALL_VALUES = 2 * VALUES
"""Values of all arrays that are looked at."""

ARRAYS = 100
"""Arrays for inputs and outputs: of each up to 100,000 labels are in memory. Largest seen: 20."""

BLOCK = 2**18
"""Values that are in memory at a time, if the last axis has no more and the array is stored sample by sample."""

SAMPLE = 2**24
"""Values of one sample: a scan of 256 x 256 x 256."""

WIDTH = 2**20
"""Places on the last axes of all arrays, each of which is a feature with statistics of its own, of some 300 bytes while
they are put together; an image of 224 x 224 with three channels in one row has 150,528."""

BY_COLUMNS = 2**28
"""Bytes of an array that is stored column by column (in Fortran's order), so that it must be read as a whole."""

_CHUNK = 2**20
"""Bytes that are unpacked at a time."""

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
    def width(self) -> int:
        """Places on the last axis, which are the features."""
        return self.shape[-1] if len(self.shape) > 1 else 1

    @property
    def lines(self) -> int:
        """How many last axes make up a sample."""
        return prod(self.shape[1:-1])

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
        self.values = VALUES
        """Values of each array that are looked at."""

    def dataset(self, name: str) -> Dataset:
        """What all arrays show together."""
        used = {known: header for known, header in self.headers.items() if header.shape and not _ASIDE.fullmatch(known)}
        samples = _samples(used)
        self.values = min(VALUES, ALL_VALUES // max(1, len(used)))
        _refuse_vast(used, min(SAMPLE, self.values))
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
            numbers = block.astype(np.float64)
            if role == "x":
                features = together(features, Features.of(numbers))
            else:
                targets = together(targets, Targets.of(numbers))
        return Values(known, header.shape, features, targets)

    def _texts(self, known: str, header: _Header) -> Targets:
        different: frozenset[int] = frozenset()
        for block in self._blocks(known, header):
            different = few(different.union(map(hash, np.unique(block).tolist())))
        return Targets.of_texts(different, 0)

    def _blocks(self, known: str, header: _Header) -> Iterator[NDArray[Any]]:
        """The array in blocks of whole lines (the last axis), as far as it is read: in samples, if these are small."""
        size = header.size
        limit = min(header.shape[0], max(1, self.values // size))
        self.seen.append(limit)
        step = max(1, BLOCK // size) * header.lines if size <= BLOCK else max(1, BLOCK * header.lines // size)
        with self.archive.open(f"{known}.npy") as member:
            _read_header(member)
            array = _Lines(member, known, header)
            for start in range(0, limit * header.lines, step):
                yield array.take(start, min(step, limit * header.lines - start))

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
        with catch_warnings(action="ignore"):  # Python's, on a literal like `1if 1else 2`
            version = npy.read_magic(head)
            read_rest = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, by_columns, dtype = read_rest(head)
    except (ValueError, SyntaxError, TokenError) as error:  # numpy parses the header as a Python literal
        raise UsageError(f"one of its arrays is damaged ({error}); {_SAVE}") from error
    file.seek(head.tell())
    return _Header(tuple(shape), np.dtype(dtype), bool(by_columns) and len(shape) > 1)


class _Lines:
    """The last axes of an array, one after the other; the array is in memory if it is stored column by column."""

    def __init__(self, member: IO[bytes], known: str, header: _Header) -> None:
        self.member, self.known, self.header = member, known, header
        self.whole = self._whole() if header.by_columns else None

    def take(self, start: int, count: int) -> NDArray[Any]:
        """So many lines from the first one on that was not taken; shape (count, width)."""
        if self.whole is None:
            return self._read((count, self.header.width), "C")
        lines = self.header.lines
        first, end = start // lines, -(-(start + count) // lines)
        # of what is not a whole number of samples, a part
        return self.whole[first:end].reshape(-1, self.header.width)[start - first * lines :][:count]

    def _whole(self) -> NDArray[Any]:
        if prod(self.header.shape) * self.header.dtype.itemsize > BY_COLUMNS:
            raise UsageError(
                f"{self.known} is stored column by column; save np.ascontiguousarray({self.known}) instead"
            )
        return self._read(self.header.shape, "F")

    def _read(self, shape: tuple[int, ...], order: Literal["C", "F"]) -> NDArray[Any]:
        data = bytearray(prod(shape) * self.header.dtype.itemsize)
        done = 0
        while chunk := self.member.read(min(_CHUNK, len(data) - done)):
            data[done : done + len(chunk)] = chunk
            done += len(chunk)
        if done < len(data):
            raise UsageError(
                f"the array {self.known} ends before its {self.header.shape[0]:,} samples do; save it again"
            )
        try:
            np.empty((0, *self.header.shape[1:]))  # has all axes, unlike the lines
            return np.frombuffer(data, self.header.dtype).reshape(shape, order=order)
        except ValueError as error:  # texts without characters, more axes than NumPy can have
            raise UsageError(f"the array {self.known} is damaged ({error}); save it again") from error


def _refuse_vast(used: Mapping[str, _Header], most: int) -> None:
    """Refuse samples of more than so many values, and arrays whose statistics would fill the memory."""
    for known, header in used.items():
        if header.size > most:
            raise UsageError(f"one sample of {known} has {header.size:,} values; give samples of up to {most:,}")
    if len(used) > ARRAYS:
        raise UsageError(f"it holds {len(used):,} arrays for inputs and outputs; give up to {ARRAYS}")
    widths = {known: header.width for known, header in used.items() if not header.textual}
    if sum(widths.values()) > WIDTH:
        widest = max(widths, key=lambda known: widths[known])
        raise UsageError(
            f"the last axis of {widest} has {widths[widest]:,} places, each of which is a feature; "
            f"give fewer arrays or narrower ones, up to {WIDTH:,} places in all"
        )


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
