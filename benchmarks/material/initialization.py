"""Signals that are lost on their way, and how layers begin: section 11.1 and 11.1.1 of the third post."""

from functools import partial
from typing import Any

from keras.layers import Dense

from archlint.lab.verdict import Outcome
from benchmarks.material import data
from benchmarks.material.build import classifier
from benchmarks.material.case import Experiment, Passage, Standing


def hidden(depth: int, activation: str, initializer: str = "glorot_uniform", units: int = 64) -> list[Any]:
    """Equal dense layers."""
    return [Dense(units, activation=activation, kernel_initializer=initializer) for _ in range(depth)]


def stack(depth: int, activation: str, initializer: str = "glorot_uniform", optimizer: str = "adam") -> Any:
    """A classifier of digits."""
    return classifier((64,), *hidden(depth, activation, initializer), optimizer=optimizer)


PASSAGES = (
    Passage(
        slug="vanishing-gradients",
        title="Sigmoid layers let gradients vanish",
        sources=("003_2fea97fb18e492ae 11.1",),
        says="The logistic function saturates, its slope comes close to 0, and the little gradient that there is "
        "thins out on its way down, so that nothing reaches the lower layers.",
        experiments=(
            Experiment(
                slug="sigmoid-deep",
                title="8 hidden layers",
                data=data.digits,
                before=partial(stack, 8, "sigmoid"),
                after="saturating-to-relu",
                arms=("sigmoid", "ReLU, He"),
                rule="ACT009",
                asks={"slow": Outcome.confirmed, "helps": Outcome.confirmed},
                batch_size=64,
            ),
            Experiment(
                slug="sigmoid-shallow",
                title="1 hidden layer",
                data=data.digits,
                before=partial(stack, 1, "sigmoid"),
                after=partial(stack, 1, "relu", "he_normal"),
                arms=("sigmoid", "ReLU, He"),
                silent=("ACT009",),
                asks={"slow": Outcome.refuted, "helps": Outcome.confirmed},
            ),
        ),
        standing=Standing.holds,
        conclusion="Through eight layers of sigmoid next to nothing of the signal is left before training begins, and "
        "even Adam stands still for half of the epochs; archlint tells so from the file. A single layer loses "
        "nothing, and archlint is silent. ReLU does better there, too, but no vanishing gradient is the reason.",
    ),
    Passage(
        slug="he-for-relu",
        title="ReLU wants He initialization",
        sources=("003_2fea97fb18e492ae 11.1.1",),
        says="The initializer belongs to the activation: Glorot for sigmoid, tanh and softmax, He for ReLU and its "
        "variants, LeCun for SELU. Keras draws by Glorot unless told otherwise.",
        experiments=(
            Experiment(
                slug="he-deep",
                title="20 hidden layers",
                data=data.digits,
                before=partial(stack, 20, "relu"),
                after="he-initializer",
                arms=("Glorot", "He"),
                rule="INI001",
                asks={"slow": Outcome.confirmed, "helps": Outcome.confirmed},
                epochs=20,
                batch_size=64,
            ),
            Experiment(
                slug="he-shallow",
                title="3 hidden layers",
                data=data.digits,
                before=partial(stack, 3, "relu"),
                after=partial(stack, 3, "relu", "he_normal"),
                arms=("Glorot", "He"),
                silent=("INI001",),
                asks={"slow": Outcome.refuted, "helps": Outcome.inconclusive},
            ),
        ),
        standing=Standing.partly,
        conclusion="the network is deep. Twenty layers lose their signal under Keras's default, and never catch up. "
        "With three layers nothing is lost, six seeds tell no difference, and archlint is silent: it goes by the "
        "signal that it predicts, not by the name of the initializer.",
    ),
)
