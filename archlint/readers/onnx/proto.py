"""The message classes of the `onnx` package without the package, the import of which costs half a second."""

import functools
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from archlint.errors import ReadError, UsageError

if TYPE_CHECKING:
    from onnx import ModelProto


def parse(data: bytes) -> "ModelProto":
    """A model from its serialised form.

    Raises:
        ReadError: the bytes are no ModelProto.
        UsageError: onnx is not installed.
    """
    messages = _messages()
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped] # it ships no types

    try:
        model: ModelProto = messages.ModelProto.FromString(data)
    except DecodeError as error:
        raise ReadError("it begins as an ONNX model, but is damaged; download or export it again") from error
    return model


@functools.cache
def _messages() -> ModuleType:
    """The module that the protocol buffer compiler made for onnx, under a name of its own.

    protobuf makes each class only once: `import onnx`, earlier or later, has the same ones.
    """
    package = importlib.util.find_spec("onnx")
    for folder in package.submodule_search_locations or () if package else ():
        path = Path(folder) / "onnx_ml_pb2.py"
        spec = importlib.util.spec_from_file_location("archlint.readers.onnx.onnx_ml_pb2", path)
        if spec and spec.loader and path.is_file():
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    raise UsageError("to read ONNX models, archlint needs the package onnx; run `pip install onnx`")
