"""Values inside a Keras configuration, from every dialect to one form."""

from collections.abc import Mapping
from typing import Any

from archlint.readers.keras.classes import activation_name, snake_case
from archlint.readers.strict_json import Json

_BOXES = {"__tuple__": "items", "TensorShape": "items", "__numpy__": "value", "__tensor__": "value"}
_INITIALIZER_ALIASES = {
    "zero": "zeros",
    "one": "ones",
    "uniform": "random_uniform",
    "normal": "random_normal",
    "identity_initializer": "identity",
    "orthogonal_initializer": "orthogonal",
}
_STRING_DEFAULTS = {  # Keras 1 and 2: what the bare strings "uniform" and "normal" stand for
    "random_uniform": {"minval": -0.05, "maxval": 0.05},
    "random_normal": {"mean": 0.0, "stddev": 0.05},
    "truncated_normal": {"mean": 0.0, "stddev": 0.05},
}
_VARIANCE_SCALING = {  # (scale, mode) to the name it has in the literature
    (2.0, "fan_in"): "he",
    (1.0, "fan_avg"): "glorot",
    (1.0, "fan_in"): "lecun",
}
_REGULARIZER_DEFAULT = 0.01  # keras.regularizers.get("l2")


def plain(value: Json) -> Json:
    """Unbox tuples, shapes and numpy scalars that Keras wraps as objects; other values as they are."""
    if not isinstance(value, dict):
        return value
    box = _BOXES.get(str(value.get("class_name")))
    if box is None:
        return value
    inner = value.get("config", value)
    return inner.get(box, value.get(box)) if isinstance(inner, dict) else inner


def number(value: Json) -> float | None:
    """The value as a float; None if it is no number."""
    value = plain(value)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def class_of(value: Json) -> tuple[str | None, Mapping[str, Any]]:
    """Class name and configuration of a serialised object, whatever its form: a string, a dict, a wrapped function."""
    if isinstance(value, str):
        return value, {}
    if not isinstance(value, dict):
        return None, {}
    name, config = value.get("class_name", value.get("name")), value.get("config", value)
    if name == "function":
        return (config, {}) if isinstance(config, str) else (str(value.get("registered_name")), {})
    return (name if isinstance(name, str) else None), (config if isinstance(config, dict) else {})


def initializer(value: Json) -> dict[str, Any] | None:
    """`{"name": snake_case, **settings}`; a VarianceScaling that equals He, Glorot or LeCun gets that name."""
    class_name, config = class_of(value)
    if class_name is None:
        return None
    name = snake_case(class_name.rsplit(">", 1)[-1]).removesuffix("_v2")
    name = _INITIALIZER_ALIASES.get(name, name)
    settings = {key: plain(setting) for key, setting in config.items() if key not in ("seed", "name", "class_name")}
    if name == "variance_scaling":
        name = _well_known(settings)
    return {"name": name, **(settings or _STRING_DEFAULTS.get(name, {}))}


def _well_known(settings: Mapping[str, Any]) -> str:
    family = _VARIANCE_SCALING.get((number(settings.get("scale", 1.0)) or 0.0, str(settings.get("mode", "fan_in"))))
    if family is None:
        return "variance_scaling"
    return f"{family}_{'uniform' if settings.get('distribution') == 'uniform' else 'normal'}"


def regularizer(value: Json) -> dict[str, float] | None:
    """`{"l1": factor, "l2": factor}`, other kinds of regularizer as an empty dict, None for none."""
    class_name, config = class_of(value)
    if value is None:
        return None
    factors = {key: factor for key in ("l1", "l2") if (factor := number(config.get(key))) is not None}
    if not config and class_name and class_name.lower() in ("l1", "l2", "l1_l2", "l1l2"):
        factors = dict.fromkeys(("l1", "l2") if len(class_name) > 2 else (class_name.lower(),), _REGULARIZER_DEFAULT)
    return factors


def activation(value: Json) -> str:
    """The snake_case name of an activation given as a string, function, class or layer; `custom` for others."""
    if value is None:
        return "linear"
    class_name, config = class_of(value)
    if class_name is None:
        return "custom"
    if class_name == "Activation":
        return activation(config.get("activation"))
    if class_name == "ReLU":
        return relu_name(config)
    return activation_name(class_name)


def activation_settings(value: Json) -> dict[str, float]:
    """The numbers that an activation has which is a layer of its own: `{"negative_slope": 0.1}`; mostly none."""
    _, config = class_of(value)
    return {key: setting for key in config if (setting := number(config[key])) is not None}


def relu_name(config: Mapping[str, Any]) -> str:
    """What a ReLU layer with this configuration is: relu, relu6 or leaky_relu."""
    if number(config.get("max_value")) == 6.0:
        return "relu6"
    slope = number(config.get("negative_slope", config.get("alpha")))
    return "leaky_relu" if slope else "relu"


def dtype_policy(value: Json) -> str | None:
    """The name of a dtype policy: `float32`, `mixed_float16`; None if the file states none."""
    class_name, config = class_of(value)
    if isinstance(value, str):
        return value
    name = config.get("name", config.get("source_name"))
    return name if isinstance(name, str) and class_name else None


def shape(value: Json) -> tuple[int | None, ...] | None:
    """A shape; None for anything else, several shapes among it. Dimensions that are no natural numbers are unknown."""
    value = plain(value)
    if not isinstance(value, list) or any(isinstance(size, (list, dict)) for size in value):
        return None
    return tuple(size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None for size in value)
