"""Compares what archlint reads of a model file with what the libraries read that others load it with.

python tests/differential.py h5 0 100000      # so many damaged files; the differences are told, exit 1 if there are any
python tests/differential.py onnx 0 100000
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import onnx
from google.protobuf.message import DecodeError

sys.path.insert(0, str(Path(__file__).parents[1]))

from read_by_h5py import NUMBERS, Facts, numbers, plain

from archlint.errors import ReadError
from archlint.readers.files import Source, open_file
from archlint.readers.hdf5 import Dataset, Hdf5, _parsing, open_hdf5
from archlint.readers.onnx.proto import parse
from archlint.readers.onnx.wire import _KEPT_PROPERTIES as KEPT_PROPERTIES
from archlint.readers.onnx.wire import _SHORT_ENTRY as SHORT_ENTRY
from archlint.readers.onnx.wire import Payload, slim
from fixtures.mutants import mutant, seeds
from fixtures.mutants import plain as plain_changes

# HDF5


class Library:
    """h5py in a process of its own, which is started anew when a file has ended it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.ended = 0

    def __enter__(self) -> "Library":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def read(self, path: Path) -> Facts | None:
        """What h5py reads of a file; None if it does not accept it."""
        if self._process is None:
            self._process = self._start()
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            self.ended += 1
            self._stop()
            return None
        found: Facts | None = json.loads(answer)
        return found

    def _start(self) -> "subprocess.Popen[str]":
        script = Path(__file__).with_name("read_by_h5py.py")
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, script], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=environment
        )

    def _stop(self) -> None:
        if self._process is not None:
            self._process.communicate()  # the end of its input is the end of it
            self._process = None


def hdf5_facts(source: Source) -> Facts:
    """What archlint reads of an HDF5 file.

    Raises:
        ReadError: it does not accept it.
    """
    hdf5 = open_hdf5(source)
    with _parsing():
        found: Facts = {"": "group", **_attributes("", hdf5._file)}
        for path, _, member in hdf5._members():
            if hasattr(member, "attrs"):
                found |= {f"/{path}": None if hasattr(member, "shape") else "group", **_attributes(f"/{path}", member)}
    for dataset in hdf5.datasets():
        found[f"/{dataset.path}"] = [dataset.dtype, list(dataset.shape)]
        found[f"/{dataset.path}="] = _numbers(dataset)
    return found | _texts(hdf5)


def _attributes(path: str, member: Any) -> Facts:
    """Values that pyfive does not know are None."""
    return {f"{path}@{name}": None if value is None else plain(value) for name, value in member.attrs.items()}


def _texts(hdf5: Hdf5) -> Facts:
    """The attributes that archlint itself asks for."""
    found = {}
    for name in filter(hdf5.has_attribute, ("model_config", "training_config", "keras_version")):
        try:
            found[f"@{name}"] = plain(hdf5.attribute(name))
        except ReadError:
            found[f"@{name}"] = None
    return found


def _numbers(dataset: Dataset) -> Any:
    try:
        return numbers(dataset.read()) if dataset.nbytes <= NUMBERS else None
    except ReadError:
        return None


def differences(ours: Facts, theirs: Facts) -> list[str]:
    """What two readers make differently of a file that both of them accept; what only one can read does not count."""
    unknown = [path for found in (ours, theirs) for path, value in found.items() if value is None]
    return [
        f"{path or '/'}: archlint reads {ours.get(path)}, the library {theirs.get(path)}"
        for path in sorted({*ours, *theirs})
        if ours.get(path) != theirs.get(path) and not any(map(path.startswith, unknown))
    ]


# ONNX

_LEFT_OUT = frozenset({"doc_string", "configuration", "device_configurations", "data_location"})
_DATA = frozenset(
    "raw_data float_data int32_data string_data int64_data double_data uint64_data floats ints strings s".split()
)
"""Fields that may be left in the file, to be read when they are needed."""


def onnx_facts(path: Path) -> Facts:
    """What archlint keeps of an ONNX file before it looks at what that means.

    Raises:
        ReadError: it does not accept it.
    """
    with open_file(path) as file:
        slimmed = slim(file)
        return {"": _described(parse(slimmed.data), lambda note: _left_in(file, slimmed.payloads[int(note)]))}


def onnx_facts_by_onnx(path: Path) -> Facts | None:
    """What onnx reads of the file; None if it does not accept it."""
    try:
        return {"": _described(onnx.load(path, load_external_data=False))}
    except DecodeError:
        return None


def _left_in(file: Source, payload: Payload) -> bytes | None:
    """The field that was left in the file, None if it does not lie in one piece."""
    if payload.offset is None:
        return None
    content = file.pread(payload.length, payload.offset)
    return plain_changes.varint(payload.field << 3 | 2) + plain_changes.varint(len(content)) + content


def _described(message: Any, left_in: Callable[[str], bytes | None] | None = None) -> Facts:
    """The fields of a message by name, and in `data` those that may be left in the file; None if they are unknown."""
    kind = message.DESCRIPTOR.name
    found: Facts = {}
    data: Facts | None = {}
    for field, value in message.ListFields():
        if field.name == "metadata_props":
            found |= _properties(kind, value)
        elif field.name in _DATA and kind in ("TensorProto", "AttributeProto"):
            data[field.name] = list(value) if field.is_repeated else value
        elif field.name not in _LEFT_OUT:
            found[field.name] = (
                [_value(item, left_in) for item in value] if field.is_repeated else _value(value, left_in)
            )
    if left_in and getattr(message, "doc_string", "") and kind in ("TensorProto", "AttributeProto"):
        data = _data(type(message), left_in(message.doc_string), data)
    return {**found, "data": data}


def _data(kind: Any, content: bytes | None, data: Facts) -> Facts | None:
    try:
        return None if content is None else data | _described(kind.FromString(content))["data"]
    except DecodeError:  # it is checked when it is read; onnx reads all and refuses the file
        return None


def _value(value: Any, left_in: Callable[[str], bytes | None] | None) -> Any:
    if hasattr(value, "ListFields"):
        return _described(value, left_in)
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def _properties(kind: str, entries: Any) -> Facts:
    """What is noted in a model or a node, as far as it is kept."""
    noted = [(entry.ByteSize(), _value(entry.key, None), _value(entry.value, None)) for entry in entries]
    if kind == "ModelProto":
        return {f"noted {key}": value for size, key, value in noted if size <= SHORT_ENTRY}
    return {f"noted {key}": value for _, key, value in noted if kind == "NodeProto" and key.encode() in KEPT_PROPERTIES}


def unequal(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Where two descriptions differ; nothing is said of what is unknown to one."""
    if ours is None or theirs is None:
        return
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted({*ours, *theirs}):
            if key in ours and key in theirs:
                yield from unequal(ours[key], theirs[key], f"{path}/{key}")
            else:
                yield f"{path}/{key}: only {'archlint' if key in ours else 'the library'} reads it"
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, items in enumerate(zip(ours, theirs, strict=True)):
            yield from unequal(*items, f"{path}/{number}")
    elif repr(ours) != repr(theirs):  # as NaN is not equal to itself
        yield f"{path}: archlint reads {str(ours)[:80]}, the library {str(theirs)[:80]}"


# What is compared


_DULL = re.compile(rb"[\x20-\x7e]{40,}|\0{64,}")  # texts, and space that nothing is in


@cache
def _structure(data: bytes) -> tuple[int, ...]:
    """The places of the bytes that describe what is in a file; what is in it both readers copy."""
    dull = {place for found in _DULL.finditer(data) for place in range(found.start() + 16, found.end() - 16)}
    return tuple(place for place in range(len(data)) if place not in dull)


def damaged_hdf5(number: int) -> bytes:
    """An HDF5 file in whose structure a few bytes are changed."""
    rng = Random(f"differential {number}")
    original = rng.choice(seeds.h5())
    data = bytearray(original)
    for _ in range(rng.choice((1, 1, 1, 2))):
        at, width = rng.choice(_structure(original)), rng.choice((1, 1, 1, 2, 4, 8))
        value = rng.choice((data[at] ^ 1 << rng.randrange(8), data[at] + rng.choice((1, -1, 8)), rng.randrange(256)))
        if rng.random() < 0.5:
            value = rng.choice(
                (*plain_changes.INTERESTING, *plain_changes.EXTREMES, len(data), rng.choice(_structure(original)))
            )
        data[at : at + width] = (value % 256**width).to_bytes(width, "little")
    return bytes(data)


def compare_hdf5(path: Path, library: Library) -> list[str] | None:
    """What archlint and h5py make differently of a file; None if they do not both accept it."""
    try:
        with open_file(path) as file:
            ours = hdf5_facts(file)
    except ReadError:
        return None
    theirs = library.read(path)
    return None if theirs is None else differences(ours, theirs)


def compare_onnx(path: Path) -> list[str] | None:
    """What archlint and onnx make differently of a file; None if they do not both accept it."""
    try:
        ours = onnx_facts(path)
    except ReadError:
        return None
    theirs = onnx_facts_by_onnx(path)
    return None if theirs is None else list(unequal(ours, theirs))


def compare(kind: str, numbers: Iterable[int]) -> Iterator[tuple[int, list[str] | None]]:
    """Damaged files by number, with what is made of them differently."""
    with TemporaryDirectory() as folder, Library() as library:
        path = Path(folder) / f"damaged.{kind}"
        for number in numbers:
            path.write_bytes(damaged_hdf5(number) if kind == "h5" else mutant("onnx", number))
            yield number, compare_hdf5(path, library) if kind == "h5" else compare_onnx(path)


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("format", choices=("h5", "onnx"))
    parser.add_argument("first", type=int, help="the number of a damaged file")
    parser.add_argument("last", type=int, help="one behind the last")
    given = parser.parse_args()
    made = [(number, found) for number, found in compare(given.format, range(given.first, given.last))]
    for number, found in made:
        for line in found or ():
            print(f"{given.format} {number} {line}")
    print(f"{sum(found is not None for _, found in made)} of {len(made)} files were compared", file=sys.stderr)
    return int(any(found for _, found in made))


if __name__ == "__main__":
    raise SystemExit(main())
