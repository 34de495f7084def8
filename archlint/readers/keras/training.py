"""How a Keras model was compiled: every form of optimizer, loss and metrics that Keras has ever written."""

from collections.abc import Mapping, Sequence
from typing import Any

from archlint.errors import ReadError
from archlint.graph import Loss, Metric, Optimizer, Training
from archlint.limits import CALLS
from archlint.readers.keras import values
from archlint.readers.keras.classes import snake_case
from archlint.readers.strict_json import Json

_REGRESSION = frozenset(
    "mean_squared_error mean_absolute_error mean_absolute_percentage_error mean_squared_logarithmic_error huber "
    "log_cosh".split()
)
_CROSSENTROPY = frozenset(
    "binary_crossentropy categorical_crossentropy sparse_categorical_crossentropy binary_focal_crossentropy "
    "categorical_focal_crossentropy".split()
)
_OTHER = frozenset(
    "hinge squared_hinge categorical_hinge poisson kl_divergence cosine_similarity ctc dice tversky circle "
    "categorical_generalized_cross_entropy cosine_proximity".split()
)
_LOSS_ALIASES = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence",
    "logcosh": "log_cosh",
    "huber_loss": "huber",
    "cosine_proximity": "cosine_similarity",
}
_METRIC_ALIASES = {**_LOSS_ALIASES, "acc": "accuracy"}
_THRESHOLDED = frozenset(
    "accuracy binary_accuracy precision recall true_positives true_negatives false_positives false_negatives "
    "binary_io_u".split()
)
_METRIC_WRAPPERS = frozenset({"MeanMetricWrapper", "LossFunctionWrapper", "SumOverBatchSizeMetricWrapper"})
_OPTIMIZERS = frozenset(
    "adam adam_w sgd rms_prop adadelta adagrad adamax nadam ftrl lion adafactor lamb muon schedule_free_adam_w".split()
)
_OPTIMIZER_ALIASES = {
    "rm_sprop": "rms_prop",
    "rmsprop": "rms_prop",
    "adamw": "adam_w",
    "momentum": "sgd",
    "gradient_descent": "sgd",
}
_OPTIMIZER_DEFAULTS = {"sgd": 0.01}  # the learning rate behind a bare string ("adam"); 0.001 for all others
_SCHEDULE_PEAKS = ("initial_learning_rate", "warmup_target", "max_learning_rate")
_WRAPPING_OPTIMIZERS = ("inner_optimizer", "optimizer")


def training(config: Mapping[str, Json], output_names: Sequence[str], major: int) -> Training:
    """The training configuration of an `.h5` (`training_config`) or `.keras` file (`compile_config`).

    Args:
        config: the parsed object.
        output_names: names of the model's outputs, to which losses and metrics are dealt out.
        major: the major version of the Keras that wrote it, 0 if unknown.
    """
    return Training(
        _compiled_optimizer(config),
        tuple(_loss(loss) for loss in _per_output(config.get("loss"), output_names)),
        _metrics_per_output(config.get("metrics"), output_names, major),
    )


def _compiled_optimizer(config: Mapping[str, Json]) -> Optimizer | None:
    if "optimizer_config" in config:
        return _optimizer(config["optimizer_config"], loss_scaled=False)
    # A .keras file holds the optimizer that was passed to compile(), before Keras wrapped it.
    return _optimizer(config.get("optimizer"), loss_scaled=None)


def _optimizer(value: Json, loss_scaled: bool | None) -> Optimizer | None:
    class_name, config = values.class_of(value)
    if "LossScaleOptimizer" in (class_name or "") or values.number(config.get("loss_scale_factor")):
        loss_scaled = True
    for key in _WRAPPING_OPTIMIZERS:  # LossScaleOptimizer and its kin hold the real one
        if isinstance(config.get(key), dict):
            return _optimizer(config[key], loss_scaled)
    if class_name is None:
        return None
    name = _optimizer_name(class_name)
    rate, schedule = _learning_rate(config.get("learning_rate", config.get("lr")))
    if isinstance(value, str):
        rate = _OPTIMIZER_DEFAULTS.get(name, 0.001)
    return Optimizer(
        name,
        rate,
        schedule,
        momentum=values.number(config.get("momentum")),
        clipnorm=values.number(config.get("clipnorm")) or None,
        clipvalue=values.number(config.get("clipvalue")) or None,
        global_clipnorm=values.number(config.get("global_clipnorm")) or None,
        weight_decay=values.number(config.get("weight_decay")) or None,
        loss_scaled=loss_scaled,
    )


def _optimizer_name(class_name: str) -> str:
    package, _, bare = class_name.rpartition(">")
    snake = snake_case(bare)
    snake = _OPTIMIZER_ALIASES.get(snake, snake)
    # tf.keras 2.11 wrote its own optimizers as "Custom>Adam"
    return snake if snake in _OPTIMIZERS and package in ("", "Custom", "keras") else f"custom:{bare}"


def _learning_rate(value: Json) -> tuple[float | None, str | None]:
    """The rate (a schedule's peak, as far as it states one) and the name of the schedule."""
    plain = values.number(value)
    if plain is not None or not isinstance(value, dict):
        return _as_written(plain), None
    class_name, config = values.class_of(value)
    stated = [rate for key in _SCHEDULE_PEAKS if (rate := values.number(config.get(key))) is not None]
    steps = values.plain(config.get("values"))
    if isinstance(steps, list):  # PiecewiseConstantDecay
        stated += [rate for step in steps if (rate := values.number(step)) is not None]
    return _as_written(max(stated, default=None)), snake_case((class_name or "schedule").rsplit(">", 1)[-1])


def _as_written(rate: float | None) -> float | None:
    """Keras saves the rate as the float32 it keeps, 1e-5 as 9.99999974e-06; seven digits are what that holds."""
    return None if rate is None else float(f"{rate:.7g}")


def _per_output(value: Json, names: Sequence[str]) -> list[Json]:
    """One entry per output from a single value, a list in order, or a dict by name."""
    if isinstance(value, list):
        return [value[position] if position < len(value) else None for position in range(len(names))]
    if isinstance(value, dict) and "class_name" not in value:
        return [value.get(name) for name in names]
    return [value] * len(names)


def _loss(value: Json) -> Loss | None:
    class_name, config = values.class_of(value)
    if class_name is None:
        return None
    if class_name == "LossFunctionWrapper" or config.get("fn") is not None:
        class_name = values.class_of(config.get("fn"))[0] or class_name
    package, _, bare = class_name.rpartition(">")
    name = snake_case(bare)
    name = _LOSS_ALIASES.get(name, name)
    if package not in ("", "keras"):  # somebody's own class, whatever it is called
        return Loss(f"custom:{bare}", "custom")
    if name in _CROSSENTROPY:
        return Loss(name, "crossentropy", config.get("from_logits") is True)
    if name in _REGRESSION:
        return Loss(name, "regression")
    return Loss(name, "other") if name in _OTHER else Loss(f"custom:{bare}", "custom")


def _metrics_per_output(value: Json, names: Sequence[str], major: int) -> tuple[tuple[Metric, ...], ...]:
    """The metrics of each output.

    A list means one metric after another where there is one output. Where there are several, each entry belongs to one
    of them: in Keras 3 always, before that only if the entries are lists; a flat list counted for every output.
    """
    listed = isinstance(value, list)
    if listed and len(names) == 1:
        return (_metrics([metric for entry in value for metric in (entry if isinstance(entry, list) else [entry])]),)
    by_output = listed and (major >= 3 or any(isinstance(entry, list) for entry in value))
    if by_output or (isinstance(value, dict) and "class_name" not in value):
        return tuple(_metrics(metric) for metric in _per_output(value, names))
    found = _metrics(value)
    if len(found) * len(names) > CALLS:
        raise ReadError("it states more metrics than any honest model; it was not read")
    return (found,) * len(names)


def _metrics(value: Json) -> tuple[Metric, ...]:
    listed = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(metric for entry in listed if (metric := _metric(entry)) is not None))


def _metric(value: Json) -> Metric | None:
    class_name, config = values.class_of(value)
    if class_name is None:
        return None
    if class_name in _METRIC_WRAPPERS:
        function: Any = config.get("fn")
        class_name = values.class_of(function)[0] or str(config.get("name"))
    name = snake_case(class_name.rsplit(">", 1)[-1])
    name = _METRIC_ALIASES.get(name, name)
    from_logits = config.get("from_logits") is True if name in _CROSSENTROPY or name == "auc" else None
    return Metric(name, _threshold(name, config), from_logits)


def _threshold(name: str, config: Mapping[str, Json]) -> float | None:
    """Keras's default of one half counts where the file states none; a list of several thresholds is no threshold."""
    stated = config.get("threshold", config.get("thresholds"))
    return values.number(0.5 if stated is None and name in _THRESHOLDED else stated)
