"""Recurrent layers: the steps are followed one by one until nothing changes any more, forwards and backwards.

Gates are functions of sums of many weighted values, so they are taken to be independent of each other, and of the
state that they are multiplied with.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, log, prod, sqrt
from typing import NamedTuple

from archlint.analyses.signal.functions import SIGMOID, Function
from archlint.analyses.signal.gaussian import apart, moments
from archlint.analyses.signal.kernels import Drawn
from archlint.analyses.signal.node import Node, Passed, Rule
from archlint.analyses.signal.noise import dropped
from archlint.analyses.signal.state import (
    Certainty,
    Gradient,
    Group,
    Pairs,
    State,
    bounded,
    condensed,
    mixed,
    summed,
)
from archlint.shape_terms import known, unknown

_MOST_STEPS = 64
"""By then nothing changes any more, or there is no telling."""

_SETTLED = 2e-3


class Gate(NamedTuple):
    """A function f of a weighted sum: E[f], E[f²], that of the square of its slope; products with itself in another
    sample, one step later, and many steps later."""

    mean: float
    square: float
    slope: float
    between: float
    later: float
    distant: float


def gate(function: Function, bias: float, drive: Group) -> Gate:
    """A gate whose weighted sum has this distribution around the bias."""
    variance = _short(drive.variance)
    found = moments(function, bias, variance)
    sample, later, distant = (
        bounded(found.square - apart(function, bias, variance, _short(pair)))
        for pair in (drive.pairs.sample, drive.pairs.near, drive.pairs.far)
    )
    return Gate(found.mean, found.square, found.slope, sample, later, distant)


def _short(value: float) -> float:
    """To three digits, so that steps that hardly differ are worked out once."""
    return float(f"{value:.3g}")


class Carried(NamedTuple):
    """A state: E[h²], and E[h h'] in two samples, one step later, and many steps later."""

    square: float
    between: float
    later: float
    distant: float

    def group(self) -> Group:
        """The same as a group of channels."""
        between, later, distant = (max(0.0, self.square - value) for value in self[1:])
        return Group(1.0, 0.0, self.square, Pairs(between, later, distant, between))

    def over(self, steps: int) -> Group:
        """The same, where other places are all other steps."""
        apart, near = max(0.0, self.square - self.distant), max(0.0, self.square - self.later)
        fading = min(0.99, max(0.0, 1 - near / apart)) if apart > 0 else 0.0
        closeness = min(1.0, 2 * fading / (1 - fading) / max(1, steps))
        group = self.group()
        return group._replace(pairs=group.pairs._replace(far=apart * (1 - closeness)))


def carried(square: float, between: float, later: float, distant: float) -> Carried:
    """A state; products of two are no larger than squares."""
    square = bounded(square)
    return Carried(square, min(bounded(between), square), min(bounded(later), square), min(bounded(distant), square))


_NOTHING = Carried(0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Cell:
    """What a step needs: the weighted input, the gain of the recurrent kernel, biases of gates, functions."""

    drive: Group
    gain: float
    biases: tuple[float, ...]
    activation: Function
    recurrent: Function

    def sum(self, hidden: Carried, share: float = 1.0) -> Group:
        """The weighted sum of the input and the state."""
        state = hidden.group().times(self.gain * share)
        pairs = Pairs(*(a + b for a, b in zip(self.drive.pairs, state.pairs, strict=True)))
        return Group(1.0, 0.0, bounded(self.drive.variance + state.square), pairs)


class Moment(NamedTuple):
    """A step: what it puts out, the memory behind it, what it multiplies squares of gradients by on the way back.

    `reach` and `fading` sum up how long what came in once stays, if it stays the same and as it changes. `memory` is
    what comes back to the memory of the step before, `seen` what gets from the output into the memory; `from_memory`,
    `from_output`: to the weighted sums, with `steady` the part of it that is the same at all steps.
    """

    hidden: Carried
    cell: Carried
    reach: float
    fading: float
    memory: float
    mean: float
    seen: float
    from_memory: float
    from_output: float
    steady: float = 0.0


Stepper = Callable[[Cell, "Moment | None", Carried, Carried], Moment]


def _persistence(sums: Group) -> float:
    """How much of what two neighbouring steps have in common, beyond what all steps have, the step after has, too."""
    return max(0.0, 1 - sums.pairs.near / sums.pairs.far) if sums.pairs.far > 0 else 0.0


def _lstm_step(cell: Cell, before: Moment | None, hidden: Carried, memory: Carried) -> Moment:
    sums = cell.sum(hidden)
    enters, forgets, _, leaves = (gate(cell.recurrent, bias, sums) for bias in cell.biases)
    new = gate(cell.activation, cell.biases[2], sums)
    reached, faded = (before.reach, before.fading) if before else (0.0, 0.0)
    square, between, later, distant = (a * b for a, b in zip(enters[1:2] + enters[3:], new[1:2] + new[3:], strict=True))
    # What comes in meets what came in before and has not been forgotten
    common = distant * reached + max(0.0, later - distant) * faded
    reach, fading = 1 + forgets.mean * reached, 1 + forgets.mean * _persistence(sums) * faded
    kept = carried(
        forgets.square * memory.square + square + 2 * forgets.mean * common,
        forgets.between * memory.between + between + 2 * forgets.mean * min(between, distant) * reached,
        forgets.mean * memory.square + common,
        distant * reach * reach,
    )
    shown = gate(cell.activation, 0.0, kept.group())
    out = carried(*(a * b for a, b in zip(leaves[1:2] + leaves[3:], shown[1:2] + shown[3:], strict=True)))
    inner = new.square * enters.slope + memory.square * forgets.slope + enters.square * new.slope
    seen, from_output = leaves.square * shown.slope, shown.square * leaves.slope
    steady = enters.mean**2 * new.slope / inner if inner > 0 else 0.0
    return Moment(out, kept, reach, fading, forgets.square, forgets.mean, seen, inner, from_output, steady)


def _gru_step(cell: Cell, before: Moment | None, hidden: Carried, _memory: Carried) -> Moment:
    sums = cell.sum(hidden)
    keeps, resets = (gate(cell.recurrent, bias, sums) for bias in cell.biases[:2])
    new = gate(cell.activation, cell.biases[2], cell.sum(hidden, resets.square))
    reached, faded = (before.reach, before.fading) if before else (0.0, 0.0)
    lets = 1 - keeps.mean
    common = new.distant * reached + max(0.0, new.later - new.distant) * faded
    reach, fading = lets + keeps.mean * reached, lets + keeps.mean * _persistence(sums) * faded
    mixing = max(0.0, keeps.mean - keeps.square)
    out = carried(
        keeps.square * hidden.square + (lets - mixing) * new.square + 2 * mixing * common,
        keeps.between * hidden.between
        + max(0.0, lets - keeps.mean + keeps.between) * new.between
        + 2 * max(0.0, keeps.mean - keeps.between) * min(new.between, new.distant) * reached,
        keeps.mean * hidden.square + lets * common,
        new.distant * reach * reach,
    )
    inner = (lets - mixing) * new.slope + (hidden.square + new.square) * keeps.slope
    steady = lets**2 * new.slope / inner if inner > 0 else 0.0
    return Moment(out, out, reach, fading, keeps.square, keeps.mean, 1.0, inner, 0.0, steady)


def _simple_step(cell: Cell, _before: Moment | None, hidden: Carried, _memory: Carried) -> Moment:
    new = gate(cell.activation, cell.biases[0], cell.sum(hidden))
    out = carried(new.square, new.between, new.later, new.distant)
    return Moment(out, out, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, new.slope)


_GATES: Mapping[str, tuple[int, Stepper]] = {
    "lstm": (4, _lstm_step),
    "conv_lstm": (4, _lstm_step),
    "gru": (3, _gru_step),
    "simple_rnn": (1, _simple_step),
}


def _biases(node: Node, bias: Drawn | None, gates: int, units: int) -> tuple[tuple[float, ...], float]:
    """The mean of each gate's bias, and the variance of all of them."""
    if bias is None:
        return (0.0,) * gates, 0.0
    # Some have a bias for the input and one for the state
    mean = bias.mean * prod(known(size) for size in bias.shape) / max(1, gates * units)
    forgets = gates == 4 and (node.use.arg("unit_forget_bias", bias.square == 0) or _looks_so(mean, bias.variance))
    if forgets:
        return (0.0, 1.0, 0.0, 0.0), 0.0
    return (mean,) * gates, bias.variance


def _looks_so(mean: float, variance: float) -> bool:
    """Whether numbers are one to three ones and zeros: the bias of a forget gate."""
    return abs(mean - 0.25) < 0.03 and abs(variance - 0.1875) < 0.03


class Returned(NamedTuple):
    """Gradients at the inputs, and at the output and the memory before the first step."""

    inputs: Gradient
    hidden: Gradient
    memory: Gradient


@dataclass(frozen=True, slots=True)
class Run:
    """A recurrent layer in one direction."""

    cell: Cell
    moments: tuple[Moment, ...]
    steps: int
    kernel_gain: float
    sequences: bool

    def at(self, step: int) -> Moment:
        """A step; late ones are alike."""
        return self.moments[min(step, len(self.moments) - 1)]

    def output(self) -> Group:
        """What it puts out: at all steps, or at the last."""
        last = self.moments[-1].hidden.group()
        if not self.sequences:
            return last._replace(pairs=Pairs(last.pairs.sample, 0.0, 0.0, last.pairs.sample))
        late = self.steps - len(self.moments)
        weights = [*[1.0] * (len(self.moments) - 1), 1.0 + late]
        groups = [
            moment.hidden.over(self.steps)._replace(share=weight)
            for moment, weight in zip(self.moments, weights, strict=True)
        ]
        return mixed(groups)._replace(share=1.0)

    def back(self, gradient: Gradient, *, into_memory: bool = False, last: bool = False) -> "Returned":
        """The gradient at the inputs, summed up over the steps, and at the states that it starts with.

        `last`: the gradient arrives at the last step alone; `into_memory`: at what is remembered, not at the output.
        """
        every = self.sequences and not last
        whole, steps = gradient.square, min(self.steps, 4 * _MOST_STEPS)
        coherent = max(gradient.coherence, gradient.near) if every else 0.0
        arriving = whole / steps if every else 0.0 if into_memory else whole
        memory = whole / max(1e-12, self.moments[-1].memory) if into_memory else 0.0
        sums = wave = total = 0.0
        for number in reversed(range(steps)):
            step, later = self.at(number), self.at(number + 1)
            hidden = bounded(arriving + self.cell.gain * sums)
            wave = sqrt(coherent * arriving * step.seen) + later.mean * wave
            fresh = step.seen * (hidden - coherent * arriving)
            memory = bounded(fresh + later.memory * memory)
            sums = bounded((memory + wave * wave) * step.from_memory + hidden * step.from_output)
            total = bounded(total + sums)
            arriving = whole / steps if every else 0.0
        return Returned(
            self._at_inputs(total, steps, gradient),
            Gradient((bounded(self.cell.gain * sums),), certainty=gradient.certainty),
            Gradient((bounded(self.moments[0].memory * memory),), certainty=gradient.certainty),
        )

    def _at_inputs(self, total: float, steps: int, gradient: Gradient) -> Gradient:
        last = self.moments[-1]
        near = last.steady * last.mean
        length = 2 * last.mean / max(0.05, 1 - last.mean)  # of steps before and behind that have it in common
        found = (bounded(total * self.kernel_gain),)
        return Gradient(found, near=near, coherence=near * min(1.0, length / steps), certainty=gradient.certainty)

    @property
    def horizon(self) -> float:
        """Steps after which 1/e of a state is left."""
        last = self.moments[-1]
        kept = last.memory or self.cell.gain * last.from_output
        return -1 / log(sqrt(kept)) if 0 < kept < 1 else inf


def _run(node: Node, part: str, state: State) -> Run:
    """One direction; `part` is the prefix of its weights."""
    kind = node.use.layer.kind
    gates, step = _GATES.get(kind) or unknown()
    kernel, again = (node.weights.get(part + name) or unknown() for name in ("kernel", "recurrent_kernel"))
    group, gain = state.whole(), prod(known(size) for size in kernel.shape[:-1]) * kernel.square
    again_gain = prod(known(size) for size in again.shape[:-1]) * again.square
    kept = node.use.arg("recurrent_dropout", 0.0)
    if node.training and isinstance(kept, float) and 0 < kept < 1:
        again_gain /= 1 - kept
    biases, more = _biases(node, node.weights.get(f"{part}bias"), gates, known(again.shape[-2]))
    drive = group.times(gain)
    drive = drive._replace(square=bounded(drive.square + more))
    cell = Cell(drive, bounded(again_gain), biases, node.function() or unknown(), _gates_function(node, gates))
    steps = _steps(node)
    followed = _followed(partial(step, cell), steps, [node.inputs[number].whole() for number in _starts(node, part)])
    return Run(cell, followed, steps, bounded(gain), bool(node.use.arg("return_sequences", False)))


def _starts(node: Node, part: str) -> Sequence[int]:
    """The inputs that are states to start with, of that direction; others are masks."""
    units = node.use.arg("units")
    states = [number for number, shape in enumerate(node.use.inputs) if number and shape and shape[-1] == units]
    half = len(states) // 2
    return states if not part else states[:half] if part == "forward/" else states[half:]


def _gates_function(node: Node, gates: int) -> Function:
    return SIGMOID if gates == 1 else node.function("recurrent_activation") or unknown()


def _steps(node: Node) -> int:
    axis = 0 if node.use.arg("time_major", False) else 1
    return max(1, (node.shape[axis] if len(node.shape) > axis else None) or 2 * _MOST_STEPS)


def _followed(
    step: Callable[[Moment | None, Carried, Carried], Moment], steps: int, start: Sequence[Group]
) -> tuple[Moment, ...]:
    given = [Carried(group.square, group.square - group.pairs.sample, 0.0, 0.0) for group in start[:2]]
    hidden, memory = (given[0] if given else _NOTHING), (given[1] if len(given) > 1 else _NOTHING)
    found: list[Moment] = []
    while len(found) < min(steps, _MOST_STEPS):
        found.append(step(found[-1] if found else None, hidden, memory))
        if len(found) > 1 and _settled(hidden, found[-1].hidden) and _settled(memory, found[-1].cell):
            break
        hidden, memory = found[-1].hidden, found[-1].cell
    return tuple(found)


def _settled(before: Carried, after: Carried) -> bool:
    return all(abs(a - b) <= _SETTLED * abs(b) for a, b in zip(before, after, strict=True))


def recurrent(node: Node) -> Passed:
    """One direction, or two."""
    state = _dropped(node)
    if "Bidirectional" not in (node.use.layer.wrapper or ""):
        run = _run(node, "", state)
        return _passed(node, [run], [run.output()], [1.0])
    runs = [_run(node, part, state) for part in ("forward/", "backward/")]
    return _both(node, runs)


def _dropped(node: Node) -> State:
    rate = node.use.arg("dropout", 0.0)
    state = node.input
    if node.training and isinstance(rate, float) and 0 < rate < 1:
        return dropped(state, rate, maps=True).state
    return state


def _both(node: Node, runs: Sequence[Run]) -> Passed:
    mode = node.use.layer.args.get("merge_mode", "concat")
    outputs = [run.output() for run in runs]
    if mode == "concat":
        return _passed(node, runs, [group._replace(share=0.5) for group in outputs], [0.5, 0.5])
    if mode in ("sum", "ave"):
        weight = 1.0 if mode == "sum" else 0.25
        a, b = (group.times(weight) for group in outputs)
        pairs = Pairs(*(x + y for x, y in zip(a.pairs, b.pairs, strict=True)))
        return _passed(node, runs, [Group(1.0, 0.0, a.square + b.square, pairs)], [weight, weight])
    return unknown()


def _passed(node: Node, runs: Sequence[Run], groups: Sequence[Group], shares: Sequence[float]) -> Passed:
    weights = [weight for name, weight in node.weights.items() if name.endswith("kernel")]
    state = State(condensed(tuple(groups)), -1, node.input.certainty)
    if not all(weight.known for weight in weights):
        state = state.doubted(Certainty.partial)
    last = State((runs[0].moments[-1].hidden.group(),), -1, state.certainty)
    memory = State((runs[0].moments[-1].cell.group(),), -1, state.certainty)

    def back(gradient: Gradient) -> list[Gradient | None]:
        found = [run.back(gradient.times(share)) for run, share in zip(runs, shares, strict=True)]
        return _at_all_inputs(node, found)

    def back_from_hidden(gradient: Gradient) -> list[Gradient | None]:
        return _at_all_inputs(node, [runs[0].back(gradient, last=True)])

    def back_from_memory(gradient: Gradient) -> list[Gradient | None]:
        return _at_all_inputs(node, [runs[0].back(gradient, last=True, into_memory=True)])

    kinds = [(last, back_from_hidden), (memory, back_from_memory)]
    both = kinds[: 2 if node.use.layer.kind in ("lstm", "conv_lstm") else 1] * len(runs)
    horizon = min(run.horizon for run in runs)
    return Passed(
        (state, *(kind for kind, _ in both)),
        back,
        tuple(way for _, way in both),
        horizon=None if horizon == inf else horizon,
    )


def _at_all_inputs(node: Node, found: Sequence[Returned]) -> list[Gradient | None]:
    """The gradient at each input of the layer; `found` is that of each direction."""
    made: list[Gradient | None] = [None] * len(node.inputs)
    made[0] = summed([one.inputs for one in found])
    parts = [""] if len(found) == 1 else ["forward/", "backward/"]
    for part, one in zip(parts, found, strict=True):
        for number, gradient in zip(_starts(node, part), one[1:], strict=False):
            made[number] = gradient
    return made


RULES: Mapping[str, Rule] = dict.fromkeys(_GATES, recurrent)
