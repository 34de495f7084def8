"""Remedies: one change each of a model, by the names that rule pages give in `remedy:`.

    changed = apply("drop-bias", model, finding)

All else stays as it was: every other layer keeps its name and its stored weights, and a new one is named after its
neighbour (`encoder/dense_dropout`). What a change does for a model is for the lab to find out.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archlint.graph import Model
from archlint.remedies.alpha_dropout import alpha_dropout
from archlint.remedies.case import Case, Remedy, RemedyError
from archlint.remedies.clip_gradients import clip_gradients
from archlint.remedies.depthwise_initializer import depthwise_initializer
from archlint.remedies.drop_bias import drop_bias
from archlint.remedies.glorot_initializer import glorot_initializer
from archlint.remedies.he_initializer import he_initializer
from archlint.remedies.insert_batch_norm import insert_batch_norm
from archlint.remedies.insert_dropout import insert_dropout
from archlint.remedies.insert_layer_norm import insert_layer_norm
from archlint.remedies.l2_on_kernels import l2_on_kernels
from archlint.remedies.lecun_initializer import lecun_initializer
from archlint.remedies.norm_before_activation import norm_before_activation
from archlint.remedies.norm_behind_sums import norm_behind_sums
from archlint.remedies.normalize_inputs import normalize_inputs
from archlint.remedies.recurrent_to_tanh import recurrent_to_tanh
from archlint.remedies.relu_to_leaky_relu import relu_to_leaky_relu
from archlint.remedies.saturating_to_relu import saturating_to_relu
from archlint.remedies.selu_to_elu import selu_to_elu
from archlint.remedies.swap_order import swap_order
from archlint.remedies.usual_learning_rate import usual_learning_rate
from archlint.rules.finding import Finding

if TYPE_CHECKING:
    from archlint.dataset import Dataset

__all__ = ["REMEDIES", "Remedy", "RemedyError", "apply"]

_LISTED: tuple[Remedy, ...] = (
    alpha_dropout,
    clip_gradients,
    depthwise_initializer,
    drop_bias,
    glorot_initializer,
    he_initializer,
    insert_batch_norm,
    insert_dropout,
    insert_layer_norm,
    l2_on_kernels,
    lecun_initializer,
    norm_before_activation,
    norm_behind_sums,
    normalize_inputs,
    recurrent_to_tanh,
    relu_to_leaky_relu,
    saturating_to_relu,
    selu_to_elu,
    swap_order,
    usual_learning_rate,
)

REMEDIES: Mapping[str, Remedy] = {remedy.__name__.replace("_", "-"): remedy for remedy in _LISTED}
"""Every remedy by the name that pages use."""


def apply(name: str, model: Model, finding: Finding, data: "Dataset | None" = None) -> Model:
    """The model with one change, made for a finding.

    Args:
        name: one of `REMEDIES`.
        model: a Keras model; ONNX files are traces of models, which have to be changed where they are defined.
        finding: what a rule said of this model: the layer at fault and the evidence tell what to change.
        data: the training data, from which `normalize-inputs` takes its statistics.

    Raises:
        RemedyError: there is no such remedy, or it does not fit this model.
    """
    if name not in REMEDIES:
        raise RemedyError(f"there is no remedy {name!r}; choose one of {', '.join(REMEDIES)}")
    if model.exchange is not None:
        raise RemedyError("an ONNX file is the trace of a model: change that where it is defined, and export it again")
    changed = REMEDIES[name](model, Case(finding, data))
    if _same(changed, model):
        raise RemedyError(f"{name} finds nothing to change: the model has no place for it, or is like that already")
    return changed


def _same(changed: Model, model: Model) -> bool:
    return (changed.layers, changed.calls, changed.training) == (model.layers, model.calls, model.training)
