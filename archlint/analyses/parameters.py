"""How many parameters each layer has, and the fans of its kernel: by its settings, else as stored in the file."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

from archlint.analyses.weights import declared_weights, fans, kernel
from archlint.analyses.wiring import Wiring
from archlint.graph import Layer, Model, Shape, Tensor, Weight, release

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
    stored = _from_file(model) if any(weights is None for weights in declared) else {}
    return [
        _measured(layer, stored.get(index) if weights is None else weights)
        for index, (layer, weights) in enumerate(zip(model.layers, declared, strict=True))
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


def _from_file(model: Model) -> dict[int, tuple[Weight, ...]]:
    """The weights of each layer that the file has some of; which of them are trained is not in the file."""
    found: dict[int, list[Weight]] = {}
    for stored in model.stored():
        if stored.layer is not None:
            found.setdefault(stored.layer, []).append(Weight(stored.name, stored.shape))
    return {layer: _with_kernel(weights) for layer, weights in found.items()}


def _with_kernel(weights: list[Weight]) -> tuple[Weight, ...]:
    """The weights, the largest of which is the kernel if none is called so."""
    largest = max(weights, key=lambda weight: prod(weight.shape))
    if kernel(weights) is None and len(largest.shape) > 1:
        weights = [replace(weight, name="kernel") if weight is largest else weight for weight in weights]
    return tuple(weights)


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
