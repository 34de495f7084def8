"""L2 penalties."""

from archlint.graph import Layer, Model
from archlint.remedies.case import Case, RemedyError
from archlint.remedies.defaults import L2
from archlint.remedies.places import Places
from archlint.remedies.surgery import with_args, with_layers

_SEVERAL = {
    "depthwise_conv": ("depthwise_regularizer",),
    "separable_conv": ("depthwise_regularizer", "pointwise_regularizer"),
}


def l2_on_kernels(model: Model, case: Case) -> Model:
    """Puts an L2 penalty, and no other, on the kernel of the layer that the finding names, else on all hidden ones."""
    places = Places(model)
    meant = {layer.name for layer in model.layers if places.is_hidden_kernel(layer)}
    if case.finding.layer is not None:
        meant = {_with_kernel(case.layer(model))}
    return with_layers(model, lambda layer: _penalized(layer) if layer.name in meant else layer)


def _with_kernel(layer: Layer) -> str:
    if not (layer.traits.affine or layer.traits.recurrent):
        raise RemedyError(f"{layer.name} has no kernel to be penalized")
    return layer.name


def _penalized(layer: Layer) -> Layer:
    regularizers = _SEVERAL.get(layer.kind, ("kernel_regularizer",))
    return with_args(layer, **{name: {"l2": L2} for name in regularizers})
