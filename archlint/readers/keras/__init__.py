"""Keras models, every version: from the attributes of a file to the neutral model."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from archlint.errors import ReadError
from archlint.graph import Model, StoredWeight, Training, release
from archlint.readers.keras.agreement import refuse_contradictions
from archlint.readers.keras.flatten import flatten
from archlint.readers.keras.listing import ROOT, refuse_other_weights
from archlint.readers.keras.parse import graph
from archlint.readers.keras.stored import stored_weights
from archlint.readers.keras.training import training
from archlint.readers.keras.trust import concerns
from archlint.readers.strict_json import Json

if TYPE_CHECKING:
    from archlint.readers.hdf5 import Dataset, Hdf5

_NOT_COMPILED = "the file carries no training configuration (the model was not compiled, or saved without it)"
_NO_OPTIMIZER = "the training configuration names no optimizer (Keras 3 drops it from a .keras file saved after an .h5)"
_OPTIMIZER_FACTS = (
    "optimizer learning_rate schedule momentum clipnorm clipvalue global_clipnorm weight_decay loss_scaled".split()
)
_LOSS_FACTS = (
    "output.loss output.loss_family output.from_logits metric.name metric.output metric.threshold metric.from_logits"
).split()


def from_attributes(
    attributes: Mapping[str, Json],
    file_format: str = "keras_h5",
    datasets: "Callable[[], Iterable[Dataset]]" = tuple,
    lists: "Hdf5 | None" = None,
) -> Model:
    """The neutral model of a Keras file.

    Args:
        attributes: the parsed values `model_config`, `training_config` (or None) and `keras_version` (or None).
        file_format: `keras_h5` or `keras_zip`; `keras` for a model in memory.
        datasets: lists, on demand, the datasets of the file.
        lists: the file itself, if it is one that lists its weights in attributes.

    Raises:
        ReadError: the configuration has no layer graph, or one that makes no sense.
    """
    config = attributes.get("model_config")
    if not isinstance(config, dict):
        raise ReadError("its model configuration is no JSON object; the file is damaged: save it again")
    stated = attributes.get("keras_version")
    version = stated if isinstance(stated, str) else None
    try:
        top = graph(config)
        flat = flatten(top)
        names = [output.name for output in flat.outputs]
        compiled = attributes.get("training_config")
        refuse_contradictions([config, compiled])
        major = next(iter(release(version)), 0)
        trained = training(compiled, names, major) if isinstance(compiled, dict) and compiled else None
    except ReadError as error:
        raise ReadError(f"{error}{_besides(attributes)}") from error
    # A configuration may hold any JSON value anywhere; what no typed accessor foresaw is a damaged file, not a crash.
    except (TypeError, ValueError, AttributeError, KeyError, IndexError, RecursionError) as error:
        raise ReadError(
            f"its configuration is malformed ({type(error).__name__}: {error}); save the model again"
            f"{_besides(attributes)}"
        ) from error

    in_memory = file_format == "keras"  # made by who checks it, so there is nobody to trust

    @cache
    def stored() -> tuple[StoredWeight, ...]:
        found = list(datasets())
        if lists is not None and (listed := lists.listed(ROOT)) is not None:
            refuse_other_weights(listed, (dataset.path for dataset in found), top)
        return stored_weights(found, top, flat.layers, major)

    return Model(
        name=top.name,
        format=file_format,
        producer="keras",
        producer_version=version,
        layers=tuple(flat.layers),
        calls=tuple(flat.calls),
        outputs=tuple(flat.outputs),
        training=trained,
        absent=_absent(trained),
        stored=stored,
        concerns=() if in_memory else concerns(attributes),
        size=None if in_memory else 0,  # whoever opened a file knows better
    )


def _besides(attributes: Mapping[str, Json]) -> str:
    """What is to be said of a file that is no model to archlint: others may load it."""
    for found in concerns(attributes):
        if found.category in ("code", "foreign"):
            what = "Python code" if found.category == "code" else found.found
            return f"; do not load it unseen: it has {what} in it, at {found.route}"
    return ""


def _absent(trained: Training | None) -> Mapping[str, str]:
    """The facts that this file cannot supply, each with the reason."""
    optimizer = [f"model.{fact}" for fact in _OPTIMIZER_FACTS]
    if trained is None:
        return dict.fromkeys([*optimizer, *_LOSS_FACTS], _NOT_COMPILED)
    if trained.optimizer is None:
        return dict.fromkeys(optimizer, _NO_OPTIMIZER)
    return {}
