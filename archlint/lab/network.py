"""From a neutral model to a live Keras network, with the weights that are in the file.

Keras itself loads about a quarter of all public `.h5` files. Here nothing of the file reaches it but numbers: the
network is built from the configuration that `archlint.writers.keras` makes, and each weight is put where its name says.
"""

import os
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from archlint.errors import ArchlintError
from archlint.graph import Layer, Model, release
from archlint.lab.layouts import fitted
from archlint.writers.keras import Written, written
from archlint.writers.values import HARD_SIGMOID

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

if TYPE_CHECKING:
    from numpy.typing import NDArray

Config = dict[str, Any]
Arrays = dict[str, "NDArray[Any]"]

_REASON = 300
"""Characters that are shown of what Keras says."""


class NetworkError(ArchlintError):
    """A model that Keras will not build, or whose weights do not fit it."""


def network(model: Model, weights: bool = True) -> keras.Model:
    """The Keras network that a model is, with its weights as stored, or as Keras draws them.

    Args:
        model: the neutral model; the file must still be open if its weights are wanted. A remedy that puts in layers
            with weights leaves none in the file for them: build such a model without, and initialize it.
        weights: whether to set them.

    Raises:
        WriteError: a layer has no form in Keras 3.
        NetworkError: Keras refuses the configuration, or a weight is missing or does not fit.
        ReadError: a weight cannot be read.
    """
    configuration = written(model)
    made = built(configuration.config)
    if weights:
        set_stored(made, model, configuration)
    return made


def built(config: Config) -> keras.Model:
    """The network of a configuration, with weights as Keras draws them.

    Raises:
        NetworkError: Keras refuses it.
    """
    try:
        made = keras.saving.deserialize_keras_object(deepcopy(config), safe_mode=True)
    except Exception as error:  # whatever a layer finds wrong with its settings or inputs
        innermost = str(error).rpartition("Exception encountered:")[2]
        said = " ".join(innermost.split())[:_REASON]
        raise NetworkError(f"Keras cannot build it: {said or type(error).__name__}") from error
    return made


def weights_of(made: keras.Model) -> "dict[str, list[NDArray[Any]]]":
    """The weights of each layer that has some, in Keras's order, by the layer's name."""
    return {layer.name: layer.get_weights() for layer in made.layers if layer.weights}


def set_stored(made: keras.Model, model: Model, configuration: Written) -> None:
    """Give a network the weights that are in the file.

    Raises:
        NetworkError: a weight is missing or does not fit; the sentence names it.
        ReadError: a weight cannot be read.
    """
    stored = _stored(model)
    major = next(iter(release(model.producer_version)), 0)
    lives = {layer.name: layer for layer in made.layers}
    for number, layer in enumerate(model.layers):
        live = lives.get(configuration.names[layer.name])  # None: an operation, which is no layer
        wanted = dict(variables(live)) if live else {}
        if wanted or number in stored:
            _set(layer, wanted, stored.get(number, {}), major)
        if isinstance(live, keras.layers.Normalization):
            live.finalize_state()


def _stored(model: Model) -> dict[int, Arrays]:
    """The numbers of each layer's weights, by their names."""
    found: dict[int, Arrays] = {}
    for weight in model.stored():
        owners = [(weight.layer, weight.name), *weight.also]
        for layer, name in owners:
            if layer is not None:
                found.setdefault(layer, {})[name] = weight.read()
    return found


def _set(layer: Layer, wanted: Mapping[str, Any], stored: Arrays, major: int) -> None:
    shapes = {name: tuple(variable.shape) for name, variable in wanted.items()}
    arrays = fitted(layer, stored, shapes, major)
    for name, shape in shapes.items():
        if name not in arrays:
            raise NetworkError(f"the weight {name!r} of the layer {layer.name!r} is not in the file")
        if arrays[name].shape != shape:
            raise NetworkError(
                f"the weight {name!r} of the layer {layer.name!r} is {arrays[name].shape} in the file, "
                f"and the layer wants {shape}"
            )
    for name in arrays:
        if name not in shapes:
            raise NetworkError(f"the file has a weight {name!r} for the layer {layer.name!r}, which has no such weight")
    for name, variable in wanted.items():
        variable.assign(arrays[name])


_WITHIN = {
    "forward_layer": "forward/",
    "backward_layer": "backward/",
    "cell": "",
    "layer": "",
    **{f"_{part}_dense": f"{part}/" for part in ("query", "key", "value", "gate")},
    "_output_dense": "attention_output/",
}
"""The attributes in which layers hold others, and what the names of those begin with in the neutral form."""


def variables(layer: keras.layers.Layer, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The weights of a layer with the names of the neutral form: `kernel`, `forward/kernel`, `query/bias`."""
    inner = [(path, getattr(layer, name)) for name, path in _WITHIN.items() if _is_layer(getattr(layer, name, None))]
    theirs = {id(variable) for _, held in inner for variable in held.weights}
    for path, held in inner:
        yield from variables(held, prefix + path)
    yield from ((prefix + variable.name, variable) for variable in layer.weights if id(variable) not in theirs)


def _is_layer(value: Any) -> bool:
    return isinstance(value, keras.layers.Layer)


def hard_sigmoid(x: Any) -> Any:
    """The hard sigmoid of Keras 1 and 2, which is a little steeper than that of Keras 3."""
    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


_PACKAGE, _, _NAME = HARD_SIGMOID.partition(">")
keras.saving.register_keras_serializable(_PACKAGE, _NAME)(hard_sigmoid)
