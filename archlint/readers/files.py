"""Opening a file: once, regular files only, and read by position."""

import errno
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from archlint.errors import ReadError
from archlint.limits import MIB, READ_BYTES

HEAD = 4104
"""Bytes that are read on opening: enough for every signature, also that of HDF5 behind a user block of 4 KiB."""


class Source(ABC):
    """Bytes that are read by position; to a parser, a binary file object."""

    size: int
    position: int
    budget: int

    @abstractmethod
    def pread(self, length: int, offset: int) -> bytes:
        """Up to `length` bytes at `offset`; fewer at the end."""

    @abstractmethod
    def readinto(self, buffer: memoryview, offset: int) -> int:
        """Fill a buffer of bytes with those from `offset` on; how many there were."""

    def fill(self, buffer: memoryview, offset: int) -> None:
        """Fill a buffer of bytes with the numbers of a weight, which begin at `offset`.

        They count against no budget, as the buffer is already there.

        Raises:
            ReadError: the file ends before.
        """
        if not 0 <= offset <= self.size - len(buffer) or self.readinto(buffer, offset) < len(buffer):
            raise ReadError("its weights are cut short; save or download it again")

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


@dataclass(slots=True)
class OpenFile(Source):
    """A regular file, opened for reading, with size and leading bytes known; or the part of one from `start` on."""

    path: Path
    descriptor: int
    size: int
    head: bytes
    position: int = 0
    budget: int = READ_BYTES
    start: int = 0

    def pread(self, length: int, offset: int) -> bytes:
        """Up to `length` bytes at `offset`; fewer at the end of the file."""
        if offset < 0 or length <= 0:
            return b""
        return _pread(self.descriptor, min(length, max(0, self.size - offset)), self.start + offset)

    def readinto(self, buffer: memoryview, offset: int) -> int:
        """Fill a buffer of bytes with those from `offset` on, without a copy; how many there were."""
        done, wanted = 0, min(len(buffer), max(0, self.size - offset))
        while done < wanted:  # one call reads 2 GiB at most
            count = _preadv(self.descriptor, buffer[done:wanted], self.start + offset + done)
            if not count:
                break
            done += count
        return done

    def part(self, start: int, size: int) -> "OpenFile":
        """A part of this file as a file of its own, with a budget of its own."""
        size = max(0, min(size, self.size - start))
        head = self.pread(min(HEAD, size), start)
        return OpenFile(self.path, self.descriptor, size, head, start=self.start + start)


def _preadv(descriptor: int, buffer: memoryview, offset: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [buffer], offset)
    read = _pread(descriptor, min(len(buffer), MIB), offset)
    buffer[: len(read)] = read
    return len(read)


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
