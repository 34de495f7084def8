"""From a path to the neutral model: the gate judges the content, then one reader reads it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from archlint.graph import Model
from archlint.readers.container import concerns, refuse_two_models
from archlint.readers.files import open_file
from archlint.readers.gate import sniff

SUFFIXES = (".h5", ".hdf5", ".keras", ".onnx")
"""Endings of model files, looked for in folders. What a file is, its content decides."""

# Imported when needed: a check of one format must not wait for what only another one needs.
_READERS = {
    "hdf5": ("archlint.readers.keras_files", "read_h5"),
    "zip": ("archlint.readers.keras_files", "read_keras"),
    "onnx": ("archlint.readers.onnx", "read_onnx"),
}


@contextmanager
def open_model(path: Path) -> Iterator[Model]:
    """The model in the file at `path`; the file stays open meanwhile, so that weights can be looked up in it.

    Raises:
        ReadError: one sentence: what is wrong with the file, and what to do.
    """
    with open_file(path) as file:
        kind = sniff(file)
        refuse_two_models(file, kind)
        module, reader = _READERS[kind]
        model: Model = getattr(import_module(module), reader)(file)
        around = tuple(concerns(file, kind))
        yield replace(model, concerns=model.concerns + around, size=file.size)
