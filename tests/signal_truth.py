"""What signal a Keras net really carries at initialization: measured by running it, independently of any prediction.

Works with Keras 3 (TensorFlow backend) and Keras 2 (tf_keras). Layers are named by the paths that archlint gives them.
"""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import sqrt
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np

RAW_MEAN, RAW_STD = 118.0, 60.0
"""Of the bytes of photographs: what a net is fed that scales its inputs itself."""

_FINAL = ("softmax", "sigmoid")


class Measured(NamedTuple):
    """The output of one layer over all initializations. `gradient`: its norm by that of the logits; None: none."""

    mean: float
    rms: float
    std: float
    input_std: float
    gradient: float | None


def measure(keras: Any, model: Any, times: int = 6, samples: int = 32) -> dict[str, Measured]:
    """Run the net forward and backward in training mode, `times` times with new weights, on standardized noise.

    The loss is a random linear read-out of the outputs, before a final softmax or sigmoid. Statistics are over all
    values of a layer's output; gradients are the mean square norm per sample. A layer that is called several times
    counts with its first call.
    """
    moments: dict[str, list[_Moments]] = defaultdict(list)
    for seed in range(times):
        keras.utils.set_random_seed(seed)
        drawn = keras.models.clone_model(model)
        for path, (value, gradient) in _once(keras, drawn, noise(model, samples, seed), _input_names(model)).items():
            moments[path].append(_moments(value, gradient))
    return {path: _over(found) for path, found in moments.items()}


def measured(path: Path, keras: Any, build: Callable[[], Any], times: int, samples: int = 32) -> dict[str, Measured]:
    """The net written to `path` and measured; if that was done before, what was found then (`PATH.json`).

    Several processes may do it at once.
    """
    truth, here = path.with_name(f"{path.name}.json"), str(os.getpid())
    if not truth.exists():
        keras.utils.set_random_seed(0)
        keras.backend.clear_session()
        net = build()
        net.save(path.with_stem(here))
        path.with_stem(here).replace(path)
        path.with_stem(here).write_text(json.dumps(measure(keras, net, times, samples)), "utf-8")
        path.with_stem(here).replace(truth)
    return {layer: Measured(*numbers) for layer, numbers in json.loads(truth.read_text("utf-8")).items()}


class _Moments(NamedTuple):
    """Of one layer with one set of weights; `variance`: that of a unit over samples, `gradient`: a mean square norm."""

    mean: float
    square: float
    variance: float
    gradient: float | None


def _moments(value: Any, gradient: Any) -> _Moments:
    numbers = value.astype("float64")
    arrives = None if gradient is None else float((gradient.astype("float64") ** 2).sum()) / len(gradient)
    return _Moments(numbers.mean(), (numbers**2).mean(), numbers.var(axis=0, ddof=1).mean(), arrives)


def _over(found: list[_Moments]) -> Measured:
    mean, square, variance = (fmean(column) for column in list(zip(*found, strict=True))[:3])
    arrived = [moments.gradient for moments in found if moments.gradient is not None]
    std = sqrt(max(0.0, square - mean**2))
    return Measured(mean, sqrt(square), std, sqrt(variance), sqrt(fmean(arrived)) if arrived else None)


def noise(model: Any, samples: int, seed: int) -> list[Any]:
    """A batch for each input: numbers that are independent in every place, in the range that the net is made for."""
    random = np.random.default_rng(seed)
    leaves = [layer for _, layer in _leaves(model)]
    words = min([layer.input_dim for layer in leaves if hasattr(layer, "input_dim")], default=None)
    first = next((type(layer).__name__ for layer in leaves if type(layer).__name__ != "InputLayer"), "")
    mean, std = (RAW_MEAN, RAW_STD) if first in ("Rescaling", "Normalization") else (0.0, 1.0)

    def batch(shape: tuple[int, ...]) -> Any:
        if words is not None:
            return random.integers(0, words, (samples, *shape))
        return random.normal(mean, std, (samples, *shape)).astype("float32")

    return [batch(tuple(tensor.shape)[1:]) for tensor in model.inputs]


def _once(keras: Any, model: Any, inputs: list[Any], names: list[str]) -> dict[str, tuple[Any, Any]]:
    """The output of every layer as it is in use, and the gradient there; None where none arrives."""
    import tensorflow as tf

    tensors = [tf.constant(batch) for batch in inputs]
    heads = _heads(model)
    finals = {layer: layer.activation for layer in heads}
    for layer in heads:
        layer.activation = keras.activations.linear
    with tf.GradientTape() as tape, _recorded(keras, model) as outputs:
        outputs.update(zip(names, tensors, strict=True))
        tape.watch([tensor for tensor in tensors if tensor.dtype.is_floating])
        logits = _flat(model(tensors if len(tensors) > 1 else tensors[0], training=True))
        readouts = [tf.random.normal(logit.shape) for logit in logits]
        loss = sum(tf.reduce_sum(logit * readout) for logit, readout in zip(logits, readouts, strict=True))
    gradients = tape.gradient(loss, list(outputs.values()))
    scale = sqrt(sum(float(tf.reduce_sum(readout**2)) for readout in readouts) / len(tensors[0]))
    for layer, activation in finals.items():
        path = _paths(model)[id(layer)]
        outputs[path] = activation(outputs[path])
    return {
        path: (value.numpy(), None if gradient is None else tf.convert_to_tensor(gradient).numpy() / scale)
        for (path, value), gradient in zip(outputs.items(), gradients, strict=True)
    }


@contextmanager
def _recorded(keras: Any, model: Any) -> Iterator[dict[str, Any]]:
    """Within it, the first output of the first call of every layer of the model is kept, by path."""
    paths = _paths(model)
    outputs: dict[str, Any] = {}
    classes = [keras.layers.Layer, *([keras.Operation] if hasattr(keras, "Operation") else [])]
    originals = [kind.__call__ for kind in classes]

    def recording(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            made = original(self, *args, **kwargs)
            if id(self) in paths:
                outputs.setdefault(paths[id(self)], _flat(made)[0])
            return made

        return call

    for kind, original in zip(classes, originals, strict=True):
        kind.__call__ = recording(original)
    try:
        yield outputs
    finally:
        for kind, original in zip(classes, originals, strict=True):
            kind.__call__ = original


def _paths(model: Any) -> Mapping[int, str]:
    return {id(layer): path for path, layer in _leaves(model)}


def _leaves(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for layer in _parts(model):
        if hasattr(layer, "layers"):
            yield from _leaves(layer, f"{prefix}{layer.name}/")
        elif type(layer).__name__ != "InputLayer":
            yield prefix + layer.name, layer


def _parts(model: Any) -> Any:
    """Layers, and in Keras 3 the operations between them."""
    inner = getattr(model, "_functional", None) or model
    return getattr(inner, "operations", None) or inner.layers


def _input_names(model: Any) -> list[str]:
    return [tensor._keras_history[0].name for tensor in model.inputs]


def _heads(model: Any) -> list[Any]:
    """The layers that end in a softmax or sigmoid, which the loss takes apart again."""
    found = []
    for tensor in model.outputs:
        layer = tensor._keras_history[0]
        while hasattr(layer, "layers"):
            layer = layer.outputs[0]._keras_history[0]
        if getattr(getattr(layer, "activation", None), "__name__", "") in _FINAL:
            found.append(layer)
    return list(dict.fromkeys(found))


def _flat(made: Any) -> list[Any]:
    return list(made) if isinstance(made, (list, tuple)) else [made]
