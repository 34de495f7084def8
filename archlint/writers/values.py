"""Values inside a layer's settings, from the neutral form to that of Keras 3."""

from collections.abc import Mapping
from typing import Any

from archlint.graph import Layer
from archlint.writers.errors import refuse

Config = dict[str, Any]

_RANDOM = {
    "random_normal": "RandomNormal",
    "random_uniform": "RandomUniform",
    "truncated_normal": "TruncatedNormal",
    "variance_scaling": "VarianceScaling",
    **{f"{family}_{shape}": f"{family.title()}{shape.title()}"
       for family in ("glorot", "he", "lecun") for shape in ("normal", "uniform")},
    "orthogonal": "Orthogonal",
}  # fmt: skip
_FIXED = {"zeros": "Zeros", "ones": "Ones", "constant": "Constant", "identity": "Identity"}
_FIXED |= {"stft": "STFTInitializer", "stft_initializer": "STFTInitializer"}
_FORGOTTEN = frozenset({"name", "dtype", "partition_info", "verify_shape"})
"""Settings that initializers had before Keras 3."""

_MAKING = frozenset({"class_name", "module", "registered_name"})
"""What tells a serialised object from a plain one."""

_CONSTRAINTS = {"maxnorm": "MaxNorm", "nonneg": "NonNeg", "unitnorm": "UnitNorm", "minmaxnorm": "MinMaxNorm"}
_OF_CONSTRAINTS = ("min_value", "max_value", "rate", "axis")
_PARAMETRIC = {
    "leaky_relu": ("LeakyReLU", {"alpha": "negative_slope", "negative_slope": "negative_slope"}),
    "relu": ("ReLU", {"max_value": "max_value", "negative_slope": "negative_slope", "threshold": "threshold"}),
    "elu": ("ELU", {"alpha": "alpha"}),
    "softmax": ("Softmax", {"axis": "axis"}),
}


def built_in(module: str, class_name: str, config: Mapping[str, Any]) -> Config:
    """An object of one of Keras's own classes."""
    return {"module": module, "class_name": class_name, "config": dict(config), "registered_name": None}


def plain(layer: Layer, value: Any) -> Any:
    """A value as the file has it, which Keras is to take for a value: no object that it would make.

    What Keras makes may run code, and a file must not choose it.
    """
    pending = [value]
    while pending:
        inner = pending.pop()
        if isinstance(inner, Mapping):
            if not _MAKING.isdisjoint(inner):
                refuse(layer, "one of its settings is an object of its own")
            pending.extend(inner.values())
        elif isinstance(inner, (list, tuple)):
            pending.extend(inner)
    return value


def initializer(layer: Layer, value: Mapping[str, Any] | None) -> Config | None:
    """An initializer; those that draw numbers have a `seed`, which is None."""
    if value is None:
        return None
    settings = {key: plain(layer, setting) for key, setting in value.items() if key not in _FORGOTTEN}
    name = str(value.get("name"))
    if name in _FIXED:
        return built_in("keras.initializers", _FIXED[name], settings)
    if name not in _RANDOM:
        refuse(layer, f"Keras 3 has no initializer {name!r}")
    if "scale" in settings:  # it has the name of a family, but was stated as what the family is a case of
        name = "variance_scaling"
        if settings.get("distribution") == "normal":
            settings["distribution"] = "truncated_normal"
    else:
        settings = {key: setting for key, setting in settings.items() if setting is not None}
    return built_in("keras.initializers", _RANDOM[name], {**settings, "seed": None})


def regularizer(layer: Layer, value: Mapping[str, float] | None) -> Config | None:
    """A regularizer of weights or activities."""
    if value is None:
        return None
    if not value:
        refuse(layer, "it has a regularizer that is neither L1 nor L2")
    name = "L1L2" if len(value) > 1 else next(iter(value)).upper()
    return built_in("keras.regularizers", name, value)


def constraint(layer: Layer, value: Any) -> Config | None:
    """A constraint, which the neutral form keeps as the file has it."""
    if value is None:
        return None
    stated = value if isinstance(value, Mapping) else {"class_name": value}
    settings = stated.get("config", stated)
    name = str(stated.get("class_name", stated.get("name"))).rpartition(">")[2].lower().replace("_", "")
    if name not in _CONSTRAINTS or not isinstance(settings, Mapping):
        refuse(layer, f"Keras 3 has no constraint {name!r}")
    renamed = {"max_value" if key == "m" else key: settings[key] for key in settings}
    kept = {key: plain(layer, renamed[key]) for key in _OF_CONSTRAINTS if key in renamed}
    return built_in("keras.constraints", _CONSTRAINTS[name], kept)


HARD_SIGMOID = "archlint>hard_sigmoid"
"""Keras 1 and 2 computed it as `0.2 x + 0.5`; `archlint.lab.network` registers that one under this name."""


def activation(layer: Layer, name: Any, settings: Mapping[str, Any], version: int) -> str | Config:
    """An activation: a name, or a layer where it has settings; `version` is Keras's major one, 0 if unknown."""
    if name in ("custom", "prelu", "srelu"):
        refuse(layer, "its activation is a function of its author's" if name == "custom" else f"it holds a {name}")
    if name == "hard_sigmoid" and version in (1, 2):
        return {
            "module": "builtins",
            "class_name": "function",
            "config": HARD_SIGMOID,
            "registered_name": HARD_SIGMOID,
        }
    if name not in _PARAMETRIC or not settings:
        return str(name)
    class_name, renamed = _PARAMETRIC[name]
    kept = {renamed[key]: settings[key] for key in settings if key in renamed and settings[key] is not None}
    return built_in("keras.layers", class_name, kept) if kept else str(name)


def dtype(layer: Layer, policy: Any) -> str | None:
    """The name of a dtype policy; None to leave it to Keras."""
    if policy is None or policy == "_infer":
        return None
    if "quantized" in str(policy).lower() or "_from_" in str(policy):
        refuse(layer, f"its weights are stored as {policy}")
    return str(policy)
