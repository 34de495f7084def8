"""LeCun initialization."""

from archlint.graph import Layer, Model
from archlint.remedies.case import Case
from archlint.remedies.drawing import fitted
from archlint.remedies.places import Places
from archlint.remedies.surgery import with_layers


def lecun_initializer(model: Model, _case: Case) -> Model:
    """Draws the kernels in front of selu as LeCun does."""
    places = Places(model)

    def changed(layer: Layer) -> Layer:
        meant = layer.traits.affine and layer.trainable and places.meets(layer) == "selu"
        return fitted(layer, "selu") if meant else layer

    return with_layers(model, changed)
