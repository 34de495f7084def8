"""Dropout behind a normalization instead of in front of it."""

from archlint.analyses.shapes import infer
from archlint.graph import Layer, Model, Tensor
from archlint.remedies.case import Case, RemedyError
from archlint.remedies.places import Places
from archlint.remedies.surgery import Draft


def swap_order(model: Model, case: Case) -> Model:
    """Moves the dropout layer that the finding names behind the norm that it names, and the activation behind that."""
    dropout, norm, draft = case.layer(model), case.other(model, "norm"), Draft(model)
    if not Places(model).feeds_kernel(norm):
        raise RemedyError(f"no layer with weights reads {norm.name}, so that dropout behind it would act on the output")
    if draft.sole_reader(draft.only_use(dropout.name)) is None:
        raise RemedyError(f"several layers read {dropout.name}, and moving it would change what all of them get")
    reader = draft.sole_reader(draft.only_use(norm.name))
    place = draft.layers[reader] if reader and draft.layers[reader].traits.activation else norm
    if _drops_whole_maps(dropout) and _rank(model, dropout) != _rank(model, place):
        raise RemedyError(f"{dropout.name} drops whole channels of a map, and behind {place.name} there is none")
    draft.move_behind(dropout.name, place.name)
    return draft.finished()


def _drops_whole_maps(layer: Layer) -> bool:
    return layer.kind == "spatial_dropout" or layer.args.get("noise_shape") is not None


def _rank(model: Model, layer: Layer) -> int | None:
    """The dimensions of what a layer puts out."""
    call = next(number for number, call in enumerate(model.calls) if model.layers[call.layer] is layer)
    shape = infer(model).get(Tensor(call))
    return None if shape is None else len(shape)
