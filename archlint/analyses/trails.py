"""Every value traced back to the layer that made it, with a record of what lies between: the table `link`.

Only layers with one input and no kernel are passed, so every value has exactly one origin and the whole analysis is
one pass, linear in the number of calls.
"""

from dataclasses import dataclass, replace

from archlint.analyses.wiring import Wiring, is_transparent
from archlint.graph import DROPOUTS, Layer, Shape, Tensor

_RESHAPES = frozenset({"reshape", "flatten", "permute", "repeat_vector", "slice", "split"})
_GLOBAL_POOLS = frozenset({"global_max_pool", "global_avg_pool", "reduce"})
_COUNTED = DROPOUTS | _RESHAPES | _GLOBAL_POOLS


@dataclass(frozen=True, slots=True)
class Trail:
    """The way of a value from the layer that made it; fields as in the table `link`, layers as indices."""

    src: int
    prev: int
    sole: bool
    activation: str | None = None
    dropout: int | None = None
    dropout_rate: float | None = None
    norm: int | None = None
    norms: int = 0
    stochastics: int = 0
    reshapes: int = 0
    flattens: int = 0
    pools: int = 0
    global_pools: int = 0
    others: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """A tensor that arrives at input number `slot` of the layer `dst`, and its trail."""

    dst: int
    slot: int
    trail: Trail


def trails(wiring: Wiring, shapes: dict[Tensor, Shape]) -> tuple[dict[Tensor, Trail], list[Link]]:
    """The trail of every tensor that is read or given out, and a link for every input of every call."""
    model = wiring.model
    asked = {*(tensor for call in model.calls for tensor in call.inputs), *wiring.ends}
    made: dict[Tensor, Trail] = {}
    links: list[Link] = []
    by_call: dict[int, list[Tensor]] = {}
    for tensor in sorted(asked):
        by_call.setdefault(tensor.call, []).append(tensor)
    for number, call in enumerate(model.calls):
        links += [Link(call.layer, slot, made[tensor]) for slot, tensor in enumerate(call.inputs)]
        layer = model.layers[call.layer]
        if is_transparent(layer, len(call.inputs)):
            flattens = layer.kind == "flatten" or (layer.kind == "reshape" and len(shapes.get(Tensor(number), ())) == 2)
            trail = _passed(made[call.inputs[0]], call.layer, layer, flattens)
        else:
            trail = Trail(call.layer, call.layer, True, _first_activation(layer))
        for tensor in by_call.get(number, ()):
            made[tensor] = replace(trail, sole=trail.sole and wiring.sole(tensor))
    return made, links


def _first_activation(layer: Layer) -> str | None:
    """The activation a value starts its trail with; None where that is not known."""
    if layer.activation is not None:
        return layer.activation
    traits = layer.traits
    known = layer.kind in ("input", "multi_head_attention") or not (traits.opaque or traits.merge)
    return "linear" if known else None


def _passed(trail: Trail, index: int, layer: Layer, flattens: bool) -> Trail:
    """The trail after one more layer."""
    kind, traits = layer.kind, layer.traits
    prev = trail.prev if traits.pass_through else index
    other = not (kind in _COUNTED or traits.pass_through or traits.norm or traits.pool or traits.activation)
    activation = layer.activation if traits.activation else None
    return replace(
        trail,
        prev=prev,
        activation=activation if activation not in (None, "linear") else trail.activation,
        dropout=index if kind in DROPOUTS else trail.dropout,
        dropout_rate=rate(layer) if kind in DROPOUTS else trail.dropout_rate,
        norm=index if traits.norm else trail.norm,
        norms=trail.norms + traits.norm,
        stochastics=trail.stochastics + traits.stochastic,
        reshapes=trail.reshapes + (kind in _RESHAPES),
        flattens=trail.flattens + flattens,
        pools=trail.pools + (traits.pool or kind == "reduce"),
        global_pools=trail.global_pools + (kind in _GLOBAL_POOLS),
        others=trail.others + other,
    )


def rate(layer: Layer) -> float | None:
    """The dropout rate of a layer, None if it has none."""
    value = layer.args.get("rate")
    return float(value) if isinstance(value, (int, float)) else None
