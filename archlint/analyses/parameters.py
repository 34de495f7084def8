"""How many parameters each layer has, and the fans of its kernel: by its settings, else as stored in the file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

from archlint.analyses.weights import declared_weights, fans, kernel
from archlint.analyses.wiring import Wiring
from archlint.graph import Layer, Shape, Tensor, Weight, release

_WEIGHTLESS = frozenset({"lambda", "operation"})
"""Opaque in what they compute, but functions: they hold no weights."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Of one layer: counts (None: unknown); fan_in, fan_out and shape of its kernel (None: none, or unknown)."""

    count: int | None = None
    trainable: int | None = None
    fans: tuple[int, int] | None = None
    kernel: Shape | None = None


def parameters(wiring: Wiring, shapes: Mapping[Tensor, Shape]) -> list[Parameters]:
    """The parameters of every layer, in the order of the model's layers."""
    model = wiring.model
    declared = [_declared(wiring, index, shapes) for index in range(len(model.layers))]
    # Reading what is stored costs time, so it is asked only for what the settings do not tell.
    stored = model.weight_shapes() if any(weights is None for weights in declared) else {}
    return [
        _measured(layer, _from_file(stored.get(layer.name)) if weights is None else weights)
        for layer, weights in zip(model.layers, declared, strict=True)
    ]


def _declared(wiring: Wiring, index: int, shapes: Mapping[Tensor, Shape]) -> tuple[Weight, ...] | None:
    layer, call = wiring.model.layers[index], wiring.model.calls[wiring.calls_of[index][0]]
    if layer.weights is not None:
        return layer.weights
    if layer.kind in _WEIGHTLESS:
        return ()
    return declared_weights(
        layer, [shapes.get(tensor) for tensor in call.inputs], release(wiring.model.producer_version)
    )


def _from_file(shapes: Iterable[Shape] | None) -> tuple[Weight, ...] | None:
    if shapes is None:
        return None
    known = [tuple(size or 0 for size in shape) for shape in shapes]
    largest = max(known, key=prod, default=())
    return tuple(Weight("kernel" if shape is largest and len(shape) > 1 else "stored", shape, True) for shape in known)


def _measured(layer: Layer, weights: tuple[Weight, ...] | None) -> Parameters:
    if weights is None:
        return Parameters()
    found = kernel(weights)
    return Parameters(
        count=sum(prod(weight.shape) for weight in weights),
        trainable=sum(prod(weight.shape) for weight in weights if weight.trainable and layer.trainable),
        fans=fans(layer, weights),
        kernel=found.shape if found else None,
    )
