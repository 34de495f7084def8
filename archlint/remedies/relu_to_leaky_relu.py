"""Leaky ReLU instead of ReLU."""

from archlint.graph import Layer, Model
from archlint.remedies.activations import swapped
from archlint.remedies.case import Case
from archlint.remedies.places import Places
from archlint.remedies.surgery import with_layers

_DEAD_BELOW_ZERO = frozenset({"relu", "relu6"})


def relu_to_leaky_relu(model: Model, _case: Case) -> Model:
    """Makes the hidden ReLUs leaky ones, at the slope of Keras's `leaky_relu`, 0.2."""
    places = Places(model)

    def changed(layer: Layer) -> Layer:
        meant = layer.activation in _DEAD_BELOW_ZERO and places.is_hidden(layer) and not layer.traits.recurrent
        return swapped(layer, "leaky_relu") if meant else layer

    return with_layers(model, changed)
