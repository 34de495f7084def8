"""ONNX: from the bytes of a file, whose tensors are not read, to the neutral model."""

from archlint.graph import Model
from archlint.readers.files import OpenFile
from archlint.readers.onnx.lift import lift
from archlint.readers.onnx.load import load


def read_onnx(file: OpenFile) -> Model:
    """The model in an .onnx file.

    Raises:
        ReadError: the file is damaged, or its graph is none.
    """
    return lift(load(file))
