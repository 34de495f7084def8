"""A live network: its layers by their paths, and what it makes of samples."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras


def leaves(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All layers with their paths, those of nested models in place of the models."""
    for layer in model.layers:
        path = f"{prefix}{layer.name}"
        if isinstance(layer, keras.Model):
            yield from leaves(layer, f"{path}/")
        else:
            yield path, layer


def from_list(model: Any, taps: Sequence[Any] | None = None) -> Any:
    """The same layers as a network from a list of inputs to its outputs, or to other tensors within it."""
    return keras.Model(list(model.inputs), list(model.outputs if taps is None else taps))


def outputs(model: Any, x: Sequence[Any], training: bool) -> list[Any]:
    """What such a network makes of one array or tensor per input."""
    return list(keras.tree.flatten(model(list(x), training=training)))
