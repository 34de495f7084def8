"""The settings of a layer, from the neutral form to the arguments that Keras 3 takes."""

from collections.abc import Callable, Mapping
from typing import Any

from archlint.graph import Layer
from archlint.writers import values
from archlint.writers.errors import refuse

Config = dict[str, Any]

_IGNORED = frozenset(
    "implementation consume_less input_dtype input_length fused activation_settings recurrent_activation_settings "
    "merge_mode power_iterations query_shape key_shape value_shape weights".split()
)
"""What says how to compute, not what, or is part of a wrapper."""

_HARMLESS: Mapping[str, tuple[Any, ...]] = {
    "time_major": (False, None),
    "ragged": (False, None),
    "optional": (False, None),
    "virtual_batch_size": (None,),
    "adjustment": (None,),
    "quantization_config": (None,),
    "lora_rank": (None,),
    "lora_alpha": (None,),
    "gptq_unpacked_column_size": (None,),
    "use_gate": (False,),
    "sliding_window": (None,),
    "flash_attention": (None,),
    "rms_scaling": (False,),
    "renorm": (False,),
    "renorm_clipping": (None,),
    "causal": (False, None),
}
"""Settings that some version of Keras does not have, and the values of them that are as good as none."""

_NEWER = frozenset({"optional", "lora_rank", "lora_alpha", "use_gate", "sliding_window", "flash_attention"})
_NEWER |= {"rms_scaling", "renorm", "renorm_clipping"}
"""Those of them that Keras 3 has, in some of its versions."""

_LEGACY: Mapping[str, frozenset[str]] = {
    "separable_conv": frozenset({"kernel_initializer", "kernel_regularizer", "kernel_constraint", "groups"}),
    "depthwise_conv": frozenset({"kernel_initializer", "kernel_regularizer", "kernel_constraint", "groups", "filters"}),
    "conv_transpose": frozenset({"groups"}),
}
"""Settings that Keras 2 writes for these kinds, but does not use."""

_SEEDED = frozenset(
    "dropout spatial_dropout alpha_dropout gaussian_dropout gaussian_noise lstm gru simple_rnn conv_lstm "
    "multi_head_attention attention additive_attention".split()
)


def settings(layer: Layer, version: int) -> Config:
    """The arguments of a layer's class, without those that all layers have.

    Args:
        layer: one that Keras 3 has a class for.
        version: the major version of the Keras that the model is of, 0 if unknown.

    Raises:
        WriteError: Keras 3 cannot do what a setting says.
    """
    made = {
        key: _written(layer, key, value, version) for key, value in layer.args.items() if _is_kept(layer, key, value)
    }
    if layer.kind in _SEEDED:
        made.setdefault("seed", None)
    complete = _COMPLETE.get(layer.kind)
    return complete(layer, made) if complete else made


def _is_kept(layer: Layer, key: str, value: Any) -> bool:
    if key in _IGNORED or key == "dtype" or key in _LEGACY.get(layer.kind, ()):
        return False
    if key == "input_dim" and layer.kind != "embedding":
        return False
    if key == "renorm_momentum":
        return layer.args.get("renorm") is True
    if key not in _HARMLESS:
        return True
    if value in _HARMLESS[key]:
        return False
    if key not in _NEWER:
        refuse(layer, f"Keras 3 cannot do what its setting {key}={value!r} says")
    return True


def _written(layer: Layer, key: str, value: Any, version: int) -> Any:
    if key.endswith("_initializer"):
        return values.initializer(layer, value)
    if key.endswith("_regularizer"):
        return values.regularizer(layer, value)
    if key.endswith("_constraint"):
        return values.constraint(layer, value)
    if key in ("activation", "recurrent_activation") and not _is_named_by_class(layer):
        return values.activation(layer, value, layer.args.get(f"{key}_settings", {}), version)
    return values.plain(layer, value)


def _is_named_by_class(layer: Layer) -> bool:
    """Whether the class of an activation layer says which one it is."""
    return layer.kind == "activation" and layer.class_name != "Activation"


def _activation(layer: Layer, made: Config) -> Config:
    """`ThresholdedReLU` became a setting of ReLU, and `alpha` of LeakyReLU has another name."""
    if not _is_named_by_class(layer):
        return made
    renamed = {"theta": "threshold"}
    if layer.class_name == "LeakyReLU":
        renamed["alpha"] = "negative_slope"
    return {renamed.get(key, key): value for key, value in made.items() if key != "activation"}


def _input(layer: Layer, made: Config) -> Config:
    if made.get("batch_shape") is None:
        refuse(layer, "the shape of its input is not in the file")
    return {**made, "batch_shape": list(made["batch_shape"])}


def _embedding(layer: Layer, made: Config) -> Config:
    if made.pop("dropout", 0):
        refuse(layer, "Keras 3 drops no words of an embedding")
    return made


def _lstm(_layer: Layer, made: Config) -> Config:
    """Keras 1 states the initializer of the forget gate's bias, which is `one` or `zero`."""
    if "unit_forget_bias" in made and not isinstance(made["unit_forget_bias"], bool):
        made["unit_forget_bias"] = "zero" not in str(made["unit_forget_bias"]).lower()
    return made


def _gru(layer: Layer, made: Config) -> Config:
    """Before Keras 2.2 only cuDNN's layer reset after the product, and nothing said so."""
    made.setdefault("reset_after", layer.class_name.startswith("CuDNN"))
    return made


def _batch_norm(layer: Layer, made: Config) -> Config:
    if made.pop("mode", 0):
        refuse(layer, "Keras 1's other modes of batch normalization are gone")
    axis = made.get("axis")
    if isinstance(axis, list):  # Keras 2.0 to 2.3
        if len(axis) != 1:
            refuse(layer, "Keras 3 normalises over one axis only")
        made["axis"] = axis[0]
    if layer.class_name == "SyncBatchNormalization":
        made["synchronized"] = True
    return made


def _dot(layer: Layer, made: Config) -> Config:
    """Keras 1's `Merge(mode="dot", dot_axes=…)`."""
    if layer.class_name != "Merge":
        return made
    return {"axes": values.plain(layer, layer.args.get("dot_axes", -1)), "normalize": layer.args.get("mode") == "cos"}


def _concat(layer: Layer, made: Config) -> Config:
    """Taken out of a model that is mapped over time, its axis is further back."""
    axis = made.get("axis", -1)
    if not isinstance(axis, int):
        refuse(layer, "its axis is no number")
    return {"axis": axis + layer.time_distributed if axis > 0 else axis}


def _merge(layer: Layer, made: Config) -> Config:
    return {} if layer.class_name == "Merge" else made


def _preprocessing(layer: Layer, made: Config) -> Config:
    for table in ("vocabulary", "bin_boundaries"):
        if table in made and not isinstance(made[table], list):
            refuse(layer, f"its {table} is not in its configuration")
    return made


_COMPLETE: Mapping[str, Callable[[Layer, Config], Config]] = {
    "activation": _activation,
    "input": _input,
    "embedding": _embedding,
    "lstm": _lstm,
    "conv_lstm": _lstm,
    "gru": _gru,
    "batch_norm": _batch_norm,
    "dot": _dot,
    "concat": _concat,
    "preprocessing": _preprocessing,
    **dict.fromkeys("add multiply average maximum".split(), _merge),
}
