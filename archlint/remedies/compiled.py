"""The optimizer of a model, changed."""

from dataclasses import replace
from typing import Any

from archlint.graph import Model, Optimizer
from archlint.remedies.case import RemedyError


def optimizer_of(model: Model) -> Optimizer:
    """The optimizer that the model is compiled with; RemedyError if its file names none."""
    if model.training is None or model.training.optimizer is None:
        raise RemedyError("the file names no optimizer whose settings could be changed")
    return model.training.optimizer


def with_optimizer(model: Model, **settings: Any) -> Model:
    """The model, its optimizer with some settings changed."""
    optimizer = replace(optimizer_of(model), **settings)
    return replace(model, training=model.training and replace(model.training, optimizer=optimizer))
