"""How the cases write down networks: as the posts do, with as little around it as possible."""

from typing import Any

import keras


def network(inputs: tuple[int, ...], *stack: Any, optimizer: Any = "adam", loss: str = "mae") -> Any:
    """A compiled stack of layers."""
    model = keras.Sequential([keras.Input(inputs), *stack])
    model.compile(optimizer, loss)
    return model


def classifier(inputs: tuple[int, ...], *stack: Any, classes: int = 10, optimizer: Any = "adam") -> Any:
    """The same with a softmax over some classes behind it."""
    head = keras.layers.Dense(classes, activation="softmax")
    return network(inputs, *stack, head, optimizer=optimizer, loss="sparse_categorical_crossentropy")


def yes_or_no(inputs: tuple[int, ...], *stack: Any, optimizer: Any = "adam") -> Any:
    """The same with a sigmoid unit behind it."""
    head = keras.layers.Dense(1, activation="sigmoid")
    return network(inputs, *stack, head, optimizer=optimizer, loss="binary_crossentropy")
