"""Dropout in front of a layer."""

from archlint.graph import Model
from archlint.remedies import fresh
from archlint.remedies.case import Case
from archlint.remedies.defaults import DROPOUT_RATE
from archlint.remedies.surgery import Draft


def insert_dropout(model: Model, case: Case) -> Model:
    """Puts dropout just in front of the layer that the finding names."""
    layer, draft = case.layer(model), Draft(model)
    draft.insert_before(layer.name, fresh.dropout(draft.beside(layer.name, "dropout"), DROPOUT_RATE, layer))
    return draft.finished()
