"""Recurrent networks: clipping in the third post, dropout in the fourth."""

from functools import partial
from typing import Any

import keras
from keras.layers import LSTM, Bidirectional, Dense, Dropout, Embedding, SimpleRNN

from archlint.lab.verdict import Outcome
from benchmarks.material import data
from benchmarks.material.build import network
from benchmarks.material.case import Experiment, Passage, Standing

LSTM_POST = "002_46258a90a568328f 드롭아웃 실습"


def series(cell: Any, **clip: float) -> Any:
    """A regression over 100 steps, trained as in the post."""
    return network((100, 4), cell, Dense(1), optimizer=keras.optimizers.SGD(0.01, **clip), loss="mse")


def simple(**clip: float) -> Any:
    """A cell whose state nothing bounds."""
    return series(SimpleRNN(32, activation="relu", recurrent_initializer="he_normal"), **clip)


def bounded(**clip: float) -> Any:
    """A cell whose state is held within bounds."""
    return series(LSTM(32), **clip)


def early(*cells: Any, rate: float = 0.0) -> Any:
    """The network for sentences, a quarter as wide, with dropout or, at a rate of 0, without."""
    drop = [Dropout(rate)] if rate else []
    head = (Dense(64, activation="relu"), *drop, Dense(1, activation="sigmoid"))
    return network((12,), Embedding(30, 16), *cells, *head, loss="binary_crossentropy")


def plain(rate: float = 0.0) -> Any:
    """One LSTM."""
    return early(LSTM(16), rate=rate)


def both_ways() -> Any:
    """One LSTM, read from both sides."""
    return early(Bidirectional(LSTM(16)))


def stacked() -> Any:
    """Two LSTMs, read from both sides, and dropout."""
    return early(Bidirectional(LSTM(16, return_sequences=True)), Bidirectional(LSTM(8)), rate=0.5)


PASSAGES = (
    Passage(
        slug="clipping",
        title="Clipping keeps gradients from exploding",
        sources=("003_2fea97fb18e492ae 11.1.4",),
        says="Cutting gradients off at a threshold weakens exploding gradients; it is useful in recurrent networks, "
        "where batch normalization cannot be used. It can turn the gradient's direction.",
        experiments=(
            Experiment(
                slug="clip-simple",
                title="100 steps of a simple cell with ReLU, SGD",
                data=data.series,
                before=simple,
                after=partial(simple, clipvalue=1.0),
                arms=("no clipping", "clipvalue=1"),
                rule="RNN001",
                asks={"explodes": Outcome.confirmed, "helps": Outcome.confirmed},
                epochs=10,
            ),
            Experiment(
                slug="clip-lstm",
                title="the same with an LSTM",
                data=data.series,
                before=bounded,
                after=partial(bounded, clipvalue=1.0),
                arms=("no clipping", "clipvalue=1"),
                rule="RNN001",
                asks={"explodes": Outcome.refuted, "helps": Outcome.refuted},
                epochs=5,
            ),
        ),
        standing=Standing.partly,
        conclusion="gradients do explode. In a simple cell most seeds explode without clipping, and none with it; the "
        "others learn the same, as they never reach the threshold. An LSTM at its defaults does not explode over 100 "
        "steps, and learns the same with clipping: there it is a precaution, and archlint's finding only advice.",
    ),
    Passage(
        slug="lstm-dropout",
        title="Dropout in a recurrent network",
        sources=(LSTM_POST,),
        says="With dropout the accuracy is above 0.8, where it was below 0.6. (The network with dropout also reads "
        "from both sides and has a second LSTM. The third of the post, both ways and without dropout, reaches 0.9.)",
        experiments=(
            Experiment(
                slug="lstm-dropout",
                title="dropout of 0.5 alone",
                data=data.sentences,
                before=plain,
                after=partial(plain, 0.5),
                arms=("LSTM", "dropout"),
                asks={"overfits": Outcome.remedy_refuted},
                epochs=20,
            ),
            Experiment(
                slug="lstm-both-ways",
                title="both ways alone",
                data=data.sentences,
                before=plain,
                after=both_ways,
                arms=("LSTM", "both ways"),
                asks={"helps": Outcome.refuted},
                epochs=20,
            ),
            Experiment(
                slug="lstm-all",
                title="as in the post: two LSTMs both ways and dropout, against one LSTM",
                data=data.sentences,
                before=plain,
                after=stacked,
                arms=("LSTM", "2 both ways, dropout"),
                asks={"helps": Outcome.inconclusive},
                epochs=20,
            ),
        ),
        standing=Standing.fails,
        conclusion="On sentences that an LSTM learns within twenty epochs, neither dropout alone nor reading both ways "
        "alone makes a difference that is worth a change, and all that the post changes together is not seen to. The "
        "post could not tell what helped: it changes three things at once, and its third network, without dropout, "
        "is the best of all.",
    ),
)
