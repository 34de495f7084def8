"""The pass backwards: every call hands the gradient at its outputs on to its inputs."""

from collections.abc import Mapping, Sequence

from archlint.analyses.signal.node import MISFITS, Backs, elements
from archlint.analyses.signal.signals import Signals
from archlint.analyses.signal.state import STANDARD, Certainty, Gradient, State, summed
from archlint.analyses.wiring import Wiring
from archlint.graph import Shape, Tensor


def backward(wiring: Wiring, shapes: Mapping[Tensor, Shape], found: Signals, ways: Sequence[Sequence[Backs]]) -> None:
    """Fill in the gradients; `ways` are the ways back from the outputs of every call."""
    arrived: dict[Tensor, list[Gradient]] = {}
    for tensor, share in _starts(wiring, shapes).items():
        arrived[tensor] = [_even(found.forward.get(tensor, STANDARD)).times(share)]
    for number in reversed(range(len(ways))):
        doubt = found.forward[Tensor(number)].certainty != Certainty.exact
        for output, back in enumerate(ways[number]):
            made = Tensor(number, output)
            if made not in arrived:
                continue
            gradient = found.backward[made] = summed(arrived.pop(made))
            gradient = gradient.doubted(Certainty.partial) if doubt else gradient
            for tensor, part in zip(wiring.model.calls[number].inputs, _returned(back, gradient), strict=False):
                if part is not None:
                    state = found.forward.get(tensor, STANDARD)
                    arrived.setdefault(tensor, []).append(part.along(state.groups))


def _starts(wiring: Wiring, shapes: Mapping[Tensor, Shape]) -> Mapping[Tensor, float]:
    """The share of each output in the gradient that sets out: by its number of elements, where all are known."""
    sizes = {tensor: elements(shapes.get(tensor)) for tensor in wiring.ends}
    known = {tensor: size for tensor, size in sizes.items() if size}
    if len(known) < len(sizes):
        return dict.fromkeys(sizes, 1 / len(sizes))
    return {tensor: size / sum(known.values()) for tensor, size in known.items()}


def _even(state: State) -> Gradient:
    shares = tuple(group.share for group in state.groups)
    return Gradient(shares, shares)


def _returned(back: Backs, gradient: Gradient) -> Sequence[Gradient | None]:
    try:
        return back(gradient)
    except MISFITS:
        return ()
