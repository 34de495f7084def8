"""Clipped gradients."""

from archlint.graph import Model
from archlint.remedies.case import Case
from archlint.remedies.compiled import with_optimizer
from archlint.remedies.defaults import CLIP_NORM


def clip_gradients(model: Model, _case: Case) -> Model:
    """Clips the norm of all gradients together, and in no other way."""
    return with_optimizer(model, global_clipnorm=CLIP_NORM, clipnorm=None, clipvalue=None)
