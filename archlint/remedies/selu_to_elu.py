"""ELU instead of SELU."""

from archlint.graph import Layer, Model
from archlint.remedies.activations import swapped, with_tanh
from archlint.remedies.case import Case
from archlint.remedies.drawing import fitted
from archlint.remedies.places import Places
from archlint.remedies.surgery import with_layers


def selu_to_elu(model: Model, _case: Case) -> Model:
    """Makes every selu an elu, with He kernels in front of it; recurrent layers get tanh, which bounds their state."""
    places = Places(model)

    def changed(layer: Layer) -> Layer:
        redrawn = layer.traits.affine and layer.trainable and places.meets(layer) == "selu"
        if layer.activation == "selu":
            layer = with_tanh(layer) if layer.traits.recurrent else swapped(layer, "elu")
        return fitted(layer, "elu") if redrawn else layer

    return with_layers(model, changed)
