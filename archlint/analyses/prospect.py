"""How well a model can start to learn, as it is and after each change that may help, and a grade for it.

The grades are those of 490 measured trainings of plain networks (width 64, 1 to 40 layers, 5 activations, 7
initializers), told apart by the ratio of the gradients at the first layer and at the output, and by how much of what
the last hidden layer puts out depends on the sample.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import copysign, log10

from archlint.analyses.flow import Flow
from archlint.analyses.signal import Changes, Signals
from archlint.analyses.way import Way, longest
from archlint.analyses.wiring import Wiring
from archlint.graph import Layer, Tensor

RECTIFIERS = frozenset("relu relu6 leaky_relu prelu elu gelu silu mish".split())
SATURATING = frozenset("sigmoid tanh hard_sigmoid hard_tanh softsign".split())
GRADES: tuple[str, ...] = ("trains", "weak", "risky", "fails")

_GRADIENT: Mapping[str, Mapping[bool, tuple[float, float]]] = {
    "weak": {True: (-0.5, 0.5), False: (-0.5, 0.5)},
    "risky": {True: (-3, 2), False: (-2, 1)},
    "fails": {True: (-6, 4), False: (-4, 2)},
}
"""The powers of ten between which a grade is not yet reached, by whether the optimizer is adaptive."""
_HARMLESS_SUM = 2
"""Skips without norms let the gradient grow with every sum. Measured on SiLU nets: 12 layers with skips, a gradient
of 44, train better than the same without; 24 layers, 3,000, learn slowly under Adam and fail under plain SGD."""
_INPUT_STD = {"weak": 0.0, "risky": 1e-2, "fails": 3e-4}
_GRADIENT_ERROR = log10(2)
"""Error bar of a predicted gradient, in powers of ten: a grade must be deserved in spite of it."""
_STD_ERROR = 1.4
_DENSE = frozenset({"dense", "einsum_dense"})
_UNGRADED = frozenset({"attention", "additive_attention", "multi_head_attention", "dot"})
"""Averages over places, which shrink what depends on the sample and its gradient and harm nothing; like recurrent
layers they were not among the measured networks."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """A row of the table `prospect`; layers as indices."""

    remedy: str
    first: int
    last: int
    head: int
    gradient: float
    input_std: float | None
    normed: bool
    grade: str
    mends: bool = False


@dataclass(frozen=True, slots=True)
class _Excuses:
    """What on the way makes a large gradient harmless: norms behind every kernel, or some; sums with skips."""

    every_norm: bool
    some_norm: bool
    sums: bool


def prospects(
    wiring: Wiring, flow: Flow, signals: Signals, predict: Callable[[Changes], Signals], *, adaptive: bool
) -> Iterator[Prospect]:
    """The prospect as it is and, where it is not good, after each change; nothing where it cannot be told."""
    way = longest(wiring, flow)
    if way is None or not _is_graded(way):
        return
    excuses = _excuses(way.layers)
    now = _prospect("none", way, signals, excuses, adaptive=adaptive)
    if now is None:
        return
    yield now
    if now.grade == "trains":
        return
    for remedy, changes in _changes(wiring, flow).items():
        kept = replace(excuses, every_norm=True, some_norm=True) if remedy == "norm" else excuses
        changed = _prospect(remedy, way, predict(changes), kept, adaptive=adaptive, before=now.grade)
        if changed is not None:
            yield changed


def _is_graded(way: Way) -> bool:
    kinds = [way.wiring.layer_of(call) for call in way.calls]
    return not any(layer.traits.recurrent or layer.kind in _UNGRADED for layer in kinds)


def _excuses(layers: list[Layer]) -> _Excuses:
    """Whether a norm comes behind each kernel, before the next one, and the rest."""
    open_kernel = False
    every = True
    for layer in layers:
        every &= not (layer.traits.weighted and open_kernel)
        open_kernel = layer.traits.weighted or (open_kernel and not layer.traits.norm)
    some = any(layer.traits.norm for layer in layers)
    return _Excuses(every and not open_kernel, some, any(layer.kind == "add" for layer in layers))


def _prospect(
    remedy: str, way: Way, signals: Signals, excuses: _Excuses, *, adaptive: bool, before: str = "trains"
) -> Prospect | None:
    gradient, read = _gradient(way, signals), signals.forward.get(way.read)
    if not gradient or read is None or read.certainty != "exact":
        return None  # no gradient: a kernel of zeros stops it for one step only
    std = read.input_std if all(map(_is_comparable, way.layers)) else None
    calls = way.wiring.model.calls
    grade = _grade(gradient, std, excuses, adaptive=adaptive)
    return Prospect(
        remedy=remedy,
        first=calls[way.first].layer,
        last=calls[way.read.call].layer,
        head=calls[way.head].layer,
        gradient=gradient,
        input_std=std,
        normed=excuses.every_norm,
        grade=grade,
        mends=GRADES.index(grade) < min(GRADES.index(before), GRADES.index("risky")),
    )


def _gradient(way: Way, signals: Signals) -> float | None:
    """Norm of the gradient at the first kernel's output over that at the outputs it leads to.

    Global averages hand back a small gradient to each of many places, which the kernels before them sum up again: it
    counts as if they handed on the whole. So does an output layer that starts small, which is soon made good.
    """
    found = [signals.backward.get(Tensor(call)) for call in (way.first, *way.heads)]
    if any(gradient is None or gradient.certainty != "exact" for gradient in found):
        return None
    first, *heads = [gradient.square for gradient in found if gradient is not None]
    total = sum(heads)
    ratio = (first / total) ** 0.5 if total > 0 else 0.0
    for given, made in (*way.averages, (way.read, Tensor(way.head))):
        if given in signals.backward and made in signals.backward:
            ratio *= _loss(signals.backward[made].norm, signals.backward[given].norm)
    return ratio


def _is_comparable(layer: Layer) -> bool:
    """Whether a layer is one of those whose signal tells how a network trains.

    Of images, neighbouring pixels resemble each other, and windows average less away than is predicted. A VGG16 of a
    quarter of the width learns digits under Adam from a predicted signal of 3e-5 (measured, with images: 2e-4).
    Embeddings start small on purpose.
    """
    traits = layer.traits
    return not (traits.pool or layer.kind == "reduce" or (traits.weighted and layer.kind not in _DENSE))


def _loss(before: float, after: float) -> float:
    """The factor by which a value shrinks."""
    return max(1.0, before / after) if after > 0 else 1.0


def _grade(gradient: float, input_std: float | None, excuses: _Excuses, *, adaptive: bool) -> str:
    power = log10(gradient)
    power = copysign(max(0.0, abs(power) - _GRADIENT_ERROR), power)
    if excuses.some_norm:  # sound nets with norms have gradients of 10 to 1000 at their first layer
        power = 0.0 if excuses.every_norm else min(0.0, power)
    for grade in reversed(GRADES[1:]):
        low, high = _GRADIENT[grade][adaptive]
        if excuses.sums:
            high = max(_HARMLESS_SUM, _GRADIENT[grade][True][1])
        faint = input_std is not None and input_std * _STD_ERROR < _INPUT_STD[grade]
        if faint or not low <= power <= high:
            return grade
    return "trains"


def _changes(wiring: Wiring, flow: Flow) -> Mapping[str, Changes]:
    """What may help, by the names of the table."""
    hidden = [index for index in range(len(wiring.model.layers)) if _is_hidden(wiring, flow, index)]
    kernels = {index: _meets(wiring, flow, index) for index in hidden if wiring.model.layers[index].traits.affine}
    drawn = {index: 2.0 if activation in RECTIFIERS else 1.0 for index, activation in kernels.items()}
    found = {"initializers": Changes(gains=drawn), "norm": Changes(normed=frozenset(kernels))}
    saturating = {index: "relu" for index in hidden if wiring.model.layers[index].activation in SATURATING}
    if saturating:
        rectified = {index: 2.0 for index, activation in kernels.items() if activation in SATURATING}
        found["relu"] = Changes(gains=drawn | rectified, activations=saturating)
    return found


def _is_hidden(wiring: Wiring, flow: Flow, index: int) -> bool:
    """Whether a layer's value goes to a kernel further on, and is no gate."""
    calls = wiring.calls_of[index]
    return any(flow.feeds_kernel[call] for call in calls) and not any(flow.gate[call] for call in calls)


def _meets(wiring: Wiring, flow: Flow, index: int) -> str | None:
    own = wiring.model.layers[index].activation
    return own if own != "linear" else flow.next_activation[wiring.calls_of[index][0]]
