"""The usual learning rate."""

from archlint.graph import Model
from archlint.remedies.case import Case
from archlint.remedies.compiled import optimizer_of, with_optimizer
from archlint.remedies.defaults import LEARNING_RATE, SGD_LEARNING_RATE


def usual_learning_rate(model: Model, case: Case) -> Model:
    """Sets the constant learning rate that the finding calls usual, else Keras's default for the optimizer."""
    stated = case.finding.evidence.get("usual")
    default = SGD_LEARNING_RATE if optimizer_of(model).name == "sgd" else LEARNING_RATE
    return with_optimizer(model, learning_rate=stated if isinstance(stated, float) else default, schedule=None)
