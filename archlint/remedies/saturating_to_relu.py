"""ReLU instead of sigmoid and tanh."""

from archlint.analyses.prospect import SATURATING
from archlint.graph import Layer, Model
from archlint.remedies.activations import swapped
from archlint.remedies.case import Case
from archlint.remedies.drawing import fitted
from archlint.remedies.places import Places
from archlint.remedies.surgery import with_layers


def saturating_to_relu(model: Model, _case: Case) -> Model:
    """Makes the hidden sigmoids, tanhs and their relatives ReLUs, and draws the hidden kernels for that."""
    places = Places(model)

    def changed(layer: Layer) -> Layer:
        redrawn, met = places.is_hidden_kernel(layer), places.meets(layer)
        if layer.activation in SATURATING and places.is_hidden(layer) and not layer.traits.recurrent:
            layer = swapped(layer, "relu")
        return fitted(layer, "relu" if met in SATURATING else met) if redrawn else layer

    return with_layers(model, changed)
