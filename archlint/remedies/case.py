"""What every remedy is given, and what it raises where it does not fit."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from archlint.errors import ArchlintError
from archlint.graph import Layer, Model
from archlint.rules.finding import Finding

if TYPE_CHECKING:
    from archlint.dataset import Dataset


class RemedyError(ArchlintError):
    """A remedy that does not fit the model; its text is one sentence that says why not."""


class Case(NamedTuple):
    """What a remedy goes by: the finding, and the training data if there is any."""

    finding: Finding
    data: "Dataset | None" = None

    def layer(self, model: Model) -> Layer:
        """The layer that the finding names.

        Raises:
            RemedyError: it names none that the model has.
        """
        return named(model, self.finding.layer)

    def other(self, model: Model, column: str) -> Layer:
        """The layer that a column of the finding's evidence names.

        Raises:
            RemedyError: it names none that the model has.
        """
        return named(model, self.finding.evidence.get(column))


def named(model: Model, path: object) -> Layer:
    """The layer of the model with this path; RemedyError if there is none."""
    found = next((layer for layer in model.layers if layer.name == path), None)
    if found is None:
        raise RemedyError("the finding names no layer to change" if path is None else f"the model has no layer {path}")
    return found


Remedy = Callable[[Model, Case], Model]
"""A change of a model; all that it does not change, the name of every other layer above all, stays as it was."""
