"""From findings to trials: what each would train, whether it can, and how long it would take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any, Literal

import numpy as np

from archlint.errors import ArchlintError
from archlint.facts.signal_rows import adaptive
from archlint.graph import Layer, Model, Training
from archlint.lab.arms import Arm, Expected, Plan, Weights
from archlint.lab.bench import Bench
from archlint.lab.budget import undecided, within_budget
from archlint.lab.claims import CLAIMS, Claim
from archlint.lab.events import Level, Request, TrialInfo
from archlint.lab.network import built, network, weights_of
from archlint.lab.profiles import expected
from archlint.lab.traced.trials import Traces
from archlint.lab.trial import AS_IT_IS, Trial
from archlint.lab.untried import hindered, probe, trained_with
from archlint.lab.verdict import Reason
from archlint.remedies import RemedyError, apply
from archlint.rules import Finding, Rule
from archlint.writers.keras import written

BATCH_SIZE = 32
"""Keras's default."""

STEPS = 1500
"""Steps of a whole training, about: what overfits at all has by then."""

EPOCHS = (20, 200)
"""The fewest and the most epochs that are chosen for those steps."""

Finds = Sequence[tuple[Rule, Finding]]


def plan(model: Model, found: Finds, bench: Bench, request: Request, *, trained: bool | None = None) -> list[Trial]:
    """A trial for each finding whose rule has a claim, in their order; those that cannot be run have a reason.

    Args:
        model: the model, its file still open.
        found: what the rules said of it.
        bench: on which a few steps of each arm are timed.
        request: what was asked for.
        trained: whether the stored weights have left their initialization; None if that is not known.
    """
    drafts = _Drafts(model, bench, request, trained)
    trials = [drafts.trial(number, rule, finding) for number, (rule, finding) in enumerate(found) if rule.claim]
    return within_budget(trials, bench, request)


@dataclass
class _Drafts:
    """Makes trials; what they have in common is found out once."""

    model: Model
    bench: Bench
    request: Request
    trained: bool | None
    _built: set[str] = field(default_factory=set)
    _expected: dict[str, Mapping[str, Expected]] = field(default_factory=dict)

    def trial(self, number: int, rule: Rule, finding: Finding) -> Trial:
        """A trial before its costs are known."""
        claim = CLAIMS.get(rule.claim or "")
        info = self._info(number, rule, finding, claim)
        trial = Trial(info, finding, claim, plan=self.plan, least=self.request.seeds[0], optimizer=self.optimizer)
        if claim is None:
            return undecided(trial, Reason.unbuildable, f"there is no claim {rule.claim!r}")
        hindrance = hindered(claim.name, self.model, self.request.level, has_data=self.bench.samples is not None)
        if hindrance is not None:
            return undecided(trial, *hindrance)
        try:
            return self._with_arms(trial, claim) if self.model.exchange is None else self._traces.trial(trial)
        except ArchlintError as error:
            return undecided(trial, Reason.unbuildable, str(error))

    @cached_property
    def _traces(self) -> Traces:
        return Traces(Path(self.request.path), self.model, self.bench)

    def _info(self, number: int, rule: Rule, finding: Finding, claim: Claim | None) -> TrialInfo:
        info = probe(number, rule, finding)
        if claim is None:
            return info
        harm = self.bench.samples is not None and (claim.harm_epochs or claim.harm_steps is not None)
        if self.request.level is Level.train and harm:
            epochs = self.plan.epochs if claim.harm_epochs else None
            return _replace(
                info, level=Level.train, seeds=self.request.most_seeds, epochs=epochs, steps=claim.harm_steps
            )
        return _replace(info, seeds=claim.draws, steps=claim.steps)

    def _with_arms(self, trial: Trial, claim: Claim) -> Trial:
        saved = self._saved() if self.has_frozen or claim.looks_at_saved else {}
        start: Literal["saved", "fresh"] = "saved" if self.pretrained else "fresh"
        configuration = written(self.adapted)
        before = Arm(AS_IT_IS, configuration.config, self.model.training or Training(), saved, start)
        if claim.is_of_signal:
            before = self._with_expected(before, self.adapted, configuration.names)
        trial = replace(
            trial,
            before=before,
            names=configuration.names,
            adaptive=adaptive(self.model.training),
            assumed=self._assumed(trial, claim),
        )
        return self._with_remedy(trial, claim, before)

    def _with_remedy(self, trial: Trial, claim: Claim, before: Arm) -> Trial:
        if trial.info.remedy is None or not claim.compares:
            return trial
        facts = self.bench.samples.facts if self.bench.samples else None
        try:
            changed = apply(trial.info.remedy, self.adapted, trial.finding, facts)
            configuration = written(changed)
            after = replace(
                before,
                name=trial.info.remedy,
                config=configuration.config,
                training=changed.training or Training(),
            )
            if before.start == "saved" and _undrawn(after) == _undrawn(before):
                raise RemedyError("it changes how weights are drawn, and every run begins with those in the file")
            self._try(after)
            if claim.is_of_signal:
                after = self._with_expected(after, changed, configuration.names)
        except ArchlintError as error:
            return replace(trial, note=f"The remedy {trial.info.remedy} was not tried: {error}")
        return replace(trial, after=after, info=_replace(trial.info, arms=(AS_IT_IS, trial.info.remedy)))

    def _with_expected(self, arm: Arm, model: Model, names: Mapping[str, str]) -> Arm:
        """Predicting takes a tenth of a second for a hundred layers, and many findings often mean the same arm."""
        key = self.bench.key(arm)
        if key not in self._expected:
            self._expected[key] = expected(model, names)
        return replace(arm, expected=self._expected[key])

    def _try(self, arm: Arm) -> None:
        """NetworkError if Keras cannot build it; the same change is often meant by many findings."""
        key = self.bench.key(arm)
        if key not in self._built:
            built(dict(arm.config))
            self._built.add(key)

    @cached_property
    def pretrained(self) -> bool:
        """Whether somebody continues from weights in the file: some layers are frozen, and the others not as drawn."""
        return self.has_frozen and self.trained is not False

    @cached_property
    def has_frozen(self) -> bool:
        """Whether the file has weights for layers that are frozen."""
        owners = {weight.layer for weight in self.model.stored()}
        return any(number in owners and _is_frozen(layer) for number, layer in enumerate(self.model.layers))

    def _saved(self) -> Weights:
        """The weights in the file; none if they cannot be had and training does not begin with them."""
        try:
            return self.saved
        except ArchlintError:
            if self.pretrained:
                raise
            return {}

    @cached_property
    def saved(self) -> Weights:
        """The weights in the file, by the layers' names in the configuration; its errors are those of `network`."""
        return weights_of(network(self.model)) if self.model.stored() else {}

    @cached_property
    def adapted(self) -> Model:
        """The model whose normalizations have what they were adapted to among their settings, as it is no weight."""
        stored: dict[int, dict[str, Any]] = {}
        for weight in self.model.stored():
            if weight.layer is not None and self.model.layers[weight.layer].kind == "normalization":
                stored.setdefault(weight.layer, {})[weight.name] = weight
        layers = [_adapted(layer, stored.get(number, {})) for number, layer in enumerate(self.model.layers)]
        return replace(self.model, layers=tuple(layers))

    @cached_property
    def plan(self) -> Plan:
        """How long, and in batches of which size; the same for all trials, so that they share arms."""
        size = self.request.batch_size or BATCH_SIZE
        samples = self.bench.samples
        steps = ceil(0.8 * len(samples.data) / size) if samples else 1
        epochs = self.request.epochs or min(max(round(STEPS / steps), EPOCHS[0]), EPOCHS[1])
        return Plan(epochs=epochs, batch_size=size)

    @cached_property
    def optimizer(self) -> str:
        """How the model is trained, in words."""
        return trained_with(self.model)

    def _assumed(self, trial: Trial, claim: Claim) -> tuple[str, ...]:
        notes = []
        if self.bench.samples is None:
            notes.append("standardized random inputs stand in for the data")
        else:
            notes.append("the network is fed with the data as they are in the file")
            notes += self.bench.samples.assumed
        if trial.info.level is Level.train or claim.steps:
            if self.request.batch_size is None:
                notes.append(f"a batch size of {self.plan.batch_size}, Keras's default, was assumed")
            if trial.info.epochs and self.request.epochs is None:
                notes.append(f"{self.plan.epochs} epochs were chosen by the number of samples")
        if self.pretrained:
            notes.append("some layers are frozen, so every run began with the weights in the file")
        elif self.trained:
            notes.append("every run began with newly drawn weights, not with those in the file")
        return tuple(notes)


def _replace(info: TrialInfo, **changes: Any) -> TrialInfo:
    from msgspec.structs import replace as replaced

    return replaced(info, **changes)


def _undrawn(arm: Arm) -> tuple[Any, Training]:
    """All of an arm but how its weights are drawn."""
    return _without_initializers(arm.config), arm.training


def _without_initializers(config: Any) -> Any:
    if isinstance(config, Mapping):
        return {k: _without_initializers(v) for k, v in config.items() if not str(k).endswith("initializer")}
    return [_without_initializers(value) for value in config] if isinstance(config, list | tuple) else config


def _is_frozen(layer: Layer) -> bool:
    return not layer.trainable and layer.traits.weighted


def _adapted(layer: Layer, stored: dict[str, Any]) -> Layer:
    if not {"mean", "variance"} <= stored.keys():
        return layer
    numbers = {name: np.ravel(stored[name].read()).tolist() for name in ("mean", "variance")}
    return replace(layer, args={**layer.args, **numbers})
