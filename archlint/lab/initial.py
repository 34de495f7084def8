"""Initial weights that follow from a seed and the layer's path alone, so that arms share those of shared layers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any
from zlib import crc32

import keras
from keras.src.random import seed_generator

from archlint.lab.arms import Array, Weights
from archlint.lab.live import leaves


def initialize(model: Any, seed: int, saved: Weights | None = None, start: str = "fresh") -> None:
    """Gives every layer the weights, and every random generator the state, that belong to this seed."""
    for path, layer in leaves(model):
        if layer.weights and not hasattr(layer, "adapt"):  # what a layer was adapted to is data, not a weight
            stored = (saved or {}).get(path)
            keep = stored is not None and (start == "saved" or not layer.trainable_weights) and _fits(layer, stored)
            layer.set_weights(stored if keep else _fresh(layer, path, seed))
        for number, state in enumerate(_random_states(layer)):
            state.assign([_number(seed, path, number), 0])


def _fits(layer: Any, arrays: Sequence[Array]) -> bool:
    return [tuple(weight.shape) for weight in layer.weights] == [array.shape for array in arrays]


def _fresh(layer: Any, path: str, seed: int) -> list[Array]:
    """The weights of a new layer of these settings: only the layer itself knows how it initializes all of them."""
    number = _number(seed, path)
    keras.utils.set_random_seed(number)
    with _drawing(number):
        copy = type(layer).from_config(_unseeded(layer.get_config()))
        copy.build_from_config(layer.get_build_config())
        return list(copy.get_weights())


@contextmanager
def _drawing(number: int) -> Iterator[None]:
    """Keras draws its seeds from a generator of its own: from Python's, other threads draw, too, as those of Dask."""
    shared = seed_generator.python_random
    seed_generator.python_random = Random(number)
    try:
        yield
    finally:
        seed_generator.python_random = shared


def _unseeded(config: Any) -> Any:
    """Settings without explicit seeds, with which every run would start alike."""
    if isinstance(config, dict):
        return {key: None if key == "seed" else _unseeded(value) for key, value in config.items()}
    return [_unseeded(value) for value in config] if isinstance(config, list) else config


def _random_states(layer: Any) -> list[Any]:
    return [variable for variable in layer.variables if variable.name == "seed_generator_state"]


def _number(*parts: object) -> int:
    """A number that follows from these, the same in every process."""
    return crc32("/".join(map(str, parts)).encode()) & 0x7FFFFFFF
