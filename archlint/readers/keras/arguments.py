"""The arguments of a layer: Keras 1 and 2 names and forms to those of Keras 3."""

from collections.abc import Mapping
from typing import Any

from archlint.readers.keras import values
from archlint.readers.keras.classes import activation_name, snake_case
from archlint.readers.strict_json import Json

_RENAMED = {
    "nb_filter": "filters",
    "subsample": "strides",
    "subsample_length": "strides",
    "border_mode": "padding",
    "init": "kernel_initializer",
    "inner_init": "recurrent_initializer",
    "forget_bias_init": "unit_forget_bias",
    "bias": "use_bias",
    "W_regularizer": "kernel_regularizer",
    "U_regularizer": "recurrent_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "U_constraint": "recurrent_constraint",
    "b_constraint": "bias_constraint",
    "inner_activation": "recurrent_activation",
    "atrous_rate": "dilation_rate",
    "pool_length": "pool_size",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "dim_ordering": "data_format",
    "filter_length": "kernel_size",
    "p": "rate",
    "sigma": "stddev",
    "gamma_init": "gamma_initializer",
    "beta_init": "beta_initializer",
    "length": "size",
    "newshape": "target_shape",
}
_ORDERING = {"tf": "channels_last", "th": "channels_first"}
_CONVOLUTIONS = frozenset(
    {"conv", "depthwise_conv", "separable_conv", "conv_transpose", "locally_connected", "conv_lstm"}
)
_UNITS_ONCE_OUTPUT_DIM = frozenset({"dense", "lstm", "gru", "simple_rnn"})
_ACTIVATIONS = ("activation", "recurrent_activation")
_ACTIVATION_CLASSES = frozenset({"Activation", "ReLU"})
_IGNORED = frozenset({"name", "trainable", "batch_input_shape", "batch_shape", "build_config"})


def arguments(kind: str, class_name: str, config: Mapping[str, Json]) -> dict[str, Any]:
    """The settings of a layer under Keras 3's names; see `archlint.graph.Layer.args` for the form of values."""
    args = {_RENAMED.get(key, key): values.plain(value) for key, value in config.items() if key not in _IGNORED}
    _split_kernels(kind, args)
    if kind in _UNITS_ONCE_OUTPUT_DIM and "units" not in args and "output_dim" in args:
        args["units"] = args.pop("output_dim")
    if kind in ("max_pool", "avg_pool") and "stride" in args:
        args["strides"] = args.pop("stride")
    if isinstance(args.get("data_format"), str):
        args["data_format"] = _ORDERING.get(args["data_format"], args["data_format"])
    args |= _activation_settings(args)
    if kind == "activation":
        args["activation"] = _activation_of_layer(class_name, args)
    _normalise_values(args)
    return args


def _split_kernels(kind: str, args: dict[str, Any]) -> None:
    """Keras 1 spells a kernel as nb_row, nb_col or kernel_dim1 … 3."""
    if kind in _CONVOLUTIONS and "kernel_size" not in args:
        for names in (("kernel_dim1", "kernel_dim2", "kernel_dim3"), ("nb_row", "nb_col")):
            if names[0] in args:
                args["kernel_size"] = [args.pop(name, None) for name in names]


def _activation_settings(args: Mapping[str, Any]) -> dict[str, Any]:
    """What activations that are layers of their own are set to: `Dense(8, activation=LeakyReLU(0.1))`."""
    found = {f"{key}_settings": values.activation_settings(args.get(key)) for key in _ACTIVATIONS}
    return {key: settings for key, settings in found.items() if settings}


def _activation_of_layer(class_name: str, args: Mapping[str, Any]) -> str:
    if class_name == "ReLU":
        return values.relu_name(args)
    if class_name in _ACTIVATION_CLASSES:
        return values.activation(args.get("activation"))
    return activation_name(snake_case(class_name))


def _normalise_values(args: dict[str, Any]) -> None:
    for key, value in args.items():
        if key.endswith("_initializer"):
            args[key] = values.initializer(value)
        elif key.endswith("_regularizer"):
            args[key] = values.regularizer(value)
        elif key in _ACTIVATIONS:
            args[key] = values.activation(value)
        elif key == "dtype":
            args[key] = values.dtype_policy(value)
