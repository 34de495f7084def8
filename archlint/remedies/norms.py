"""Normalization between kernels and their activations."""

from collections.abc import Callable

from archlint.graph import Layer, Model
from archlint.remedies import fresh
from archlint.remedies.activations import split_off
from archlint.remedies.places import Places
from archlint.remedies.surgery import Draft

Norm = Callable[[str, int, Layer], Layer]
"""Makes a norm with a path, over an axis, beside a layer."""


def normed(model: Model, norm: Norm) -> Model:
    """The model with a norm behind every hidden kernel that has none yet, in front of its activation."""
    places, draft = Places(model), Draft(model)
    for layer in model.layers:
        if places.is_hidden_kernel(layer) and not places.is_normed(layer):
            split_off(draft, layer)
            draft.insert_behind(layer.name, norm(draft.beside(layer.name, "norm"), fresh.channel_axis(layer), layer))
    return draft.finished()
