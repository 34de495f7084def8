"""The statistics of batch normalization, brought up to date.

Those that training keeps lag behind by hundreds of steps (a momentum of 0.99), and a short training never catches up.
"""

from typing import Any

import keras
import tensorflow as tf

from archlint.lab.live import leaves


class Norms:
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
        """Forgets what training has kept."""
        for statistic, _, _ in self.found:
            statistic.assign(tf.zeros_like(statistic))

    def add(self) -> None:
        """Counts in what one batch has made of the cleared statistics."""
        for statistic, share, total in self.found:
            total.assign_add(statistic / share)

    def settle(self, steps: Any) -> None:
        """Sets the statistics to their means over so many batches."""
        for statistic, _, total in self.found:
            statistic.assign(total / tf.cast(steps, total.dtype))
            total.assign(tf.zeros_like(total))
