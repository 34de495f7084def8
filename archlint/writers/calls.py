"""What a layer is called on, in the form of Keras 3: `{"args": […], "kwargs": {…}}`."""

from collections.abc import Mapping, Sequence
from typing import Any

from archlint.graph import Call, Layer, Model, Shape, Tensor
from archlint.writers import operations, values
from archlint.writers.errors import refuse

_YES_OR_NO = frozenset(
    "not_equal equal greater greater_equal less less_equal logical_and logical_or logical_not any all".split()
)
"""Operations that make a mask."""

_STATES = {"lstm": 2, "conv_lstm": 2, "gru": 1, "simple_rnn": 1}


def node(model: Model, call: Call, names: Mapping[Tensor, list[Any]], shapes: Mapping[Tensor, Shape]) -> dict[str, Any]:
    """One entry of `inbound_nodes`.

    Args:
        model: the model that the call is of.
        call: a call of a layer that is no input.
        names: for each tensor the layer's name, the number of its call, and which output it is.
        shapes: the shapes of the tensors.

    Raises:
        WriteError: the roles of its inputs are not known.
    """
    layer = model.layers[call.layer]
    tensors = [_tensor(layer, names[tensor], shapes.get(tensor)) for tensor in call.inputs]
    if "op" in layer.args:
        _, operands = operations.stated(layer, call)
        return {"args": operations.arguments(layer, operands, tensors), "kwargs": {}}
    arguments, keywords = _of_layer(model, call, tensors)
    constants = {
        key: values.plain(layer, value) for key, value in call.constants.items() if not key.isdigit() and key != "name"
    }
    return {"args": arguments, "kwargs": {**keywords, **constants}}


def _tensor(layer: Layer, history: list[Any], shape: Shape | None) -> dict[str, Any]:
    if shape is None:
        refuse(layer, f"the shape of what it reads from {history[0]!r} is not known")
    config = {"shape": list(shape), "dtype": "float32", "keras_history": history}
    return {"class_name": "__keras_tensor__", "config": config}


def _of_layer(model: Model, call: Call, tensors: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
    layer = model.layers[call.layer]
    if "attention_mask" in call.constants:
        refuse(layer, "what is masked in it is computed by the model, and the neutral form does not say how")
    if layer.kind == "multi_head_attention":
        return list(tensors), {}
    if layer.traits.merge or (layer.kind == "preprocessing" and len(tensors) > 1):
        return [list(tensors)], {}
    first, *others = tensors
    keywords = {}
    if others and _is_mask(model, call.inputs[-1]):
        keywords["mask"] = others.pop()
    if others:
        keywords["initial_state"] = _states(layer, others)
    return [first], keywords


def _is_mask(model: Model, tensor: Tensor) -> bool:
    return model.layers[model.calls[tensor.call].layer].args.get("op") in _YES_OR_NO


def _states(layer: Layer, states: list[Any]) -> list[Any]:
    expected = _STATES.get(layer.kind, 0) * (2 if "Bidirectional" in str(layer.wrapper) else 1)
    if len(states) != expected:
        refuse(layer, f"it has {len(states) + 1} inputs, and what each of them is for is not in the file")
    return states
