"""What cannot be written."""

from typing import NoReturn

from archlint.errors import ArchlintError
from archlint.graph import Layer


class WriteError(ArchlintError):
    """A layer that the other side has no form for, or that the file does not say enough about."""


def refuse(layer: Layer, why: str) -> NoReturn:
    """Give up on a layer.

    Raises:
        WriteError: always.
    """
    raise WriteError(f"the layer {layer.name!r} ({layer.class_name}) cannot be written for Keras 3: {why}")
