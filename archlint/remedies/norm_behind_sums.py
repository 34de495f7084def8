"""Layer normalization behind sums of selu outputs."""

from archlint.analyses.shapes import infer
from archlint.analyses.trails import trails
from archlint.analyses.wiring import wire
from archlint.graph import Layer, Model
from archlint.remedies import fresh
from archlint.remedies.activations import with_tanh
from archlint.remedies.case import Case
from archlint.remedies.places import Places
from archlint.remedies.surgery import Draft

_SUMS = frozenset({"add", "subtract", "average", "multiply"})


def norm_behind_sums(model: Model, _case: Case) -> Model:
    """Puts a layer normalization behind each sum of selu outputs, so that what reads it gets a variance of 1.

    Differences, averages and products count as sums. Recurrent layers with selu, which sum up in their states, get
    tanh, which bounds these.
    """
    draft, places = Draft(model), Places(model)
    for layer in _sums(model):
        if places.feeds_kernel(layer):
            draft.insert_behind(layer.name, fresh.layer_norm(draft.beside(layer.name, "norm"), -1, layer))
    for layer in model.layers:
        if layer.traits.recurrent and layer.activation == "selu":
            draft.replace(with_tanh(layer))
    return draft.finished()


def _sums(model: Model) -> list[Layer]:
    """The sums of selu outputs behind which there is no norm."""
    _, links = trails(wire(model), infer(model))
    joined = {link.dst for link in links if link.trail.activation == "selu"}
    normed = {link.trail.src for link in links if link.trail.norms}
    return [model.layers[number] for number in sorted(joined - normed) if model.layers[number].kind in _SUMS]
