"""From a path to the neutral model: the gate judges the content, then one reader reads it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archlint.graph import Model
from archlint.readers.gate import open_file, sniff
from archlint.readers.keras_files import read_h5, read_keras
from archlint.readers.onnx import read_onnx

SUFFIXES = (".h5", ".hdf5", ".keras", ".onnx")
"""Endings of model files, looked for in folders. What a file is, its content decides."""

_READERS = {"hdf5": read_h5, "zip": read_keras, "onnx": read_onnx}


@contextmanager
def open_model(path: Path) -> Iterator[Model]:
    """The model in the file at `path`; the file stays open meanwhile, so that weights can be looked up in it.

    Raises:
        ReadError: one sentence: what is wrong with the file, and what to do.
    """
    with open_file(path) as file:
        yield _READERS[sniff(file)](file)
