"""The rows of `concern`."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from archlint.analyses.names import harm
from archlint.graph import Concern, Model
from archlint.limits import DIGEST_DIGITS

_NOT_BESIDE = frozenset({"absolute", "outside", "backslash", "link", "hardlink", "unknown-key"})
"""What may be wrong with the place of external data (`archlint.readers.onnx.external`) so that it is another's file."""


def concern_rows(model: Model) -> Iterator[dict[str, Any]]:
    """What those who load the file have to trust."""
    numbers = {layer.name: number for number, layer in enumerate(model.layers)}
    for found in (*model.concerns, *_data_elsewhere(model), *_names(model)):
        kind = harm(found.found) if found.kind == "member" else found.kind
        if kind is None:
            continue
        yield {
            "category": found.category,
            "kind": kind,
            "layer": None if found.layer is None else numbers.get(found.layer),
            "route": found.route,
            "found": found.found,
            "bytes": found.size,
            "digest": found.digest,
        }


def _data_elsewhere(model: Model) -> Iterator[Concern]:
    """Other files that hold tensors of an ONNX model, where more is wrong with them than that they are not there."""
    tensors = model.exchange.tensors if model.exchange else ()
    places = {(tensor.fault, tensor.location or ""): tensor for tensor in tensors if tensor.fault in _NOT_BESIDE}
    for (fault, location), tensor in places.items():
        yield Concern("outside", f"data-{fault}", tensor.name, location, _digest(f"{fault} {location}"))


def _names(model: Model) -> Iterator[Concern]:
    for layer in model.layers:
        if kind := harm(layer.name):
            yield Concern("name", kind, layer.name, layer.name, _digest(layer.name), layer.name)


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:DIGEST_DIGITS]
