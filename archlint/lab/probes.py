"""What can be measured on a network within one batch, or within a few steps.

Each takes a live network and returns a number, or one per layer; `archlint.lab.thresholds` says what they mean. Inputs
are the user's, or standardised noise.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf, log2, nan, sqrt
from statistics import median
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from archlint.lab.arms import Array, Strength
from archlint.lab.initial import initialize
from archlint.lab.live import from_list, outputs
from archlint.lab.norms import Norms
from archlint.lab.thresholds import INITIALIZATIONS
from archlint.lab.training import Trainer

Inputs = Sequence[Array]
"""One array per input of the network."""

DRAWS = range(INITIALIZATIONS)
"""Seeds of the initial weights that are drawn where none are asked for."""

_OPEN_AXIS = 16
_RECTIFIERS = frozenset({"relu", "relu6"})
_NOT_KERNELS = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
    keras.layers.Embedding,
    keras.layers.PReLU,
)


def noise(model: Any, samples: int, seed: int = 0) -> list[Array]:
    """Standardised random inputs, and random indices where an embedding reads them; open axes are 16 long."""
    generator = np.random.default_rng(seed)
    return [_noise(tensor, _vocabulary(model, tensor), samples, generator) for tensor in model.inputs]


def _noise(tensor: Any, vocabulary: int, samples: int, generator: np.random.Generator) -> Array:
    shape = (samples, *(size or _OPEN_AXIS for size in tensor.shape[1:]))
    made = generator.integers(vocabulary, size=shape) if vocabulary else generator.normal(size=shape)
    return made.astype(tensor.dtype)


def _vocabulary(model: Any, tensor: Any) -> int:
    """How many different whole numbers an input takes; 0 if it takes any number."""
    readers = [layer for layer in model.layers if isinstance(layer, keras.layers.Embedding) and layer.input is tensor]
    return min((int(layer.input_dim) for layer in readers), default=2 if "int" in tensor.dtype else 0)


def _received(model: Any) -> dict[str, Any]:
    """The tensor that each layer with a kernel receives, by the layer's name, in the order of the network."""
    return {layer.name: keras.tree.flatten(layer.input)[0] for layer in model.layers if _kernel(layer)}


def _tapped(model: Any, taps: Mapping[str, Any]) -> Callable[[Inputs], dict[str, Array]]:
    """A function from inputs to the values of some tensors of the network."""
    if not taps:
        return lambda _: {}
    listener = from_list(model, list(taps.values()))
    return lambda x: dict(zip(taps, map(np.asarray, outputs(listener, x, training=False)), strict=True))


def spread(model: Any, x: Inputs, seeds: Sequence[int] | None = DRAWS) -> float:
    """`usd`: how much the units of the last hidden layer differ between samples.

    Per unit the standard deviation over samples (and positions), of which the mean over units: 0 means that the output
    layer sees the same for every sample.

    Args:
        model: the network.
        x: one batch.
        seeds: of initial weights, over which it is the median; None to take the weights as they are.
    """
    return _median(model, x, seeds, lambda arrays: _unit_spread(arrays[-1]))


def drift(model: Any, x: Inputs, seeds: Sequence[int] | None = DRAWS) -> float:
    """Doublings of the spread of all values, from what the first layer receives to what the output layer does.

    A median as in `spread`; nan for a network of one layer, or for inputs that are all the same.
    """
    return _median(model, x, seeds, lambda arrays: _octaves(float(arrays[0].std()), float(arrays[-1].std())))


def _median(model: Any, x: Inputs, seeds: Sequence[int] | None, measure: Callable[[Sequence[Array]], float]) -> float:
    listen = _tapped(model, _received(model))
    found = []
    for _ in _drawn(model, x, seeds):
        arrays = list(listen(x).values())
        found.append(measure(arrays) if len(arrays) > 1 else nan)
    return median(found)


def _drawn(model: Any, x: Inputs, seeds: Sequence[int] | None) -> Iterator[None]:
    """Gives the network the weights of each seed in turn, or once leaves those that it has.

    Batch normalization then has the statistics of these inputs, without which it would hand on what it gets.
    """
    norms = Norms(model)
    for seed in (None,) if seeds is None else seeds:
        if seed is not None:
            initialize(model, seed)
            if norms.found:
                norms.clear()
                outputs(from_list(model), x, training=True)
                norms.add()
                norms.settle(1)
        yield


def profile(model: Any, x: Inputs, seeds: Sequence[int] | None = DRAWS) -> dict[str, Strength]:
    """How strong what each layer with a kernel receives is, by the layer's name, in the order of the network.

    The gradient is that of the outputs, before their activations, in random directions: of a sample on average,
    relative to that at the outputs. Medians as in `spread`.
    """
    taps = _received(model)
    listener = from_list(model, [*taps.values(), *model.outputs])
    with _linear(model):
        found = [_strengths(listener, x, len(taps)) for _ in _drawn(model, x, seeds)]
    return dict(zip(taps, map(_middle, zip(*found, strict=True)), strict=True))


@contextmanager
def _linear(model: Any) -> Iterator[None]:
    """Within it the layers that make the outputs have no activation."""
    last = {id(layer): layer for layer in (output._keras_history.operation for output in model.outputs)}
    kept = [(layer, layer.activation) for layer in last.values() if _has_own_activation(layer)]
    try:
        for layer, _ in kept:
            layer.activation = keras.activations.linear
        yield
    finally:
        for layer, activation in kept:
            layer.activation = activation


def _has_own_activation(layer: Any) -> bool:
    """Those of recurrent layers are inside of their cells."""
    return hasattr(layer, "activation") and not isinstance(layer, keras.layers.RNN)


def _strengths(listener: Any, x: Inputs, taps: int) -> list[Strength]:
    """Of the first outputs of a listener; the others are those of the network."""
    generator = np.random.default_rng(0)
    inputs = [tf.constant(array) for array in x]
    with tf.GradientTape() as tape:
        tape.watch([tensor for tensor in inputs if tensor.dtype.is_floating])
        made = outputs(listener, inputs, training=False)
        directions = [generator.normal(size=output.shape) for output in made[taps:]]
        total = tf.add_n(
            [tf.reduce_sum(output * direction) for output, direction in zip(made[taps:], directions, strict=True)]
        )
    scale = sqrt(sum(float((direction**2).sum()) for direction in directions))
    gradients = tape.gradient(total, made[:taps])
    return [
        Strength(_unit_spread(np.asarray(value)), None if gradient is None else _norm(gradient) / scale)
        for value, gradient in zip(made[:taps], gradients, strict=True)
    ]


def _middle(found: Sequence[Strength]) -> Strength:
    spreads, gradients = ([value for value in column if value is not None] for column in zip(*found, strict=True))
    return Strength(median(spreads), median(gradients) if gradients else None)


def _unit_spread(values: Array) -> float:
    return float(values.reshape(-1, values.shape[-1]).std(axis=0).mean())


def _octaves(first: float, last: float) -> float:
    if not first:
        return nan
    return log2(last / first) if last else -inf


def bias_share(model: Any, layer: Any, x: Inputs, seed: int = 0) -> float:
    """The norm of the gradient of a layer's bias over that of its kernel, in training; nan if both are 0.

    The gradient is that of the outputs in random directions, so it takes neither targets nor a loss.
    """
    generator = np.random.default_rng(seed)
    with tf.GradientTape() as tape:
        found = outputs(from_list(model), x, training=True)
        total = tf.add_n([tf.reduce_mean(output * generator.normal(size=output.shape)) for output in found])
    bias, kernel = map(_norm, tape.gradient(total, [layer.bias.value, layer.kernel.value]))
    return bias / kernel if kernel else nan


def inactive(model: Any, x: Inputs) -> dict[str, float]:
    """The share of units that no sample activates, for each layer with a ReLU."""
    taps = {layer.name: layer.output for layer in model.layers if _rectifies(layer)}
    return {name: _share_inactive(values) for name, values in _tapped(model, taps)(x).items()}


def _share_inactive(values: Array) -> float:
    return float((~(values.reshape(-1, values.shape[-1]) > 0).any(axis=0)).mean())  # so nan counts as inactive


def inactive_after(trainer: Trainer, x: Inputs, seed: int, steps: int) -> float:
    """That share in the worst layer, after some steps of training; 0 without ReLU layers."""
    trainer.first_losses(seed, steps)
    return max(inactive(trainer.model, x).values(), default=0.0)


def explosion(losses: Sequence[float]) -> float:
    """The highest loss over the first; infinite if one is not finite, nan if the first is not positive."""
    if not np.isfinite(losses).all():
        return inf
    return max(losses) / losses[0] if losses[0] > 0 else nan


def variance_shift(model: Any, norm: Any, x: Inputs) -> float:
    """The variance that a batch normalization has stored over the one it sees in use: the median over its units.

    The stored one must be up to date (`Trainer.recalibrate`). Units that do not vary are left out; nan if none varies.
    """
    seen = _tapped(model, {norm.name: norm.input})(x)[norm.name]
    variance = np.moveaxis(seen, norm.axis, -1).reshape(-1, seen.shape[norm.axis]).var(axis=0)
    varying = variance > norm.epsilon
    return float(np.median(norm.moving_variance.numpy()[varying] / variance[varying])) if varying.any() else nan


def _kernel(layer: Any) -> bool:
    return any(len(weight.shape) > 1 for weight in layer.weights) and not isinstance(layer, _NOT_KERNELS)


def _rectifies(layer: Any) -> bool:
    activation = getattr(getattr(layer, "activation", None), "__name__", None)
    return isinstance(layer, keras.layers.ReLU) or activation in _RECTIFIERS


def _norm(gradient: Any) -> float:
    return 0.0 if gradient is None else float(tf.norm(gradient))
