"""What a file says of training, made real: Keras's optimizer and losses, and in sentences what had to be assumed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

from archlint.graph import Loss, Optimizer, Training
from archlint.lab.arms import Array


class Compiled(NamedTuple):
    """Keras's optimizer, a loss per output (None: not trained on), and what had to be assumed, in sentences."""

    optimizer: Any
    losses: tuple[Any, ...]
    assumed: tuple[str, ...]


def compiled(training: Training, model: Any, y: Sequence[Array]) -> Compiled:
    """What the file says of training, made real; `y` helps to guess a loss that it does not name."""
    optimizer, assumed = _optimizer(training.optimizer)
    stated = training.losses or (None,) * len(model.outputs)
    if any(stated):
        losses = [_loss(loss, output, array) for loss, output, array in zip(stated, model.outputs, y, strict=True)]
    else:
        losses = [_guessed(output, array) for output, array in zip(model.outputs, y, strict=True)]
    made = [loss for loss, _ in losses]
    notes = [*assumed, *(note for _, notes in losses for note in notes)]
    if len(made) > 1:
        notes.append("the losses of all outputs were given the same weight")
    return Compiled(optimizer, tuple(made), tuple(dict.fromkeys(notes)))


def _optimizer(stated: Optimizer | None) -> tuple[Any, list[str]]:
    classes = _classes(keras.optimizers, keras.optimizers.Optimizer)
    made = classes.get(_bare(stated.name)) if stated else None
    if stated is None or made is None:
        named = "names no optimizer" if stated is None else f"names an optimizer of its own, {_own(stated.name)}"
        return keras.optimizers.Adam(), [f"the file {named}; Adam with a learning rate of 0.001 was assumed"]
    names = ("learning_rate", "momentum", "clipnorm", "clipvalue", "global_clipnorm", "weight_decay")
    config = {name: value for name in names if (value := getattr(stated, name)) is not None}
    optimizer = made.from_config(config)
    return optimizer, _rate_notes(stated, float(optimizer.learning_rate))


def _rate_notes(stated: Optimizer, rate: float) -> list[str]:
    if stated.schedule:
        return [f"the learning rate was held at {rate:.3g}, where the file has the schedule {stated.schedule}"]
    if stated.learning_rate is None:
        return [f"the file states no learning rate; Keras's default of {rate:.3g} was assumed"]
    return []


def _loss(stated: Loss | None, output: Any, y: Array) -> tuple[Any, list[str]]:
    if stated is None:  # another output has a loss: this one was not trained on
        return None, []
    made = _classes(keras.losses, keras.losses.Loss).get(_bare(stated.name))
    if made is None:
        loss, notes = _guessed(output, y)
        return loss, [note.replace("names no loss", f"has a loss of its own, {_own(stated.name)}") for note in notes]
    return made(**({} if stated.from_logits is None else {"from_logits": stated.from_logits})), []


def _guessed(output: Any, y: Array) -> tuple[Any, list[str]]:
    """The loss that an output's activation and its targets suggest."""
    last = output._keras_history.operation
    activation = getattr(getattr(last, "activation", None), "__name__", last.__class__.__name__.lower())
    labels = y.dtype.kind in "iub" and (y.ndim < len(output.shape) or y.shape[-1] == 1) and output.shape[-1] > 1
    if activation == "sigmoid":
        loss = keras.losses.BinaryCrossentropy()
    elif labels:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=activation != "softmax")
    else:
        loss = keras.losses.CategoricalCrossentropy() if activation == "softmax" else keras.losses.MeanSquaredError()
    return loss, [f"the file names no loss; {loss.name} was assumed"]


def _classes(module: Any, base: type) -> dict[str, Any]:
    found = {name: value for name, value in vars(module).items() if isinstance(value, type) and issubclass(value, base)}
    return {name.lower(): value for name, value in found.items() if value is not base}


def _bare(name: str) -> str:
    return name.replace("_", "")


def _own(name: str) -> str:
    return name.removeprefix("custom:")
