"""A neutral model as the configuration of a Keras 3 model: the inverse of `archlint.readers.keras`.

What was read from any version of Keras can be written so, whether or not Keras 3 could load the file itself, as long
as no layer is opaque. The model is always a flat `Functional` one: nested models are paths (`encoder/dense`) in the
neutral model, and stay layers of their own. Keras forbids "/" in names, so there it is "."; where two names
become the same by that, the later one is numbered.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from archlint.analyses.shapes import infer
from archlint.graph import Call, Layer, Model, Tensor, release
from archlint.writers import operations, values
from archlint.writers.calls import node
from archlint.writers.classes import class_of
from archlint.writers.errors import WriteError, refuse
from archlint.writers.settings import settings

__all__ = ["WriteError", "Written", "written"]

Config = dict[str, Any]

_ELEMENTWISE = frozenset("add subtract multiply divide average maximum minimum concat".split())

_EXCHANGED = (
    "the model is an exported one (ONNX): its file holds operations, not Keras layers, and nothing of how it was "
    "trained; give the .keras or .h5 file that it was exported from"
)
_NEVER_TRAINED = frozenset({"input", "spatial_dropout", "preprocessing"})
"""Kinds some of whose classes do not take `trainable`."""


class Written(NamedTuple):
    """A configuration, and the name in it of each layer, by the layer's path."""

    config: Config
    names: Mapping[str, str]


def written(model: Model) -> Written:
    """The configuration of a Keras 3 model that computes what `model` does.

    It is what `keras.saving.deserialize_keras_object` takes. It has a `seed`, mostly None, wherever Keras draws
    numbers: the seeds of initializers are no part of the neutral model.

    Raises:
        WriteError: one sentence that names the layer which Keras 3 has no form for, and says why; or the model was
            exported, so that layers were put together from operations, and what training needs is not in its file.
    """
    if model.exchange is not None:
        raise WriteError(_EXCHANGED)
    names = _names(layer.name for layer in model.layers)
    tensors = _tensors(model, names)
    outputs = [tensors[output.tensor] for output in model.outputs]
    inputs = [tensors[Tensor(number)] for number, call in enumerate(model.calls) if _kind(model, call) == "input"]
    config = {
        "name": (model.name or "model").replace("/", "."),
        "trainable": True,
        "layers": _layers(model, names, tensors),
        "input_layers": _alone(inputs),
        "output_layers": _alone(outputs),
    }
    made = values.built_in("keras.src.models.functional", "Functional", config)
    return Written({**made, "registered_name": "Functional"}, names)


def _names(paths: Iterable[str]) -> dict[str, str]:
    """A name without "/" for each path, all of them different; what needs no change keeps its name."""
    listed = list(paths)
    taken = {path for path in listed if "/" not in path}
    made = {}
    for path in listed:
        name = stem = path.replace("/", ".")
        number = 0
        while name != path and name in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name)
        made[path] = name
    return made


def _tensors(model: Model, names: Mapping[str, str]) -> dict[Tensor, list[Any]]:
    """How Keras refers to each tensor: the layer's name, the number of its call, and which output it is."""
    counts: Counter[int] = Counter()
    calls = []
    for call in model.calls:
        calls.append((names[model.layers[call.layer].name], counts[call.layer]))
        counts[call.layer] += 1
    first = [Tensor(number) for number in range(len(calls))]
    read = [tensor for call in model.calls for tensor in call.inputs] + [output.tensor for output in model.outputs]
    return {tensor: [*calls[tensor.call], tensor.output] for tensor in (*first, *read)}


def _kind(model: Model, call: Call) -> str:
    return model.layers[call.layer].kind


def _alone(references: list[list[Any]]) -> list[Any]:
    """Keras tells a tensor from a list with one tensor in it."""
    return references[0] if len(references) == 1 else references


def _layers(model: Model, names: Mapping[str, str], tensors: Mapping[Tensor, list[Any]]) -> list[Config]:
    shapes = infer(model)
    version = next(iter(release(model.producer_version)), 0)
    calls: dict[int, list[Call]] = {}
    for call in model.calls:
        calls.setdefault(call.layer, []).append(call)
    return [
        {
            **_entry(layer, names[layer.name], calls[number], version),
            "name": names[layer.name],
            "inbound_nodes": [node(model, call, tensors, shapes) for call in calls[number] if layer.kind != "input"],
        }
        for number, layer in enumerate(model.layers)
    ]


def _entry(layer: Layer, name: str, calls: list[Call], version: int) -> Config:
    if "op" in layer.args:
        return _operation(layer, name, calls)
    return _wrapped(layer, name, version)


def _operation(layer: Layer, name: str, calls: list[Call]) -> Config:
    known, (config, _) = operations.operation(layer), operations.stated(layer, calls[0])
    if layer.time_distributed and (known.settings or known.class_name in ("GetItem", "Matmul", "Dot")):
        refuse(layer, "it is mapped over the steps of a sequence")
    made = values.built_in(f"keras.src.ops.{known.module}", known.class_name, {"name": name, **config})
    return {**made, "registered_name": known.class_name}


def _wrapped(layer: Layer, name: str, version: int) -> Config:
    """A layer with the wrappers around it that its neutral form took off."""
    made = _plain(layer, name, version)
    around = re.findall(r"\w+", layer.wrapper or "")
    for wrapper in reversed(around):
        if wrapper != "RNN":  # a layer is what a cell in it is
            made = _around(wrapper, made, layer, name, version)
    steps = layer.time_distributed - around.count("TimeDistributed")
    if layer.time_distributed and layer.traits.merge:
        if layer.kind not in _ELEMENTWISE:
            refuse(layer, "it is mapped over the steps of a sequence, and has several inputs")
        return made
    for _ in range(steps):
        made = _around("TimeDistributed", made, layer, name, version)
    return made


def _plain(layer: Layer, name: str, version: int) -> Config:
    module, class_name = class_of(layer)
    return values.built_in(module, class_name, {**_common(layer, name), **settings(layer, version)})


def _common(layer: Layer, name: str) -> Config:
    """What all layers have."""
    dtype = values.dtype(layer, layer.args.get("dtype"))
    common: Config = {"name": name, **({"dtype": dtype} if dtype else {})}
    return common if layer.kind in _NEVER_TRAINED else {**common, "trainable": layer.trainable}


def _around(wrapper: str, inner: Config, layer: Layer, name: str, version: int) -> Config:
    config = {**_common(layer, name), "layer": inner}
    if wrapper == "Bidirectional":
        config["merge_mode"] = values.plain(layer, layer.args.get("merge_mode", "concat"))
        if layer.backward is not None:
            config["backward_layer"] = _plain(layer.backward, f"{name}_backward", version)
    elif wrapper == "SpectralNormalization":
        config["power_iterations"] = values.plain(layer, layer.args.get("power_iterations", 1))
    elif wrapper != "TimeDistributed":
        refuse(layer, f"Keras 3 has no wrapper {wrapper}")
    return values.built_in("keras.layers", wrapper, config)
