"""From a path to the facts about the training data in it; what it is, its content decides."""

import os
import select
import stat
from collections.abc import Callable, Sequence
from io import BufferedReader
from pathlib import Path

import numpy as np

from archlint.dataset.contents import Dataset
from archlint.errors import UsageError

_HEAD = 600

_PATIENCE = 10
"""Seconds until something must come out of a named pipe."""

_OTHERS: Sequence[tuple[Callable[[bytes], bool], str]] = (
    (lambda head: not head, "it is empty; save the data again"),
    (lambda head: head.startswith(b"\x93NUMPY"), "it holds one array; save np.savez('train.npz', x=x, y=y)"),
    (
        lambda head: head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"),
        "it is a Python pickle, which archlint never opens; save np.savez('train.npz', x=x, y=y)",
    ),
    (lambda head: head.startswith(b"\x1f\x8b"), "it is gzip-compressed; unpack it first (gunzip)"),
    (
        lambda head: head.startswith(b"\x89HDF"),
        "it is HDF5, the format of models; save np.savez('train.npz', x=x, y=y)",
    ),
    (
        lambda head: head.startswith(b"version https://git-lfs"),
        "it is a Git LFS pointer, not the data itself; run `git lfs pull`",
    ),
    (
        lambda head: b"\x00" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")),
        "it is neither .npz nor .parquet nor text; give one of these or a .csv",
    ),
)


def load(path: Path, columns: Sequence[str] = ()) -> Dataset:
    """What the file at `path` shows of the training data.

    Args:
        columns: the target columns of a table.

    Raises:
        UsageError: one sentence that names the file: what is wrong with it or the columns, and what to do.
    """
    if names_function(path):
        raise UsageError(f"--data {path} names a function, and only verify and check --verify run code; give a file")
    try:
        with (
            os.fdopen(_open(path), "rb") as file,
            np.errstate(over="ignore", invalid="ignore"),
        ):  # 1e300 squared is infinite: so be it
            return _read(path, file, columns)
    except OSError as error:
        raise UsageError(f"--data {path} cannot be read: {error.strerror or error}") from error
    except UsageError as error:
        raise UsageError(f"--data {path}: {error}") from error


def names_function(path: Path) -> bool:
    """Whether it is `package.module:function`, and no file."""
    module, colon, function = str(path).partition(":")
    return bool(colon) and all(map(str.isidentifier, [*module.split("."), function])) and not path.exists()


def _open(path: Path) -> int:
    """Open a file; a named pipe only if somebody writes into it, or this would wait for ever."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        if not select.select([descriptor], [], [], _PATIENCE)[0]:
            os.close(descriptor)
            raise OSError(None, f"it is a named pipe into which nobody has written for {_PATIENCE} s")
        os.set_blocking(descriptor, True)
    return descriptor


def _read(path: Path, file: BufferedReader, columns: Sequence[str]) -> Dataset:
    head = file.peek(_HEAD)[:_HEAD]
    # Imported when needed: of the formats, only one is.
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        from archlint.dataset import arrays

        return arrays.read(path.name, file, columns)
    if head.startswith(b"PAR1"):
        from archlint.dataset import parquet_file

        return parquet_file.read(path.name, file, columns)
    for fits, sentence in _OTHERS:
        if fits(head):
            raise UsageError(sentence)
    from archlint.dataset import csv_file

    return csv_file.read(path.name, file, columns)
