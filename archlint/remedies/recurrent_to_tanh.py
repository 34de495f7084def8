"""Tanh in a recurrent layer."""

from archlint.graph import Model
from archlint.remedies.activations import with_tanh
from archlint.remedies.case import Case, RemedyError
from archlint.remedies.surgery import Draft


def recurrent_to_tanh(model: Model, case: Case) -> Model:
    """Gives the recurrent layer that the finding names tanh, its default, which bounds its state."""
    layer, draft = case.layer(model), Draft(model)
    if not layer.traits.recurrent:
        raise RemedyError(f"{layer.name} is no recurrent layer")
    draft.replace(with_tanh(layer))
    return draft.finished()
