"""Overfitting and what is said to help against it: the first, second and fifth post."""

from functools import partial
from typing import Any

from keras import regularizers
from keras.layers import Dense, Dropout

from archlint.lab.verdict import Outcome
from benchmarks.material import data
from benchmarks.material.build import classifier, network, yes_or_no
from benchmarks.material.case import Experiment, Passage, Standing

ADDING = ("000_088e1f67778bce53 Adding Dropout", "004_6fb33d3fe76b48b8 Adding Dropout")
IMDB = "001_ef3248903bc3bbdc 과적합"


def popular(rate: float, features: int = 18) -> Any:
    """The network for songs, with dropout or, at a rate of 0, without."""
    drops = [[Dropout(rate)] if rate else [] for _ in range(2)]
    return network((features,), Dense(128, "relu"), *drops[0], Dense(64, "relu"), *drops[1], Dense(1))


def patients(rate: float) -> Any:
    """The same for raw inputs."""
    drops = [[Dropout(rate)] if rate else [] for _ in range(2)]
    return yes_or_no((30,), Dense(128, "relu"), *drops[0], Dense(64, "relu"), *drops[1])


def narrow(rate: float) -> Any:
    """A small classifier of digits."""
    drops = [[Dropout(rate)] if rate else [] for _ in range(2)]
    return classifier((64,), Dense(16, "relu"), *drops[0], Dense(16, "relu"), *drops[1])


def judged(*widths: int, rate: float = 0.0, penalty: Any = None) -> Any:
    """A network for reviews."""
    stack: list[Any] = []
    for units in widths:
        stack += [Dense(units, "relu", kernel_regularizer=penalty), *([Dropout(rate)] if rate else [])]
    return yes_or_no((100,), *stack)


BASIC = partial(judged, 128, 128)

PASSAGES = (
    Passage(
        slug="overfitting",
        title="Too many parameters for the data overfit",
        sources=(f"{IMDB} - IMDB", "003_2fea97fb18e492ae 11"),
        says="A model that is too complex for its data, trained for too long, fits the training data and gets worse on "
        "all other; a larger network shows it more.",
        experiments=(
            Experiment(
                slug="overfit-size",
                title="4 layers of 256 and more, or 128 and 64",
                data=data.reviews,
                before=partial(judged, 512, 256, 256, 256),
                after=partial(judged, 128, 64),
                arms=("large", "small"),
                rule="DRP001",
                asks={"overfits": Outcome.inconclusive},
                epochs=30,
                batch_size=100,
            ),
            Experiment(
                slug="overfit-tiny",
                title="layers of 128 and 64, or of 4 and 4",
                data=data.reviews,
                before=partial(judged, 128, 64),
                after=partial(judged, 4, 4),
                arms=("small", "tiny"),
                rule="DRP001",
                asks={"overfits": Outcome.remedy_refuted},
                epochs=30,
                batch_size=100,
            ),
        ),
        standing=Standing.holds,
        conclusion="The large network overfits earlier and further. Yet its best point is no worse: stopped in time "
        "it does as well, and the smallest one is too small to be good at all.",
    ),
    Passage(
        slug="dropout",
        title="Dropout against overfitting",
        sources=("000_088e1f67778bce53 Dropout Evaluation", *ADDING),
        says="Without dropout the validation loss rises again; with dropout of 0.3 it stays near its lowest value.",
        experiments=(
            Experiment(
                slug="dropout-songs",
                title="600 songs, mostly chance",
                data=data.songs,
                before=partial(popular, 0),
                after=partial(popular, 0.3),
                arms=("without", "dropout"),
                rule="DRP001",
                asks={"overfits": Outcome.inconclusive, "helps": Outcome.confirmed},
                epochs=120,
            ),
            Experiment(
                slug="dropout-clean",
                title="1,500 samples of a formula, hardly any chance",
                data=data.formula,
                before=partial(popular, 0, features=10),
                after=partial(popular, 0.3, features=10),
                arms=("without", "dropout"),
                silent=("DRP001",),
                asks={"helps": Outcome.refuted},
                epochs=50,
            ),
            Experiment(
                slug="dropout-raw",
                title="inputs from 0 to 4,254",
                data=data.raw_cells,
                before=partial(patients, 0),
                after=partial(patients, 0.3),
                arms=("without", "dropout"),
                rule="NRM008",
                asks={"helps": Outcome.refuted},
                epochs=50,
            ),
        ),
        standing=Standing.partly,
        conclusion="there is more chance in the data than signal, and inputs are scaled. On songs it helps. Where the "
        "target follows from the inputs, and where inputs come as they are, the best validation loss is worse with "
        "it. On raw inputs archlint asks for scaled ones first.",
    ),
    Passage(
        slug="penalties",
        title="L1, L2 and dropout on one network",
        sources=(f"{IMDB} - L1, L2 Regularization", f"{IMDB} - Dropout"),
        says="Each keeps a network for reviews with two layers of 128 from overfitting.",
        experiments=tuple(
            Experiment(
                slug=f"reviews-{slug}",
                title=title,
                data=data.reviews,
                before=BASIC,
                after=after,
                arms=("plain", arm),
                rule="DRP001",
                asks={"overfits": outcome},
            )
            for slug, title, arm, after, outcome in (
                ("l1", "L1 of 0.001", "L1", partial(BASIC, penalty=regularizers.L1(0.001)), Outcome.confirmed),
                ("l2", "L2 of 0.001", "L2", partial(BASIC, penalty=regularizers.L2(0.001)), Outcome.remedy_refuted),
                ("dropout", "dropout of 0.3", "dropout", partial(BASIC, rate=0.3), Outcome.inconclusive),
            )
        ),
        standing=Standing.partly,
        conclusion="the end of the curve is meant: there all do better by far. At the best point L1 helps a little, "
        "L2 by less than is worth a change, and dropout not at all: stopping early is as good.",
    ),
    Passage(
        slug="dropout-larger",
        title="With dropout, layers must be larger",
        sources=("004_6fb33d3fe76b48b8 Example - Using Dropout and Batch Normalization", f"{IMDB} - Dropout"),
        says="With dropout a larger network overfits less, and one may need more units than without.",
        experiments=(
            Experiment(
                slug="narrow-dropped",
                title="layers of 16 units, with and without dropout",
                data=data.digits,
                before=partial(narrow, 0),
                after=partial(narrow, 0.3),
                arms=("without", "dropout"),
                asks={"helps": Outcome.refuted},
                epochs=20,
            ),
        ),
        standing=Standing.holds,
        conclusion="With dropout of 0.3, layers of 16 units are far too small, where without it they do well.",
    ),
)
