"""Batch normalization behind the hidden kernels."""

from archlint.graph import Model
from archlint.remedies import fresh
from archlint.remedies.case import Case
from archlint.remedies.norms import normed


def insert_batch_norm(model: Model, _case: Case) -> Model:
    """Puts a batch normalization between each hidden kernel and its activation."""
    return normed(model, fresh.batch_norm)
