"""The output shapes of recurrent operations."""

from collections.abc import Mapping

from archlint.graph import Shape
from archlint.readers.onnx.shapes.terms import Call, Rules, Shapes, merged
from archlint.shape_terms import positive


def recurrent(call: Call) -> Shapes:
    """(steps, batch, n) → states (steps, directions, batch, units), and the last ones; `layout` 1 has batch first."""
    weights, inner = call.shape_or_open(1, 3), call.shape_or_open(2, 3)
    units = merged(inner[2], None if call.attr("hidden_size") is None else positive(call.attr("hidden_size")))
    directions = 2 if call.attr("direction") == "bidirectional" else 1
    merged(weights[0], directions)
    return _laid_out(call, directions, units)


def _laid_out(call: Call, directions: int, units: int | None) -> Shapes:
    first, second, _ = call.shape_or_open(0, 3)
    if call.flag("layout"):
        last: Shape = (first, directions, units)
        return ((first, second, directions, units), last, last)
    last = (directions, second, units)
    return ((first, directions, second, units), last, last)


MANY: Mapping[str, Rules] = dict.fromkeys(("GRU", "LSTM", "RNN"), recurrent)
