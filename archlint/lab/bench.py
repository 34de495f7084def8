"""The bench: arms that are ready to run, and what they have shown so far.

Arms that are the same (most findings compare with the model as it is) are trained once for each seed, whoever asks.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from math import inf, isfinite
from time import perf_counter
from typing import Any

import numpy as np

from archlint.errors import ArchlintError
from archlint.lab import probes
from archlint.lab.events import Epoch, Measured, Ran, Tell
from archlint.lab.network import NetworkError, built
from archlint.lab.samples import Samples
from archlint.lab.thresholds import LEVEL, PROBE_SAMPLES
from archlint.lab.training import Arm, Array, Cost, Curves, Data, Plan, Trainer, from_list, initialize, outputs
from archlint.lab.trial import Trial

KEPT = 3
"""Trainers that are kept ready; each holds a copy of the samples."""

RANDOM = "random inputs"
"""What verdicts call the inputs where no data are given."""

PROBED_VALUES = 2**26
"""Values that all layers together put out for the batch of a probe: 270 MB, if all were kept."""

FEWEST_SAMPLES = 8


class Bench:
    """Runs arms, remembers what came out, and tells of it.

    Intervals have to decide at `level`. At the time `ends` the budget is used up.

    Args:
        samples: the user's data; without, random inputs stand in for them.
        tell: is told of every measurement and epoch.
    """

    def __init__(self, samples: Samples | None, tell: Tell) -> None:
        self.samples, self.tell = samples, tell
        self.level = LEVEL
        self.ends = inf
        self.cut = False
        self._number = 0
        self._trainers: OrderedDict[str, Trainer] = OrderedDict()
        self._curves: dict[tuple[str, int], Curves] = {}
        self._losses: dict[tuple[str, int, int], list[float]] = {}
        self._costs: dict[str, Cost] = {}
        self._looks: dict[str, tuple[float, float]] = {}
        self._network: tuple[str, Any] = ("", None)
        self._probed: dict[tuple[str, str], float] = {}
        self._notes: dict[str, tuple[str, ...]] = {}

    @property
    def data_name(self) -> str:
        """What verdicts call the data."""
        return self.samples.name if self.samples else RANDOM

    def begin(self, number: int) -> None:
        """What follows belongs to this trial."""
        self._number, self.cut = number, False

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
        if key not in self._trainers:
            self._trainers[key] = self._made(arm, plan)
            self._notes[key] = self._trainers[key].assumed
        self._trainers.move_to_end(key)
        while len(self._trainers) > KEPT:
            self._trainers.popitem(last=False)
        return self._trainers[key]

    def _made(self, arm: Arm, plan: Plan) -> Trainer:
        model = built(dict(arm.config))
        data = self.samples.data if self.samples else stand_in(model, arm, self.inputs(model))
        try:
            return Trainer(arm, data, plan)
        except ArchlintError:
            raise
        except Exception as error:  # whatever Keras finds wrong with loss, optimizer and data together
            raise NetworkError(f"Keras cannot train it: {brief(error)}") from error

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
        place = (_key(arm, plan), seed)
        if place not in self._curves:
            self._curves[place] = self.trainer(arm, plan).run(seed, self._watch(arm, seed))
        ran = self._curves[place]
        self.tell(_summary(self._number, arm.name, ran))
        return ran

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


def brief(error: Exception, length: int = 200) -> str:
    """The first sentence or so of what an error says."""
    said = " ".join(str(error).split())
    return said[:length] or type(error).__name__


def _values(model: Any) -> int:
    """Values that all layers put out for one sample."""
    tensors = [tensor for node in model.operations for tensor in _outputs_of(node)]
    return sum(int(np.prod([size or 16 for size in tensor.shape[1:]])) for tensor in tensors)


def _outputs_of(operation: Any) -> list[Any]:
    return [tensor for node in operation._inbound_nodes for tensor in node.output_tensors]


def _key(arm: Arm, plan: Plan | None) -> str:
    training = plan and [repr(arm.training), asdict(plan)]
    return json.dumps([arm.config, arm.start, training], sort_keys=True, default=str)


def _known(value: float) -> float | None:
    return value if isfinite(value) else None


def _finite(numbers: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _known(value) for name, value in numbers.items()}


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
