"""What claims say, in words that a person who does not know their names understands."""

from collections.abc import Mapping

_SAID: Mapping[str, tuple[str, str]] = {
    "dying-relu": ("ReLU units die", "ReLU units of {} die"),
    "explodes": ("gradients explode", "gradients through {} explode"),
    "helps": ("what was found does harm", "what was found at {} does harm"),
    "overfits": ("the network overfits", "the network overfits at {}"),
    "redundant-bias": ("a bias is redundant", "the bias of {} is redundant"),
    "selu-drift": ("the signal drifts through SELU", "the signal drifts through SELU at {}"),
    "slow": ("little gradient makes training slow", "little gradient at {} makes training slow"),
    "symmetric": ("units stay alike", "the units of {} stay alike"),
    "tiny-batches": ("the batches are too small", "the batches are too small for {}"),
    "unstable": ("unscaled inputs make the loss explode", "the unscaled inputs of {} make the loss explode"),
    "variance-shift": ("dropout shifts the variance", "{} shifts the variance that is stored behind it"),
}
"""Of the whole network, and at a layer."""


def statement(claim: str, layer: str | None) -> str:
    """What a claim says, as a clause: `the bias of dense is redundant`; the name of a claim that is not known."""
    if claim not in _SAID:
        return claim
    everywhere, at_layer = _SAID[claim]
    return at_layer.format(layer) if layer else everywhere
