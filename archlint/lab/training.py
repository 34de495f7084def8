"""Trains one arm of a comparison, seed by seed, and returns its loss curves.

`fit` spends most of a small network's time between steps. Here a whole epoch is one TensorFlow function, traced once
for all seeds: a new seed only assigns new weights, empties the optimizer and reshuffles the samples.

Arms are paired by seed: split, order of the samples, dropout masks and the initial weights of every layer follow from
the seed and the layer's path alone. So layers that two arms share start alike whatever stands between them, a layer
whose initializer was changed draws the same numbers at another scale, and one that only one arm has draws its own.
With one thread (`pin_threads`) a seed gives bitwise the same curves in every process.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from math import isfinite
from time import perf_counter
from typing import Any

import numpy as np
import tensorflow as tf

from archlint.errors import UsageError
from archlint.lab.arms import Arm, Array, Cost, Curves, Data, Plan, Watch, Weights
from archlint.lab.compiling import compiled
from archlint.lab.initial import initialize
from archlint.lab.live import from_list, leaves, outputs
from archlint.lab.network import built
from archlint.lab.norms import Norms
from archlint.lab.splits import shuffled, split
from archlint.lab.thresholds import PAST_MINIMUM, RISEN, TIMED_STEPS

EVALUATION_ROWS = 512
"""Samples per step of an evaluation, which needs less memory than a training step."""

RECALIBRATION_STEPS = 50
"""Batches over which the statistics of batch normalization are averaged; a momentum of 0.98 goes back as far."""


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
        self._norms = Norms(self.model)
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
