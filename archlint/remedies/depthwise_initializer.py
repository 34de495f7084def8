"""Depthwise kernels drawn for what they sum up."""

from archlint.graph import Layer, Model
from archlint.remedies.case import Case
from archlint.remedies.drawing import fitted
from archlint.remedies.places import Places
from archlint.remedies.surgery import with_layers


def depthwise_initializer(model: Model, _case: Case) -> Model:
    """Draws the hidden depthwise kernels for their own taps, which Keras's initializers count for all channels."""
    places = Places(model)

    def changed(layer: Layer) -> Layer:
        meant = layer.kind == "depthwise_conv" and places.is_hidden_kernel(layer)
        return fitted(layer, places.meets(layer)) if meant else layer

    return with_layers(model, changed)
