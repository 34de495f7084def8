"""How old versions of Keras laid out the numbers of a weight, brought to the layout of Keras 3."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from archlint.graph import Layer

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = dict[str, "NDArray[Any]"]
Shapes = Mapping[str, tuple[int, ...]]

_GATES = {"lstm": "ifco", "gru": "zrh"}
"""In which order the gates lie side by side; Keras 1 stored each by itself, under these letters."""


def fitted(layer: Layer, stored: Arrays, wanted: Shapes, version: int) -> Arrays:
    """The weights of a layer under Keras 3's names and in its layout, as far as it is known.

    Args:
        layer: the neutral layer that they are of.
        stored: the weights as the file has them.
        wanted: the shapes that the live layer has.
        version: the major version of the Keras that wrote them, 0 if unknown.
    """
    arrays = _renamed(stored, wanted)
    for prefix in _directions(arrays):
        own = layer.backward if prefix == "backward/" and layer.backward is not None else layer
        arrays |= _direction(own, prefix, arrays, wanted, version)
    return {name: array for name, array in arrays.items() if name in wanted or not _is_gate(layer, name)}


def _renamed(stored: Arrays, wanted: Shapes) -> Arrays:
    """Keras 2 called the kernel of a depthwise convolution by its full name."""
    short = {"depthwise_kernel": "kernel"} if "depthwise_kernel" not in wanted else {}
    return {short.get(name, name): array for name, array in stored.items()}


def _directions(names: Iterable[str]) -> list[str]:
    ways = {name.rpartition("/")[0] for name in names}
    return [f"{way}/" if way else "" for way in sorted(ways) if way in ("", "forward", "backward")]


def _direction(layer: Layer, prefix: str, stored: Arrays, wanted: Shapes, version: int) -> Arrays:
    own = {name.removeprefix(prefix): array for name, array in stored.items() if name.startswith(prefix)}
    if layer.kind in _GATES:
        own |= _gates(own, _GATES[layer.kind])
    if layer.class_name.startswith("CuDNN"):
        own = _from_cudnn(layer, own)
    if layer.kind == "conv" and version == 1 and "kernel" in own:
        own["kernel"] = _of_keras_1(own["kernel"], wanted.get(f"{prefix}kernel", ()))
    return {prefix + name: array for name, array in own.items()}


def _is_gate(layer: Layer, name: str) -> bool:
    stem, _, gate = name.rpartition("_")
    return bool(stem) and len(gate) == 1 and gate in _GATES.get(layer.kind, "")


def _gates(own: Arrays, gates: str) -> Arrays:
    """Keras 1's arrays of single gates, side by side."""
    stems = [stem for stem in ("kernel", "recurrent_kernel", "bias") if all(f"{stem}_{gate}" in own for gate in gates)]
    return {stem: np.concatenate([own[f"{stem}_{gate}"] for gate in gates], axis=-1) for stem in stems}


def _from_cudnn(layer: Layer, own: Arrays) -> Arrays:
    """cuDNN's matrices are row-major and its recurrent ones transposed, gate by gate; it has two biases in a row."""
    gates = len(_GATES[layer.kind])
    made = dict(own)
    if "kernel" in own:
        parts = np.split(own["kernel"], gates, axis=1)
        made["kernel"] = np.concatenate([part.T.reshape(part.shape, order="F") for part in parts], axis=1)
    if "recurrent_kernel" in own:
        parts = np.split(own["recurrent_kernel"], gates, axis=1)
        made["recurrent_kernel"] = np.concatenate([part.T for part in parts], axis=1)
    if "bias" in own:
        both = own["bias"].reshape(2, -1)
        made["bias"] = both.sum(axis=0) if layer.kind == "lstm" else both
    return made


def _of_keras_1(kernel: "NDArray[Any]", wanted: tuple[int, ...]) -> "NDArray[Any]":
    """Keras 1 kept a one-dimensional kernel as an image of width one, and Theano's order of axes where it was used."""
    if kernel.ndim == len(wanted) + 1 and kernel.shape[1] == 1:
        kernel = kernel[:, 0]
    if kernel.shape != wanted and kernel.ndim == len(wanted):
        turned = np.moveaxis(kernel, (0, 1), (-1, -2))
        return turned if turned.shape == wanted else kernel
    return kernel
