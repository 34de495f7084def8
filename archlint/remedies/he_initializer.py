"""He initialization."""

from archlint.graph import Model
from archlint.remedies.case import Case
from archlint.remedies.drawing import fitted
from archlint.remedies.places import Places
from archlint.remedies.surgery import with_layers


def he_initializer(model: Model, _case: Case) -> Model:
    """Draws every hidden kernel for the activation behind it: He for ReLU and its relatives, LeCun for the others."""
    places = Places(model)
    return with_layers(
        model, lambda layer: fitted(layer, places.meets(layer)) if places.is_hidden_kernel(layer) else layer
    )
