"""Models that are saved, checked, and put to the test by the lab."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from msgspec.structs import replace

from archlint.dataset import load as load_data
from archlint.evidence import Evidence
from archlint.facts import build
from archlint.lab import samples
from archlint.lab.events import Event, Planned, Request
from archlint.lab.run import prove
from archlint.lab.training import pin_threads
from archlint.lab.verdict import Verdict
from archlint.readers import open_model
from archlint.rules import Rule, load, run

pin_threads()

RULES = {rule.code: rule for rule in load()}
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 10)).astype("float32")
LINE = X[:, 0] + 0.1 * RANDOM.normal(size=60).astype("float32")
COIN = (X[:, 0] + 2 * RANDOM.normal(size=60) > 0).astype("float32")


class Proof(NamedTuple):
    """What the lab found, and what it told on the way."""

    verdicts: tuple[Verdict, ...]
    events: list[Event]

    @property
    def planned(self) -> Planned:
        """The plan."""
        (found,) = (event for event in self.events if isinstance(event, Planned))
        return found

    @property
    def only(self) -> Verdict:
        """The verdict, where there is one."""
        (verdict,) = self.verdicts
        return verdict

    def of(self, kind: type) -> list[Any]:
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]


def proved(
    folder: Path, model: Any, *rules: str | Rule, data: Mapping[str, Any] | None = None, **request: Any
) -> Proof:
    """The findings of some rules (codes, or rules) in a live model, or in the file at a path, put to the test."""
    path, given = folder / "model.h5", folder / "train.npz"
    if isinstance(model, Path):
        path = model
    else:
        model.save(path)
    if data:
        np.savez(given, **data)
    facts = load_data(given) if data else None
    chosen = {rule.code: rule for rule in (RULES[rule] if isinstance(rule, str) else rule for rule in rules)}
    events: list[Event] = []
    with open_model(path) as read, closing(build(read, Evidence(data=facts))) as known:
        report = run(chosen.values(), known.connection, known.absent)
        found = [(chosen[finding.code], finding) for finding in report.findings]
        arrays = samples.load(given, facts, read) if facts else None
        asked = Request(path=str(path), rules=(), **{"budget": 600.0, **request})
        return Proof(prove(read, found, arrays, asked, events.append, trained=known.trained), events)


def everywhere(code: str, claim: str, remedy: str | None, where: str = "layer.id = 1") -> Rule:
    """A rule that finds this claim at a layer without looking."""
    return replace(
        RULES["ACT009"],
        code=code,
        claim=claim,
        remedy=remedy,
        message="{layer}",
        advice="{layer}",
        fix=None,
        sql=f"SELECT layer.name AS layer FROM layer WHERE {where}",
    )


def chain(*stack: Any, inputs: tuple[int, ...] = (10,)) -> Any:
    """A Sequential whose layers are named by their place, as initial weights follow from names."""
    for place, layer in enumerate(stack):
        if layer.name.rstrip("_0123456789") in ("dense", "activation", "dropout", "batch_normalization", "lstm"):
            layer.name = f"{type(layer).__name__.lower()}{place}"
    return keras.Sequential([keras.Input(inputs, name="input"), *stack])


def compiled(model: Any, optimizer: Any = "adam", loss: str = "mse") -> Any:
    """The model, ready to be trained."""
    model.compile(optimizer, loss)
    return model
