"""Layers that were trained on another task: section 11.2 of the third post."""

from functools import partial
from typing import Any

from archlint.lab.verdict import Outcome
from benchmarks.material import data
from benchmarks.material.build import classifier, yes_or_no
from benchmarks.material.case import Experiment, Passage, Standing
from benchmarks.material.initialization import hidden


def other(depth: int) -> Any:
    """A network that has learned to tell zeros to sevens apart."""
    model = classifier((64,), *hidden(depth, "relu", "he_normal"), classes=8)
    model.fit(*data.other_digits().values(), epochs=20, verbose=0)
    return model


def wanted(depth: int) -> Any:
    """A network that is to tell eights from nines."""
    return yes_or_no((64,), *hidden(depth, "relu", "he_normal"), optimizer="sgd")


def kept(depth: int) -> Any:
    """The same, of which only the output is trained."""
    model = wanted(depth)
    for layer in model.layers[:-1]:
        layer.trainable = False
    model.compile("sgd", "binary_crossentropy")
    return model


PASSAGES = (
    Passage(
        slug="transfer",
        title="Reused layers need less data and fewer epochs",
        sources=("003_2fea97fb18e492ae 11.2", "003_2fea97fb18e492ae 11.2.1"),
        says="Lower layers that were trained on a similar task speed a training up and save data, though not in "
        "shallow networks; freeze them at first.",
        experiments=(
            Experiment(
                slug="transfer-tuned",
                title="3 hidden layers, all trained on",
                data=data.few_eights_and_nines,
                before=partial(wanted, 3),
                after=partial(wanted, 3),
                arms=("from scratch", "reused"),
                asks={"helps": Outcome.confirmed},
                reused=partial(other, 3),
                batch_size=16,
            ),
            Experiment(
                slug="transfer-frozen",
                title="the same, reused layers frozen throughout",
                data=data.few_eights_and_nines,
                before=partial(wanted, 3),
                after=partial(kept, 3),
                arms=("from scratch", "frozen"),
                asks={"helps": Outcome.inconclusive},
                reused=partial(other, 3),
                batch_size=16,
            ),
        ),
        standing=Standing.holds,
        conclusion="With 80 samples to learn from, layers that know other digits are well ahead, even in so shallow a "
        "network. Frozen throughout they are not seen to be: that is for the beginning, as the post says.",
    ),
)
