"""What signal a Keras net really carries at initialization: measured by running it, independently of any prediction.

Works with Keras 3 (TensorFlow backend) and Keras 2 (tf_keras); the layers are named by the paths that archlint gives them.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import nan, sqrt
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np

RAW_MEAN, RAW_STD = 118.0, 60.0
"""Of the bytes of photographs: what a net is fed that scales its inputs itself."""

_FINAL = ("softmax", "sigmoid")


@dataclass
class Measured:
    """The output of one layer over all initializations; `gradient` is relative to that of the logits, by norm."""

    means: list[float] = field(default_factory=list)
    squares: list[float] = field(default_factory=list)
    variances: list[float] = field(default_factory=list)
    gradients: list[float] = field(default_factory=list)

    @property
    def mean(self) -> float:
        return float(np.mean(self.means))

    @property
    def rms(self) -> float:
        return sqrt(np.mean(self.squares))

    @property
    def std(self) -> float:
        return sqrt(max(0.0, float(np.mean(self.squares)) - self.mean**2))

    @property
    def input_std(self) -> float:
        """How far a unit's value differs from sample to sample."""
        return sqrt(np.mean(self.variances))

    @property
    def gradient(self) -> float:
        return sqrt(np.mean(self.gradients)) if self.gradients else nan


def measure(keras: Any, build: Callable[[], Any], times: int = 6, samples: int = 32) -> dict[str, Measured]:
    """Run the net forward and backward in training mode, `times` times from new weights, on standardized noise.

    The loss is a random linear read-out of the outputs, before a final softmax or sigmoid. Statistics are over all
    values of a layer's output; gradients are the mean square norm per sample. A layer that is called several times
    counts with its first call.
    """
    found: dict[str, Measured] = defaultdict(Measured)
    for seed in range(times):
        keras.utils.set_random_seed(seed)
        keras.backend.clear_session()
        model = build()
        for path, (value, gradient) in _once(keras, model, noise(model, samples, seed)).items():
            _add(found[path], value, gradient)
    return dict(found)


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


def _once(keras: Any, model: Any, inputs: list[Any]) -> dict[str, tuple[Any, Any]]:
    """The output of every layer as it is in use, and the gradient there; None where none arrives."""
    import tensorflow as tf

    tensors = [tf.constant(batch) for batch in inputs]
    heads = _heads(model)
    finals = {layer: layer.activation for layer in heads}
    for layer in heads:
        layer.activation = keras.activations.linear
    with tf.GradientTape() as tape, _recorded(keras, model) as outputs:
        outputs.update(zip(_input_names(model), tensors, strict=True))
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


def _add(measured: Measured, value: Any, gradient: Any) -> None:
    numbers = value.astype("float64")
    measured.means.append(float(numbers.mean()))
    measured.squares.append(float((numbers**2).mean()))
    measured.variances.append(float(numbers.var(axis=0, ddof=1).mean()))
    if gradient is not None:
        measured.gradients.append(float((gradient.astype("float64") ** 2).sum()) / len(gradient))


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


def _parts(model: Any) -> Iterable[Any]:
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
