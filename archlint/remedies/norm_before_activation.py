"""Batch normalization in front of activations."""

from collections.abc import Iterator

from archlint.graph import Layer, Model
from archlint.remedies.activations import split_off
from archlint.remedies.case import Case, RemedyError
from archlint.remedies.surgery import Draft, Use

_MOVES_CHANNELS = frozenset({"reshape", "flatten", "permute"})
_LOCAL_POOLS = frozenset({"max_pool", "avg_pool"})


def norm_before_activation(model: Model, _case: Case) -> Model:
    """Moves each batch normalization that stands behind the activation of a kernel in front of that activation."""
    draft = Draft(model)
    for layer in model.layers:
        if layer.kind == "batch_norm" and (way := _way_from_kernel(draft, layer)):
            _move(draft, layer, way)
    return draft.finished()


def _way_from_kernel(draft: Draft, norm: Layer) -> list[Use]:
    """The uses from a kernel to the norm, if an activation is among them; otherwise nothing."""
    uses = draft.uses(norm.name)
    way = list(_back(draft, uses[0]))[::-1] if len(uses) == 1 else []
    active = any(_activation(draft, use) for use in way)
    return way if active and draft.layers[way[0].layer].traits.affine else []


def _back(draft: Draft, use: Use) -> Iterator[Use]:
    """What a use reads, and what that reads, up to the first layer that does more than change single values."""
    while len(use.inputs) == 1:
        use = use.inputs[0].use
        yield use
        layer = draft.layers[use.layer]
        passed = layer.traits.activation or layer.traits.pass_through or layer.kind in _LOCAL_POOLS
        if not passed or layer.kind in _MOVES_CHANNELS:
            return


def _activation(draft: Draft, use: Use) -> bool:
    return draft.layers[use.layer].activation not in (None, "linear")


def _move(draft: Draft, norm: Layer, way: list[Use]) -> None:
    forked = next((use.layer for use in way if draft.sole_reader(draft.only_use(use.layer)) is None), None)
    if forked:
        raise RemedyError(f"not only {norm.name} depends on {forked}, and moving the one would change what others read")
    first = next(place for place, use in enumerate(way) if _activation(draft, use))
    split_off(draft, draft.layers[way[0].layer])
    draft.move_behind(norm.name, way[max(0, first - 1)].layer)
