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


def sentiment(*stack: Any) -> Any:
    """A network for sequences of words."""
    head = (Dense(64, activation="relu"), *stack[1:], Dense(1, activation="sigmoid"))
    return network((16,), Embedding(100, 16), *stack[0], *head, loss="binary_crossentropy")


def plain() -> Any:
    """One LSTM."""
    return sentiment([LSTM(16)])


def both_ways() -> Any:
    """One LSTM, read from both sides."""
    return sentiment([Bidirectional(LSTM(16))])


def stacked() -> Any:
    """Two LSTMs, read from both sides, and dropout."""
    return sentiment([Bidirectional(LSTM(16, return_sequences=True)), Bidirectional(LSTM(8))], Dropout(0.5))


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
        ),
        standing=Standing.holds,
        conclusion="Most seeds explode without clipping, and none with it. Those that do not explode learn the same: "
        "the threshold was never reached.",
    ),
    Passage(
        slug="lstm-dropout",
        title="Dropout in a recurrent network",
        sources=(LSTM_POST,),
        says="With dropout the accuracy is above 0.8, where it was below 0.6. (The network with dropout also reads "
        "from both sides and has a second LSTM. The third of the post, both ways and without dropout, reaches 0.9.)",
        experiments=(
            Experiment(
                slug="lstm-all",
                title="as in the post: two LSTMs both ways and dropout, against one LSTM",
                data=data.sentences,
                before=plain,
                after=stacked,
                arms=("LSTM", "2 both ways, dropout"),
                asks={"helps": Outcome.inconclusive},
                epochs=15,
            ),
            Experiment(
                slug="lstm-both-ways",
                title="both ways alone",
                data=data.sentences,
                before=plain,
                after=both_ways,
                arms=("LSTM", "both ways"),
                asks={"helps": Outcome.inconclusive},
                epochs=15,
            ),
        ),
        standing=Standing.open,
        conclusion="Within fifteen epochs none of these networks learns much from so few made-up reviews, so nothing "
        "is seen of dropout, nor of reading both ways. Nor could the post's comparison tell: it changes three things "
        "at once, and its third network, without dropout, is the best of all.",
    ),
)
