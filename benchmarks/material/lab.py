"""Runs an experiment: both networks are saved, checked, and put to the test by the lab."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import msgspec
import numpy as np

from archlint.dataset import Dataset
from archlint.dataset import load as load_data
from archlint.evidence import Evidence
from archlint.facts import build
from archlint.facts.signal_rows import adaptive
from archlint.graph import Model, Training
from archlint.lab import samples
from archlint.lab.bench import Bench
from archlint.lab.claims import CLAIMS
from archlint.lab.events import Event, Level, Ran, Request, TrialInfo
from archlint.lab.run import run
from archlint.lab.training import Arm, Plan, Weights, leaves, pin_threads
from archlint.lab.trial import Trial
from archlint.lab.verdict import Verdict
from archlint.readers import open_model
from archlint.remedies import apply
from archlint.rules import Finding, load
from archlint.rules import run as judge
from archlint.writers.keras import written
from benchmarks.material.case import Build, Experiment

RULES = [rule for rule in load() if rule.stage == "stable"]

BUDGET = 3600.0
"""Seconds, more than any experiment takes: no verdict may depend on how busy the machine is."""

TRAINED = ("helps", "overfits", "tiny-batches")
"""Claims that whole trainings decide; the others are only measured at the beginning of one."""

_NO_FINDING = Finding(code="", name="", severity="advice", layer=None, message="", advice="", fix=None, evidence={})


class Said(msgspec.Struct, frozen=True):
    """What `archlint check` says of a network in one of its findings."""

    code: str
    name: str
    severity: str
    layer: str | None
    message: str


class Measured(msgspec.Struct, frozen=True):
    """What came of an experiment: findings in both networks, verdicts by claim, and the curves of both arms."""

    before: tuple[Said, ...]
    after: tuple[Said, ...]
    verdicts: Mapping[str, Verdict]
    runs: tuple[Ran, ...]


@dataclass(frozen=True)
class Stage:
    """Both networks of an experiment as archlint reads them, the findings in them, and the data.

    `before` and `after` can be read from as long as `staged` goes on.
    """

    experiment: Experiment
    path: Path
    data: Dataset
    before: Model
    after: Model | None

    def findings(self, model: Model | None) -> tuple[Finding, ...]:
        """What `archlint check` says of one of the networks, with the data."""
        if model is None:
            return ()
        with closing(build(model, Evidence(data=self.data))) as known:
            return judge(RULES, known.connection, known.absent).findings

    def said(self) -> tuple[tuple[Said, ...], tuple[Said, ...]]:
        """The findings in both networks, as they are recorded."""
        both = (self.findings(self.before), self.findings(self.after))
        before, after = (
            tuple(Said(one.code, one.name, one.severity, one.layer, one.message) for one in found) for found in both
        )
        return before, after


@contextmanager
def staged(experiment: Experiment) -> Iterator[Stage]:
    """The experiment, ready to be run."""
    with TemporaryDirectory() as folder, ExitStack() as open_files:
        path = Path(folder, f"{experiment.data.__name__.replace('_', '-')}.npz")
        np.savez(path, **experiment.data())
        facts = load_data(path)

        def read(build_it: Build, name: str) -> Model:
            new(build_it).save(Path(folder, name))
            return open_files.enter_context(open_model(Path(folder, name)))

        before = read(experiment.before, "before.keras")
        after = experiment.after
        if isinstance(after, str):
            finding = finding_of(experiment, Stage(experiment, path, facts, before, None).findings(before))
            changed = replace(apply(after, before, finding, facts), stored=tuple)  # as new: it was not trained so
        else:
            changed = after and read(after, "after.keras")
        yield Stage(experiment, path, facts, before, changed)


def new(build_it: Build) -> Any:
    """A new network, its layers named as in a new session."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    return build_it()


def finding_of(experiment: Experiment, findings: tuple[Finding, ...]) -> Finding:
    """That of the rule which the experiment is about; without one, a finding that says nothing."""
    return next((one for one in findings if one.code == experiment.rule), _NO_FINDING)


def check(experiment: Experiment) -> tuple[Said, ...]:
    """What archlint says of the first network."""
    with staged(replace(experiment, after=None)) as stage:
        return stage.said()[0]


def measure(experiment: Experiment) -> Measured:
    """Check both networks and put the claims of an experiment to the test."""
    pin_threads()
    heard: list[Event] = []
    with staged(experiment) as stage:
        finding = finding_of(experiment, stage.findings(stage.before))
        bench = Bench(samples.load(stage.path, stage.data, stage.before), heard.append)
        trials = [_trial(stage, finding, number, claim) for number, claim in enumerate(experiment.asks)]
        verdicts = run(trials, bench, Request(path="", rules=(), budget=BUDGET))
        before, after = stage.said()
    runs = {(event.arm, event.seed): event for event in heard if isinstance(event, Ran)}
    return Measured(before, after, dict(zip(experiment.asks, verdicts, strict=True)), tuple(runs.values()))


def _trial(stage: Stage, finding: Finding, number: int, claim: str) -> Trial:
    asked = stage.experiment
    before, after = _arms(stage)
    trained = claim in TRAINED
    tested = CLAIMS[claim]
    info = TrialInfo(
        number=number,
        code=finding.code,
        rule=finding.name,
        claim=claim,
        layer=finding.layer,
        remedy=asked.arms[1],
        level=Level.train if trained else Level.probe,
        arms=asked.arms,
        seeds=asked.seeds if trained else tested.draws,
        epochs=asked.epochs if trained else None,
        steps=tested.steps,
    )
    return Trial(
        info,
        finding,
        tested,
        before,
        after,
        Plan(epochs=asked.epochs, batch_size=asked.batch_size),
        written(stage.before).names,
        optimizer=_optimizer(stage.before),
        adaptive=adaptive(stage.before.training),
    )


def _arms(stage: Stage) -> tuple[Arm, Arm | None]:
    names = stage.experiment.arms
    before = Arm(names[0], written(stage.before).config, stage.before.training or Training())
    if stage.after is None:
        return before, None
    config, training = written(stage.after).config, stage.after.training or Training()
    reused = stage.experiment.reused
    saved: Weights = _weights(new(reused)) if reused else {}
    return before, Arm(names[1], config, training, saved, "saved" if reused else "fresh")


def _weights(model: Any) -> Weights:
    """All weights but those of the output, which is new in another task."""
    return {path: layer.get_weights() for path, layer in leaves(model) if layer.weights and layer != model.layers[-1]}


def _optimizer(model: Model) -> str:
    stated = model.training and model.training.optimizer
    return f"{stated.name} at a learning rate of {stated.learning_rate:.3g}" if stated else "Adam"
