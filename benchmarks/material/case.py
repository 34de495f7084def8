"""What a case is made of: a passage of the posts, and the experiments that show whether it holds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archlint.lab.verdict import Outcome

Arrays = Mapping[str, NDArray[np.generic]]
"""Training data by the names that `--data` takes: `x`, `y`, and `groups` where samples belong together."""

Build = Callable[[], Any]
"""Builds a compiled Keras model. It is called in an empty session, so that layers are counted from the start."""


class Standing(StrEnum):
    """How a passage fares."""

    holds = "holds"
    partly = "holds only where"
    fails = "does not hold"
    open = "stays open"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Two networks that differ in one thing, and what the lab is asked about them.

    `after` is a network, the name of a remedy of archlint's that makes it out of `before`, or None where the arms
    differ in their batches. `arms` is what to call the two. `rule` is the code of the rule that has to speak of
    `before`, None if none does; `silent` are those that must not. `asks` has the lab's claims with the outcome of each
    that the text on the passage goes by: another outcome calls for another text. `reused` is a network whose trained
    weights `after` begins with, for all layers that have their names and shapes.
    """

    slug: str
    title: str
    data: Callable[[], Arrays]
    before: Build
    after: Build | str | None
    arms: tuple[str, str]
    asks: Mapping[str, Outcome]
    rule: str | None = None
    silent: tuple[str, ...] = ()
    epochs: int = 30
    batch_size: int = 32
    seeds: int = 6
    reused: Build | None = None


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A claim of the posts in our words, where it stands, and what came of it."""

    slug: str
    title: str
    sources: Sequence[str]
    says: str
    experiments: Sequence[Experiment]
    standing: Standing
    conclusion: str
