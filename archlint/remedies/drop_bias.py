"""No bias."""

from archlint.graph import Model
from archlint.remedies.case import Case
from archlint.remedies.surgery import Draft, with_args, without_weight


def drop_bias(model: Model, case: Case) -> Model:
    """Takes the bias off the layer that the finding names, and its stored numbers with it."""
    layer, draft = case.layer(model), Draft(model)
    draft.replace(with_args(layer, use_bias=False))
    return without_weight(draft.finished(), layer.name, "bias")
