"""Glorot initialization."""

from archlint.graph import Model
from archlint.remedies.case import Case
from archlint.remedies.drawing import drawn
from archlint.remedies.surgery import Draft


def glorot_initializer(model: Model, case: Case) -> Model:
    """Draws the kernel of the layer that the finding names as Glorot does, Keras's default."""
    draft = Draft(model)
    draft.replace(drawn(case.layer(model), "glorot"))
    return draft.finished()
