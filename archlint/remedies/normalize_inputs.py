"""Scaled inputs."""

from typing import TYPE_CHECKING

from archlint.analyses.shapes import infer
from archlint.facts.data_rows import fit
from archlint.graph import Layer, Model
from archlint.remedies import fresh
from archlint.remedies.case import Case, RemedyError
from archlint.remedies.surgery import Draft

if TYPE_CHECKING:
    from archlint.dataset import Dataset


def normalize_inputs(model: Model, case: Case) -> Model:
    """Standardizes the input that the finding names: by the training data's statistics, else by batch normalization."""
    source, draft = case.other(model, "input"), Draft(model)
    if _width(source) is None:
        raise RemedyError(f"the model does not say how many features {source.name} has")
    path = draft.beside(source.name, "normalization")
    standardizer = _by_data(model, case.data, source, path) if case.data else fresh.batch_norm(path, -1, source)
    draft.insert_behind(source.name, standardizer)
    return draft.finished()


def _width(source: Layer) -> int | None:
    """The size of an input's last axis."""
    *_, width = source.args.get("batch_shape") or (None,)
    return width


def _by_data(model: Model, data: "Dataset", source: Layer, path: str) -> Layer:
    features = fit(model, infer(model), data).tables()["feature"]
    own = [feature for feature in features if model.layers[feature["layer"]] is source]
    mean = [feature["mean"] or 0.0 for feature in own]
    variance = [1.0 if feature["std"] is None else feature["std"] ** 2 for feature in own]
    return fresh.normalization(path, mean, variance, source)
