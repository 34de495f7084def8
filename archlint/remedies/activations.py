"""Activations: another one for a layer, or one that a layer applies itself in a layer of its own."""

from dataclasses import replace

from archlint.graph import Layer
from archlint.remedies import fresh
from archlint.remedies.case import RemedyError
from archlint.remedies.surgery import Draft

_SETTINGS = "activation_settings"
"""The setting with what an activation is set to that is a layer of its own: `Dense(8, activation=LeakyReLU(0.1))`."""


def swapped(layer: Layer, name: str) -> Layer:
    """The layer with another activation; one that does nothing else becomes Keras's `Activation`."""
    if layer.traits.activation:
        return fresh.activation(layer.name, name, layer)
    kept = {key: value for key, value in layer.args.items() if key != _SETTINGS}
    return replace(layer, args={**kept, "activation": name})


def with_tanh(layer: Layer) -> Layer:
    """The recurrent layer with tanh, its default, in both directions."""
    return replace(swapped(layer, "tanh"), backward=layer.backward and with_tanh(layer.backward))


def split_off(draft: Draft, layer: Layer) -> None:
    """Put the activation that a layer applies itself, if any, into a layer of its own behind it.

    Raises:
        RemedyError: it is a function of the author's own.
    """
    if layer.activation in (None, "linear"):
        return
    if layer.activation == "custom":
        raise RemedyError(f"the activation of {layer.name} is a function of its author's")
    made = fresh.activation(draft.beside(layer.name, "activation"), str(layer.activation), layer)
    stated = {_SETTINGS: layer.args[_SETTINGS]} if _SETTINGS in layer.args else {}
    draft.insert_behind(layer.name, replace(made, args={**made.args, **stated}))
    draft.replace(swapped(layer, "linear"))
