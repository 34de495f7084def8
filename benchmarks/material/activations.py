"""Dying units, and what SELU asks for: section 11.1.2 of the third post."""

from functools import partial
from typing import Any

import keras
from keras.layers import AlphaDropout, Dense, Dropout, LeakyReLU

from archlint.lab.verdict import Outcome
from benchmarks.material import data
from benchmarks.material.build import classifier, yes_or_no
from benchmarks.material.case import Experiment, Passage, Standing
from benchmarks.material.initialization import hidden


def rectified(slope: float | None, rate: float) -> Any:
    """A classifier of digits with ReLU or, given a slope, LeakyReLU."""
    stack: list[Any] = []
    for _ in range(3):
        stack += [Dense(32, kernel_initializer="he_normal"), LeakyReLU(slope) if slope else keras.layers.ReLU()]
    return classifier((64,), *stack, optimizer=keras.optimizers.Adam(rate))


def selu(initializer: str, *widths: int) -> Any:
    """A classifier of digits whose hidden layers are all SELU, trained by plain SGD."""
    layers = [Dense(units, activation="selu", kernel_initializer=initializer) for units in widths]
    return classifier((64,), *layers, optimizer="sgd")


def dropped(dropout: Any, rate: float) -> Any:
    """SELU layers with a kind of dropout behind each."""
    stack: list[Any] = []
    for _ in range(6):
        stack += [Dense(64, activation="selu", kernel_initializer="lecun_normal"), dropout(rate)]
    return classifier((64,), *stack)


PASSAGES = (
    Passage(
        slug="dying-relu",
        title="ReLU units die, leaky ones do not",
        sources=("003_2fea97fb18e492ae 11.1.2",),
        says="Some units come to put out nothing but 0 in training, and as the gradient is 0 there they stay dead. "
        "LeakyReLU never dies, and does better than ReLU.",
        experiments=(
            Experiment(
                slug="dying-fast",
                title="Adam with a rate of 0.1",
                data=data.standardized_digits,
                before=partial(rectified, None, 0.1),
                after=partial(rectified, 0.2, 0.1),
                arms=("ReLU", "LeakyReLU"),
                rule="OPT002",
                asks={"dying-relu": Outcome.confirmed, "helps": Outcome.refuted},
                epochs=15,
                batch_size=64,
            ),
            Experiment(
                slug="dying-usual",
                title="Adam with its usual rate of 0.001",
                data=data.standardized_digits,
                before=partial(rectified, None, 0.001),
                after=partial(rectified, 0.2, 0.001),
                arms=("ReLU", "LeakyReLU"),
                silent=("ACT011",),
                asks={"dying-relu": Outcome.refuted, "helps": Outcome.inconclusive},
                epochs=15,
                batch_size=64,
            ),
            Experiment(
                slug="dying-rate",
                title="A lower rate in place of another activation",
                data=data.standardized_digits,
                before=partial(rectified, 0.2, 0.1),
                after=partial(rectified, None, 0.001),
                arms=("LeakyReLU at 0.1", "ReLU at 0.001"),
                rule="OPT002",
                asks={"helps": Outcome.confirmed},
                epochs=15,
                batch_size=64,
            ),
        ),
        standing=Standing.partly,
        conclusion="the learning rate is far too high. At 0.1 half of the units of a layer are dead after 20 steps; "
        "LeakyReLU, whose units cannot die, does worse, as nothing holds back what runs away. A usual rate mends it "
        "without another activation; at that rate no unit dies, and LeakyReLU is not seen to do better. So archlint "
        "speaks of the rate.",
    ),
    Passage(
        slug="selu-initializer",
        title="SELU needs LeCun's initializer",
        sources=("003_2fea97fb18e492ae 11.1.2",),
        says="For the layers to normalize themselves, all hidden layers must be initialized by LeCun's normal "
        "distribution.",
        experiments=(
            Experiment(
                slug="selu-funnel",
                title="10 layers, wide and narrow by turns",
                data=data.standardized_digits,
                before=lambda: selu("glorot_uniform", *[256, 16] * 5),
                after="lecun-initializer",
                arms=("Glorot", "LeCun"),
                rule="ACT001",
                asks={"selu-drift": Outcome.confirmed, "helps": Outcome.confirmed},
                epochs=15,
                batch_size=64,
            ),
            Experiment(
                slug="selu-equal",
                title="20 layers of 64 units, Keras's default",
                data=data.standardized_digits,
                before=lambda: selu("glorot_uniform", *[64] * 20),
                after=lambda: selu("lecun_normal", *[64] * 20),
                arms=("Glorot", "LeCun"),
                silent=("ACT001",),
                asks={"selu-drift": Outcome.refuted, "helps": Outcome.inconclusive},
                epochs=15,
                batch_size=64,
            ),
        ),
        standing=Standing.partly,
        conclusion="widths change from layer to layer. Glorot goes by the mean of both widths and LeCun by the width "
        "that is read: between equal widths the two have the same variance, and nothing drifts with Keras's default "
        "either. archlint predicts the drift, and is silent where there is none.",
    ),
    Passage(
        slug="selu-input",
        title="SELU needs standardized inputs",
        sources=("003_2fea97fb18e492ae 11.1.2",),
        says="Input features must have a mean of 0 and a standard deviation of 1.",
        experiments=(
            Experiment(
                slug="selu-raw",
                title="6 layers, features from 0 to 4,254",
                data=data.raw_cells,
                before=lambda: yes_or_no((30,), *hidden(6, "selu", "lecun_normal")),
                after="normalize-inputs",
                arms=("as they are", "standardized"),
                rule="ACT005",
                asks={"selu-drift": Outcome.confirmed, "helps": Outcome.inconclusive},
            ),
        ),
        standing=Standing.holds,
        conclusion="Values begin far from the spread that SELU keeps up, and scaled inputs mend that. What it costs "
        "stays open: seeds differ by more than the two networks do.",
    ),
    Passage(
        slug="selu-dropout",
        title="What follows for SELU with dropout",
        sources=("003_2fea97fb18e492ae 11.1.2",),
        says="Each layer of a self-normalizing network keeps mean 0 and standard deviation 1 in training. Dropout "
        "changes both; alpha dropout is made to keep them.",
        experiments=(
            Experiment(
                slug="selu-alpha",
                title="6 layers with dropout of 0.2 behind each",
                data=data.standardized_digits,
                before=partial(dropped, Dropout, 0.2),
                after=partial(dropped, AlphaDropout, 0.2),
                arms=("Dropout", "AlphaDropout"),
                rule="ACT003",
                asks={"helps": Outcome.refuted},
                batch_size=64,
            ),
            Experiment(
                slug="selu-alpha-low",
                title="alpha dropout at a quarter of the rate",
                data=data.standardized_digits,
                before=partial(dropped, Dropout, 0.2),
                after=partial(dropped, AlphaDropout, 0.05),
                arms=("Dropout 0.2", "AlphaDropout 0.05"),
                rule="ACT003",
                asks={"helps": Outcome.inconclusive},
                batch_size=64,
            ),
        ),
        standing=Standing.fails,
        conclusion="At the same rate alpha dropout is far worse here: a dropped value becomes the lowest one that "
        "SELU has, −1.76, which disturbs four times as much as a 0 does. So archlint asks for a quarter of the rate. "
        "At that no difference is seen: the variance is kept, but that is no promise of a lower loss.",
    ),
)
