"""The gate: every file is opened here, once, and judged by its content before a parser sees it."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from archlint.errors import ReadError
from archlint.limits import READ_BYTES
from archlint.readers.protobuf import is_onnx, other_kind

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
HDF5_USER_BLOCKS = (0, 512, 1024, 2048, 4096)  # HDF5 file format specification, section II.A: 0, 512 and doubling
HEAD = 4096 + len(HDF5_SIGNATURE)


@dataclass(slots=True)
class OpenFile:
    """A regular file, opened for reading: a binary file object over `pread`, with size and leading bytes known."""

    path: Path
    descriptor: int
    size: int
    head: bytes
    position: int = 0
    budget: int = READ_BYTES

    def pread(self, length: int, offset: int) -> bytes:
        """Up to `length` bytes at `offset`; fewer at the end of the file."""
        if offset < 0 or length <= 0:
            return b""
        return _pread(self.descriptor, min(length, max(0, self.size - offset)), offset)

    def read(self, length: int = -1) -> bytes:
        """The next `length` bytes (all that is left if negative).

        What a parser reads this way counts against a budget: a length that lies must not be able to fill the memory.
        """
        left = max(0, self.size - self.position)
        wanted = left if length < 0 else min(length, left)
        self.budget -= wanted
        if self.budget < 0:
            raise ReadError("its metadata is longer than any honest model's; it was not read further")
        data = self.pread(wanted, self.position)
        self.position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to `offset`, counted from the start, the position or the end of the file."""
        self.position = max(0, offset + (0, self.position, self.size)[whence])
        return self.position

    def tell(self) -> int:
        """The position of the next read."""
        return self.position

    def seekable(self) -> bool:
        """Always: it is a regular file."""
        return True


def _pread(descriptor: int, length: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(descriptor, length, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)  # Windows
    return os.read(descriptor, length)


@contextmanager
def open_file(path: Path) -> Iterator[OpenFile]:
    """Open `path` if it is a regular file; raise `ReadError` otherwise, without ever waiting on a pipe or device."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise ReadError(_open_failure(error)) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ReadError(f"this is {_what_it_is(status.st_mode)}, not a model file; give the path of a file")
        yield OpenFile(path, descriptor, status.st_size, _pread(descriptor, HEAD, 0))
    finally:
        os.close(descriptor)


def sniff(file: OpenFile) -> str:
    """`hdf5`, `zip` or `onnx`, from the content; raise `ReadError` that says what it is instead, and the way out."""
    head = file.head
    if any(head[start : start + len(HDF5_SIGNATURE)] == HDF5_SIGNATURE for start in HDF5_USER_BLOCKS):
        return "hdf5"
    if head.startswith(b"PK\x03\x04") and b"/data.pkl" not in head[:300]:
        return "zip"
    sentence = _other_kind(file)
    if sentence is None and is_onnx(file):  # last, as protobuf has no signature
        return "onnx"
    raise ReadError(sentence or other_kind(file) or _unknown(file))


def _open_failure(error: OSError | ValueError) -> str:
    number = getattr(error, "errno", None)
    if number == errno.ENOENT:
        return "there is no such file; check the path"
    if number == errno.EACCES:
        return "permission to read it is denied; change its mode or run as a user who may read it"
    if number == errno.ELOOP:
        return "it is a symbolic link that leads back to itself; point it at the model file"
    return f"it cannot be opened ({os.strerror(number) if number else 'bad path'}); check the path"


def _what_it_is(mode: int) -> str:
    for test, name in (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
    ):
        if test(mode):
            return name
    return "a device"


def _unknown(file: OpenFile) -> str:
    if file.path.suffix == ".onnx":
        return "it is named .onnx, but does not begin as an ONNX model; download or export it again"
    return "it is neither HDF5 (.h5), nor a .keras archive, nor ONNX; give a model saved by Keras or exported to .onnx"


def _other_kind(file: OpenFile) -> str | None:
    head = file.head
    start = head.lstrip()[:200].lower()
    kinds = (
        (not head, "it is empty; save or download the model again"),
        (
            head.startswith(b"version https://git-lfs"),
            "it is a Git LFS pointer, not the model itself; run `git lfs pull` (in CI: checkout with `lfs: true`)",
        ),
        (
            start.startswith((b"<!doctype", b"<html", b"<?xml")),
            "it is a web page, not a model: the download brought an error or log-in page; download the file itself",
        ),
        (
            head.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")),
            "it is a Python pickle, which archlint never opens; "
            "save the model with model.save('name.keras') or torch.onnx.export()",
        ),
        (
            head.startswith(b"PK\x03\x04"),
            "it is a PyTorch checkpoint, which archlint never opens; export the model with torch.onnx.export()",
        ),
        (head.startswith(b"\x1f\x8b"), "it is gzip-compressed; unpack it first (gunzip)"),
        (head[257:262] == b"ustar", "it is a tar archive; unpack it first and check the model file inside"),
        (
            not head.startswith(b"\x08") and (b"ir_version" in start or b'"irversion"' in start),
            "it is an ONNX model as text; save it as onnx.save(onnx.load(path, format), 'name.onnx') does",
        ),
        (head[4:8] == b"ORTM", "it is ONNX Runtime's own format (.ort); check the .onnx model that it was made from"),
        (head.startswith(b"ftrt"), "it is a TensorRT engine; check the .onnx model that it was built from"),
        (
            head[8:10] == b'{"',
            "it holds weights only (safetensors), no architecture, so there is nothing to judge; save the whole model",
        ),
        (
            start.startswith(b"{"),
            "it is JSON: a configuration without a file around it; save the model with model.save('name.keras')",
        ),
        (head.startswith(b"CDF"), "it is a NetCDF file, not a Keras model; give a model saved by Keras"),
        (
            b"TFL3" in head[4:8],
            "it is a TensorFlow Lite model, which archlint does not read; check the Keras model it came from",
        ),
    )
    for found, sentence in kinds:
        if found:
            return sentence
    return None
