"""The bench: arms that are ready to run, and what they have shown so far.

Arms that are the same (most findings compare with the model as it is) are trained once for each seed, whoever asks.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from math import inf, isfinite
from time import perf_counter
from typing import Any
from uuid import uuid4

import numpy as np

from archlint.errors import ArchlintError
from archlint.lab import probes
from archlint.lab.arms import Arm, Array, Cost, Curves, Data, Expected, Plan, Strength
from archlint.lab.engines import Engine
from archlint.lab.events import Epoch, Measured, Profiled, Ran, Received, Tell
from archlint.lab.initial import initialize
from archlint.lab.live import from_list, outputs
from archlint.lab.network import NetworkError, built
from archlint.lab.runs import Result, Run, Trainers, brief
from archlint.lab.samples import Samples
from archlint.lab.thresholds import FEWEST_SEEDS, LEVEL, PROBE_SAMPLES, PROFILED_DRAWS, PROFILED_SAMPLES
from archlint.lab.training import Trainer
from archlint.lab.trial import Trial

RANDOM = "random inputs"
"""What verdicts call the inputs where no data are given."""

PROBED_VALUES = 2**26
"""Values that all layers together put out for the batch of a probe: 270 MB, if all were kept."""

FEWEST_SAMPLES = 8

Course = tuple[Arm, Plan]
"""What is trained, and how."""
_Place = tuple[str, int]
"""Of a run: its arm and plan as `_key` has them, and its seed."""


class Bench:
    """Runs arms, remembers what came out, and tells of it.

    Intervals have to decide at `level`. At the time `ends` the budget is used up. So many `processes` of the `engine`
    train, or none but this one.

    Args:
        samples: the user's data; without, random inputs stand in for them.
        tell: is told of every measurement and epoch.
        engine: other processes that can be had.
    """

    def __init__(self, samples: Samples | None, tell: Tell, engine: Engine | None = None) -> None:
        self.samples, self.tell, self.engine = samples, tell, engine
        self.processes = 0
        self.level = LEVEL
        self.ends = inf
        self.cut = False
        self._number = 0
        self._seeds = (FEWEST_SEEDS, FEWEST_SEEDS)
        self._trainers = Trainers()
        self._name = uuid4().hex
        self._curves: dict[_Place, Result] = {}
        self._coming: Iterator[tuple[_Place, Result]] = iter(())
        self._sent: set[_Place] = set()
        self._expected: list[Course] = []
        self._losses: dict[tuple[str, int, int], list[float]] = {}
        self._costs: dict[str, Cost] = {}
        self._looks: dict[str, tuple[float, float]] = {}
        self._network: tuple[str, Any] = ("", None)
        self._probed: dict[tuple[str, str], float] = {}
        self._profiles: dict[str, dict[str, Strength]] = {}
        self._notes: dict[str, tuple[str, ...]] = {}

    @property
    def data_name(self) -> str:
        """What verdicts call the data."""
        return self.samples.name if self.samples else RANDOM

    def expect(self, trials: Sequence[Trial]) -> None:
        """These will be run: other processes that have nothing to do for one train for those after it."""
        self._expected = [
            (arm, trial.plan)
            for trial in trials
            for arm in (trial.before, trial.after)
            if arm and trial.plan and trial.info.epochs and trial.reason is None
        ]

    def begin(self, trial: Trial) -> None:
        """What follows belongs to this trial."""
        self._number, self.cut = trial.info.number, False
        self._seeds = (trial.least, trial.info.seeds)

    def is_late(self) -> bool:
        """Whether the budget is used up; a trial that asks is cut short by it."""
        self.cut = perf_counter() > self.ends
        return self.cut

    def network(self, arm: Arm) -> Any:
        """The network of an arm, with the weights that are in the file if it starts from those.

        Raises:
            NetworkError: it cannot be built.
        """
        model = from_list(built(dict(arm.config)))
        initialize(model, 0, arm.saved, arm.start)
        return model

    def kept_network(self, arm: Arm) -> Any:
        """The same; kept for the next that asks, who must not have changed its weights."""
        key = _key(arm, None)
        if self._network[0] != key:
            self._network = (key, self.network(arm))
        return self._network[1]

    def inputs(self, model: Any, samples: int = PROBE_SAMPLES) -> list[Array]:
        """A batch for a probe: the user's samples, or random ones; fewer for a network whose layers are large."""
        many = max(FEWEST_SAMPLES, min(samples, PROBED_VALUES // max(1, _values(model))))
        if self.samples is None:
            return probes.noise(model, many)
        data = self.samples.data
        rows = np.random.default_rng(0).permutation(len(data))[:many]
        return [np.asarray(x[rows], tensor.dtype) for x, tensor in zip(data.x, model.inputs, strict=True)]

    def trainer(self, arm: Arm, plan: Plan) -> Trainer:
        """An arm, ready to be trained.

        Raises:
            NetworkError: Keras cannot build it, or not train it on these data.
        """
        key = _key(arm, plan)
        trainer = self._trainers.ready(key, arm, lambda: self._data(arm), plan)
        self._notes[key] = trainer.assumed
        return trainer

    def _data(self, arm: Arm) -> Data:
        if self.samples:
            return self.samples.data
        model = built(dict(arm.config))
        return stand_in(model, arm, self.inputs(model))

    def key(self, arm: Arm, plan: Plan | None = None) -> str:
        """The same for arms that train the same by this plan, or are the same before training."""
        return _key(arm, plan)

    def cost(self, arm: Arm, plan: Plan) -> Cost:
        """How long an arm takes, by timing a few steps of it.

        Raises:
            NetworkError: Keras cannot train it.
        """
        key = _key(arm, plan)
        if key not in self._costs:
            self._costs[key] = self._timed(self.trainer(arm, plan))
        return self._costs[key]

    def _timed(self, trainer: Trainer) -> Cost:
        try:
            return trainer.cost()
        except ArchlintError:
            raise
        except Exception as error:  # targets that do not fit the loss, an operation that the processor lacks
            raise NetworkError(f"Keras cannot train it: {brief(error)}") from error

    def assumed(self, trial: Trial) -> tuple[str, ...]:
        """What was taken for granted in training the arms of a trial."""
        arms = [arm for arm in (trial.before, trial.after) if arm] if trial.plan else []
        keys = [_key(arm, trial.plan) for arm in arms if trial.plan]
        return tuple(note for key in keys for note in self._notes.get(key, ()))

    def curves(self, arm: Arm, plan: Plan, seed: int) -> Curves:
        """What training showed, if need be after training it now."""
        (ran,) = self.together([(arm, plan)], seed)
        return ran

    def together(self, arms: Sequence[Course], seed: int) -> list[Curves]:
        """The same of several arms, of which one is never asked for without the others."""
        self._send(arms, seed)
        return [self._ran(arm, plan, seed) for arm, plan in arms]

    def _ran(self, arm: Arm, plan: Plan, seed: int) -> Curves:
        place = (_key(arm, plan), seed)
        if place in self._sent:
            self._take(place)
        if place not in self._curves:
            self._curves[place] = self.trainer(arm, plan).run(seed, self._watch(arm, seed))
        ran = self._curves[place]
        if isinstance(ran, Exception):
            raise ran
        self.tell(_summary(self._number, arm.name, ran))
        return ran

    def _send(self, arms: Sequence[Course], seed: int) -> None:
        """Has other processes train all that is needed before the seeds are looked at again.

        There are always enough runs for all processes; those that were not needed, nobody asks for.
        """
        if not self.processes or self.engine is None or self.samples is None:
            return
        least, most = self._seeds
        needed = self._missing(arms, range(seed, max(seed + 1, least)))
        if not needed:
            return
        self._take(None)
        perhaps = self._missing(self._expected, range(least)) | self._missing(arms, range(seed, most))
        spare = [(place, run) for place, run in perhaps.items() if place not in needed]
        runs = needed | dict(spare[: -len(needed) % self.processes])
        self._sent |= runs.keys()
        results = self.engine.results(list(runs.values()), self.samples.data, self.processes)
        self._coming = zip(runs, results, strict=True)

    def _missing(self, arms: Sequence[Course], seeds: Sequence[int]) -> dict[_Place, Run]:
        """Runs that nobody has made, in the order in which they are asked for."""
        return {
            (key, seed): Run(f"{self._name} {key}", arm, plan, seed)
            for seed in seeds
            for key, arm, plan in ((_key(arm, plan), arm, plan) for arm, plan in arms)
            if (key, seed) not in self._sent and (key, seed) not in self._curves
        }

    def _take(self, wanted: _Place | None) -> None:
        """Waits for this run; for all if None."""
        while wanted is None or wanted not in self._curves:
            place, result = next(self._coming, (None, None))
            if place is None or result is None:
                break
            self._curves[place] = result

    def losses(self, arm: Arm, plan: Plan, seed: int, steps: int) -> list[float]:
        """The losses of the first batches."""
        place = (_key(arm, plan), seed, steps)
        if place not in self._losses:
            self._losses[place] = self.trainer(arm, plan).first_losses(seed, steps)
        return self._losses[place]

    def probe(self, arm: Arm, what: str, measure: Callable[[Any, list[Array]], float]) -> float:
        """What is measured on the network of an arm and a batch, once for arms that are the same."""
        place = (_key(arm, None), what)
        if place not in self._probed:
            model = self.network(arm)
            self._probed[place] = measure(model, self.inputs(model))
        self.measured(arm, None, {what: self._probed[place]})
        return self._probed[place]

    def measured(self, arm: Arm, seed: int | None, numbers: Mapping[str, float]) -> None:
        """Tell what a probe has measured."""
        self.tell(Measured(number=self._number, arm=arm.name, seed=seed, numbers=_finite(numbers)))

    def profile(self, arm: Arm) -> None:
        """Tell what the layers of an arm receive before training, where that was predicted."""
        if not arm.expected:
            return
        key = _key(arm, None)
        if key not in self._profiles:
            model = self.network(arm)
            x = self.inputs(model, PROFILED_SAMPLES)
            self._profiles[key] = probes.profile(model, x, None if arm.start == "saved" else range(PROFILED_DRAWS))
        layers = tuple(_received(arm.expected[name], found) for name, found in self._profiles[key].items())
        self.tell(Profiled(number=self._number, arm=arm.name, layers=layers))

    def look_cost(self, arm: Arm) -> tuple[float, float]:
        """The seconds that it takes to draw the weights of a network anew, and to look at what becomes of a batch."""
        key = _key(arm, None)
        if key not in self._looks:
            model = self.network(arm)
            x = self.inputs(model)
            outputs(model, [array[:FEWEST_SAMPLES] for array in x], training=False)  # the first time takes longer
            began = perf_counter()
            initialize(model, 0, arm.saved, arm.start)
            drawn = perf_counter()
            outputs(model, x, training=False)
            self._looks[key] = (drawn - began, perf_counter() - drawn)
        return self._looks[key]

    def _watch(self, arm: Arm, seed: int) -> Any:
        def tell(epoch: int, train: float, val: float) -> None:
            event = Epoch(
                number=self._number, arm=arm.name, seed=seed, epoch=epoch, train=_known(train), val=_known(val)
            )
            self.tell(event)

        return tell


def stand_in(model: Any, arm: Arm, x: Sequence[Array]) -> Data:
    """Random inputs, and targets of the kind that the losses take, for probes that only look at what happens inside."""
    generator = np.random.default_rng(0)
    losses = arm.training.losses or (None,) * len(model.outputs)
    y = [
        _target(generator, loss.name if loss else "", tensor, len(x[0]))
        for loss, tensor in zip(losses, model.outputs, strict=True)
    ]
    return Data(tuple(x), tuple(y))


def _target(generator: np.random.Generator, loss: str, tensor: Any, samples: int) -> Array:
    shape = (samples, *(size or 16 for size in tensor.shape[1:]))
    if loss.startswith("sparse"):
        return generator.integers(shape[-1], size=shape[:-1])
    if loss.startswith("categorical"):
        return np.eye(shape[-1], dtype=np.float32)[generator.integers(shape[-1], size=shape[:-1])]
    if loss.startswith("binary") or "hinge" in loss:
        return generator.integers(2, size=shape).astype(np.float32)
    return generator.normal(size=shape).astype(np.float32)


def _values(model: Any) -> int:
    """Values that all layers put out for one sample."""
    tensors = [tensor for node in model.operations for tensor in _outputs_of(node)]
    return sum(int(np.prod([size or 16 for size in tensor.shape[1:]])) for tensor in tensors)


def _outputs_of(operation: Any) -> list[Any]:
    return [tensor for node in operation._inbound_nodes for tensor in node.output_tensors]


def _key(arm: Arm, plan: Plan | None) -> str:
    training = plan and [repr(arm.training), asdict(plan)]
    return json.dumps([arm.config, arm.start, training], sort_keys=True, default=str)


def _known(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _finite(numbers: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _known(value) for name, value in numbers.items()}


def _received(expected: Expected, found: Strength) -> Received:
    return Received(
        layer=expected.layer,
        spread=_known(found.spread),
        gradient=_known(found.gradient),
        predicted_spread=expected.strength.spread,
        predicted_gradient=expected.strength.gradient,
    )


def _summary(number: int, arm: str, ran: Curves) -> Ran:
    return Ran(
        number=number,
        arm=arm,
        seed=ran.seed,
        best=_known(ran.best),
        end=_known(ran.end),
        rise=_known(ran.rise),
        finite=ran.finite,
        seconds=ran.seconds,
        train=tuple(map(_known, ran.train)),
        val=tuple(map(_known, ran.val)),
    )
