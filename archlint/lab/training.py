"""Trains one arm of a comparison, seed by seed, and returns its loss curves.

`fit` spends most of a small network's time between steps. Here a whole epoch is one TensorFlow function, traced once
for all seeds: a new seed only assigns new weights, empties the optimizer and reshuffles the samples.

Arms are paired by seed: split, order of the samples, dropout masks and the initial weights of every layer follow from
the seed and the layer's path alone. So layers that two arms share start alike whatever stands between them, a layer
whose initializer was changed draws the same numbers at another scale, and one that only one arm has draws its own.
With one thread (`pin_threads`) a seed gives bitwise the same curves in every process.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf, isfinite, nan
from time import perf_counter
from typing import Any, Literal, NamedTuple
from zlib import crc32

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archlint.errors import UsageError
from archlint.graph import Loss, Optimizer, Training
from archlint.lab.network import built
from archlint.lab.thresholds import END, PAST_MINIMUM, RISEN, TIMED_STEPS

Array = NDArray[Any]
Weights = Mapping[str, Sequence[Array]]
"""Arrays in Keras's order by the path of their layer."""

Watch = Callable[[int, float, float], None]
"""Called after each epoch with its number from 1, and the training and validation loss."""

EVALUATION_ROWS = 512
"""Samples per step of an evaluation, which needs less memory than a training step."""

RECALIBRATION_STEPS = 50
"""Batches over which the statistics of batch normalization are averaged; a momentum of 0.98 goes back as far."""


@dataclass(frozen=True, slots=True)
class Arm:
    """What is trained: a network as Keras serialises it, and how it was compiled.

    `saved` are weights that the file holds. With `start="saved"` training begins from them; with "fresh" only frozen
    layers have them.
    """

    name: str
    config: Mapping[str, Any]
    training: Training = field(default_factory=Training)
    saved: Weights = field(default_factory=dict)
    start: Literal["fresh", "saved"] = "fresh"


@dataclass(frozen=True, slots=True)
class Data:
    """Samples along the first axis: one array per input and output of the network.

    Samples of one group are never divided between training and validation. `held_out` marks the samples that the user
    has set apart for validation; without it every seed sets apart its own.
    """

    x: tuple[Array, ...]
    y: tuple[Array, ...]
    groups: Array | None = None
    held_out: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.x[0])


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to train, in batches of which size, and the share of the samples that is for validation."""

    epochs: int = 20
    batch_size: int = 32
    share: float = 0.2


@dataclass(frozen=True, slots=True)
class Curves:
    """What one run showed. Losses are without penalties, so that arms with and without them compare.

    `train` and `val` are of the network in use (no dropout, recalibrated batch normalization), after each epoch;
    `losses` are those of each batch as it was trained on. `assumed` are sentences on what the file does not say.
    """

    seed: int
    train: tuple[float, ...]
    val: tuple[float, ...]
    losses: tuple[float, ...]
    seconds: float
    assumed: tuple[str, ...] = ()

    @property
    def finite(self) -> bool:
        """Whether every loss was a number."""
        return all(map(isfinite, (*self.losses, *self.train, *self.val)))

    @property
    def best(self) -> float:
        """The lowest validation loss."""
        return min(self.val) if self.val and self.finite else inf

    @property
    def end(self) -> float:
        """The validation loss at the end: its mean over the last tenth of the epochs."""
        last = max(1, round(END * len(self.val)))
        return float(np.mean(self.val[-last:])) if self.val and self.finite else inf

    @property
    def rise(self) -> float:
        """By which share the end lies above the best; nan where that has no meaning (a loss that is not positive)."""
        return self.end / self.best - 1 if 0 < self.best < inf else nan

    @property
    def initial(self) -> float:
        """The loss of the first batch, before anything was learned."""
        return self.losses[0]

    @property
    def highest(self) -> float:
        """The highest loss of a batch; infinite if one was not finite."""
        return max(self.losses) if all(map(isfinite, self.losses)) else inf


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds that an arm takes: once for tracing, for each step, to evaluate it after an epoch, and to begin anew."""

    tracing: float
    step: float
    evaluation: float
    steps: int
    beginning: float = 0.0

    def seconds(self, epochs: int, seeds: int = 1) -> float:
        """Of so many seeds, once traced."""
        return seeds * (self.beginning + epochs * (self.steps * self.step + self.evaluation))


def affordable(costs: Sequence[Cost], epochs: int, budget: float) -> int:
    """How many seeds of all arms fit into what remains of the budget, in seconds."""
    return max(0, int(budget / sum(cost.seconds(epochs) for cost in costs)))


def pin_threads() -> None:
    """Makes TensorFlow compute in one thread, so that sums have one order; before its first operation only."""
    with suppress(RuntimeError):  # it has computed already
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def trained(arm: Arm, data: Data, plan: Plan, seeds: Sequence[int]) -> list[Curves]:
    """The curves of an arm for each seed. Arguments and result can be pickled, so it can run in any process."""
    pin_threads()
    trainer = Trainer(arm, data, plan)
    return [trainer.run(seed) for seed in seeds]


# Splits and orders


def split(data: Data, seed: int, share: float) -> tuple[Array, Array]:
    """The rows for training and for validation.

    Raises:
        UsageError: nothing would be left for one of them.
    """
    held_out = data.held_out if data.held_out is not None else _drawn(data, seed, share)
    train, val = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    if not len(train) or not len(val):
        raise UsageError(f"{len(data)} samples cannot be split into training and validation; give more, or more groups")
    return train, val


def _drawn(data: Data, seed: int, share: float) -> NDArray[np.bool_]:
    """Which samples are held out: whole groups in random order, as many as come closest to the share."""
    groups = np.arange(len(data)) if data.groups is None else np.unique(data.groups, return_inverse=True)[1].ravel()
    sizes = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(len(sizes))
    taken = 1 + np.argmin(np.abs(np.cumsum(sizes[order]) - share * len(data)))
    return np.isin(groups, order[:taken])


def shuffled(rows: Array, seed: int, epoch: int) -> Array:
    """The rows in the order of this epoch."""
    return np.random.default_rng((seed, epoch)).permutation(rows)


# Initial weights


def leaves(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All layers with their paths, those of nested models in place of the models."""
    for layer in model.layers:
        path = f"{prefix}{layer.name}"
        if isinstance(layer, keras.Model):
            yield from leaves(layer, f"{path}/")
        else:
            yield path, layer


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
    keras.utils.set_random_seed(_number(seed, path))
    copy = type(layer).from_config(_unseeded(layer.get_config()))
    copy.build_from_config(layer.get_build_config())
    return list(copy.get_weights())


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


# Compiling


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


# The engine


class Trainer:
    """An arm that is ready to be trained with any number of seeds.

    `model` is the live network, in the state in which the last run left it.
    """

    def __init__(self, arm: Arm, data: Data, plan: Plan) -> None:
        self.arm, self.data, self.plan = arm, data, plan
        self.model = from_list(built(dict(arm.config)))
        _check_counts(self.model, data)
        self.optimizer, self._losses, assumed = compiled(arm.training, self.model, data.y)
        self.assumed = (*assumed, *_thawed(self.model, arm.saved))
        self.optimizer.build(self.model.trainable_variables)
        self._emptied = [variable.numpy() for variable in self.optimizer.variables]
        self._norms = _Norms(self.model)
        self._x = [_tensor(array, wanted.dtype) for array, wanted in zip(data.x, self.model.inputs, strict=True)]
        self._y = [tf.constant(array) for array in data.y]
        self._epoch, self._recalibrate, self._evaluate = map(
            _over_rows, (self._train_batches, self._average_norms, self._mean_loss)
        )

    def reset(self, seed: int) -> None:
        """Back to the beginning, with the weights of this seed."""
        initialize(self.model, seed, self.arm.saved, self.arm.start)
        for variable, value in zip(self.optimizer.variables, self._emptied, strict=True):
            variable.assign(value)

    def run(self, seed: int, watch: Watch | None = None) -> Curves:
        """Trains from the beginning; ends early on a loss that is not finite, or where it only overfits further."""
        began = perf_counter()
        self.reset(seed)
        train_rows, val_rows = split(self.data, seed, self.plan.share)
        losses: list[float] = []
        train: list[float] = []
        val: list[float] = []
        for epoch in range(self.plan.epochs):
            losses += self.epoch(shuffled(train_rows, seed, epoch))
            for curve, loss in zip((train, val), self._evaluated(train_rows, val_rows), strict=True):
                curve.append(loss)
            if watch:
                watch(epoch + 1, train[-1], val[-1])
            if not all(map(isfinite, (losses[-1], train[-1], val[-1]))) or _only_overfits(val):
                break
        return Curves(seed, tuple(train), tuple(val), tuple(losses), perf_counter() - began, self.assumed)

    def first_losses(self, seed: int, steps: int) -> list[float]:
        """The losses of the first batches from the beginning."""
        self.reset(seed)
        rows, _ = split(self.data, seed, self.plan.share)
        epochs = 1 + steps * self.plan.batch_size // len(rows)
        order = np.concatenate([shuffled(rows, seed, epoch) for epoch in range(epochs)])
        return self.epoch(order[: steps * self.plan.batch_size])

    def cost(self) -> Cost:
        """How long this arm takes, by timing a few steps twice: the first time includes the tracing."""
        train_rows, val_rows = split(self.data, 0, self.plan.share)
        size = self.plan.batch_size
        few = train_rows[: TIMED_STEPS * size]
        self.reset(0)
        began = perf_counter()
        self.epoch(few)
        self._evaluated(train_rows, val_rows)
        traced = perf_counter()
        self.epoch(few)
        stepped = perf_counter()
        self._evaluated(train_rows, val_rows)
        evaluated = perf_counter()
        self.reset(0)
        return Cost(
            tracing=max(0.0, (traced - began) - (evaluated - traced)),
            step=(stepped - traced) / _batches(few, size),
            evaluation=evaluated - stepped,
            steps=_batches(train_rows, size),
            beginning=perf_counter() - evaluated,
        )

    def epoch(self, order: Array) -> list[float]:
        """Trains on these rows once, in batches; returns the loss of each."""
        return [float(loss) for loss in self._epoch(tf.constant(order, tf.int64)).numpy()]

    def recalibrate(self, order: Array) -> None:
        """Sets the statistics of batch normalization to their means over batches of the network as it is now.

        Those that training keeps lag behind by hundreds of steps (a momentum of 0.99), and a short training never
        catches up.
        """
        if self._norms.found:
            self._recalibrate(tf.constant(order[: RECALIBRATION_STEPS * self.plan.batch_size], tf.int64))

    def evaluate(self, rows: Array) -> float:
        """The mean loss over these rows in use, without penalties."""
        return float(self._evaluate(tf.constant(rows, tf.int64)))

    def _evaluated(self, train_rows: Array, val_rows: Array) -> tuple[float, float]:
        self.recalibrate(train_rows)
        return self.evaluate(train_rows), self.evaluate(val_rows)

    def _train_batches(self, order: Any) -> Any:
        size = self.plan.batch_size
        steps = -(-tf.size(order) // size)
        losses = tf.TensorArray(tf.float32, size=steps)
        for step in tf.range(steps):
            losses = losses.write(step, self._step(order[step * size : (step + 1) * size]))
        return losses.stack()

    def _average_norms(self, order: Any) -> None:
        size = self.plan.batch_size
        steps = tf.maximum(tf.size(order) // size, 1)
        for step in tf.range(steps):
            self._norms.clear()
            self._outputs(order[step * size : (step + 1) * size], training=True)
            self._norms.add()
        self._norms.settle(tf.cast(steps, tf.float32))

    def _mean_loss(self, rows: Any) -> Any:
        total = tf.constant(0.0)
        for start in tf.range(0, tf.size(rows), EVALUATION_ROWS):
            some = rows[start : start + EVALUATION_ROWS]
            total += self._loss(some, training=False) * tf.cast(tf.size(some), tf.float32)
        return total / tf.cast(tf.size(rows), tf.float32)

    def _step(self, rows: Any) -> Any:
        weights = self.model.trainable_variables
        with tf.GradientTape() as tape:
            loss = self._loss(rows, training=True)
            penalised = loss + sum(self.model.losses)
        self.optimizer.apply(tape.gradient(penalised, weights), weights)
        return loss

    def _loss(self, rows: Any, training: bool) -> Any:
        losses = [
            tf.cast(loss(tf.gather(y, rows), output), tf.float32)
            for loss, y, output in zip(self._losses, self._y, self._outputs(rows, training), strict=True)
            if loss is not None
        ]
        return tf.add_n(losses)

    def _outputs(self, rows: Any, training: bool) -> list[Any]:
        x = [tf.gather(array, rows) for array in self._x]
        return outputs(self.model, x, training)


def from_list(model: Any, taps: Sequence[Any] | None = None) -> Any:
    """The same layers as a network from a list of inputs to its outputs, or to other tensors within it."""
    return keras.Model(list(model.inputs), list(model.outputs if taps is None else taps))


def outputs(model: Any, x: Sequence[Any], training: bool) -> list[Any]:
    """What such a network makes of one array or tensor per input."""
    return list(keras.tree.flatten(model(list(x), training=training)))


class _Norms:
    """The statistics of a network's batch normalizations, of which a mean over batches can be taken.

    One batch moves a statistic from 0 to (1 - momentum) times its own.
    """

    def __init__(self, model: Any) -> None:
        layers = [
            layer
            for _, layer in leaves(model)
            if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable and layer.momentum < 1
        ]
        self.found = [
            (statistic.value, 1 - layer.momentum, tf.Variable(tf.zeros_like(statistic.value), trainable=False))
            for layer in layers
            for statistic in (layer.moving_mean, layer.moving_variance)
        ]

    def clear(self) -> None:
        for statistic, _, _ in self.found:
            statistic.assign(tf.zeros_like(statistic))

    def add(self) -> None:
        for statistic, share, total in self.found:
            total.assign_add(statistic / share)

    def settle(self, steps: Any) -> None:
        for statistic, _, total in self.found:
            statistic.assign(total / tf.cast(steps, total.dtype))
            total.assign(tf.zeros_like(total))


def _over_rows(function: Callable[[Any], Any]) -> Any:
    """One graph for any number of rows."""
    return tf.function(function, input_signature=[tf.TensorSpec([None], tf.int64)])


def _check_counts(model: Any, data: Data) -> None:
    for given, wanted, what in ((data.x, model.inputs, "inputs"), (data.y, model.outputs, "outputs")):
        if len(given) != len(wanted):
            raise UsageError(f"the network has {len(wanted)} {what}, but there are arrays for {len(given)}")


def _thawed(model: Any, saved: Weights) -> list[str]:
    names = [
        path for path, layer in leaves(model) if layer.weights and not layer.trainable_weights and path not in saved
    ]
    many = f"{names[0]} and {len(names) - 1} more frozen layers" if names[1:] else f"the frozen layer {''.join(names)}"
    return [f"there are no saved weights for {many}: they were drawn anew"] if names else []


def _tensor(array: Array, dtype: str) -> Any:
    return tf.constant(array) if array.dtype.kind in "US" else tf.constant(np.asarray(array, dtype))


def _batches(rows: Array, size: int) -> int:
    return -(-len(rows) // size)


def _only_overfits(val: Sequence[float]) -> bool:
    """Whether the lowest loss is so long ago, and the last so much above it, that nothing more will be learned."""
    lowest = min(val)
    past = len(val) - 1 - val.index(lowest)
    return past >= PAST_MINIMUM and val[-1] > lowest * (1 + RISEN)
