"""Tables of facts: the layers of a model, and whatever a query returns."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from archlint.reports.text import Line, Span, cells, escaped, line, safe_text, wrapped

_NUMBERS = frozenset({"params", "fan_in", "fan_out"})
_GAP = "  "
_KERAS = ("layer", "class", "output", "params", "activation", "initializer", "fans")
_ONNX = ("layer", "kind", "output", "params", "activation", "operators", "fans")


def render(path: str, model: Mapping[str, Any], layers: Sequence[Mapping[str, Any]], width: int) -> Iterator[Line]:
    """The layer table, and the totals under it. Columns that do not fit into `width` are left out from the right."""
    version = safe_text(f"{model['producer'] or ''} {model['producer_version'] or ''}".strip())
    opset = f"opset {model['opset']}" if model["opset"] else ""
    exchanged = model["nodes"] is not None
    about = (version, opset, f"for {model['stage']}") if exchanged else (version,)
    yield line(Span(safe_text(path), "bold underline"), Span(f"  {', '.join(filter(None, about))}", "dim"))
    yield ()
    columns = _ONNX if exchanged else _KERAS
    rows = [_cells(layer, exchanged) for layer in layers]
    fitting = _fitting(columns, rows, width)
    yield from table(columns[:fitting], [row[:fitting] for row in rows])
    yield ()
    if any("(" in str(row[4]) for row in rows) and fitting > 4:
        yield from wrapped(
            "(in brackets: the activation of a later layer that the value meets first)", "", width, "dim"
        )
    if fitting < len(columns):
        missing = ", ".join(columns[fitting:])
        yield from wrapped(f"(no room for {missing}; a wider terminal or --format json has them)", "", width, "dim")
    yield line("parameters   ", Span(_count(model["params"]), "bold"))
    if exchanged:
        yield line("understood   ", Span(f"{model['lifted']:,}", "bold"), f" of {model['nodes']:,} nodes")
    else:
        yield line("trainable    ", Span(_count(model["trainable_params"]), "bold"))


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[Line]:
    """Aligned columns: numbers to the right, all else to the left, unknown values empty."""
    texts = [[_text(value) for value in row] for row in rows]
    widths = [max([len(name), *(cells(row[place]) for row in texts)]) for place, name in enumerate(columns)]
    right = [_is_numeric(row[place] for row in rows) or name in _NUMBERS for place, name in enumerate(columns)]

    def laid(row: Sequence[str]) -> str:
        return _GAP.join(
            " " * (size - cells(text)) + text if to_right else text + " " * (size - cells(text))
            for text, size, to_right in zip(row, widths, right, strict=True)
        )

    yield line(Span(laid([safe_text(name) for name in columns]).rstrip(), "bold"))
    for row in texts:
        yield line(laid(row).rstrip())


def csv_lines(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    """The rows as CSV (RFC 4180), with a header."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerows(
        [columns, *([escaped(value) if isinstance(value, str) else value for value in row] for row in rows)]
    )
    yield from buffer.getvalue().splitlines(keepends=True)


def _cells(layer: Mapping[str, Any], exchanged: bool) -> list[Any]:
    own, effective = layer["activation"], layer["effective_activation"]
    activation = f"({effective})" if own == "linear" and effective not in (None, "linear") else own
    fans = f"{layer['fan_in']:,} -> {layer['fan_out']:,}" if layer["fan_in"] is not None else None
    frozen = "" if layer["trainable"] or not layer["params"] else " frozen"
    params = _count(layer["params"]) + frozen
    what, more = ("kind", "class_name") if exchanged else ("class_name", "initializer")
    return [layer["name"], layer[what], layer["output_shape"], params, activation, layer[more], fans]


def _fitting(columns: Sequence[str], rows: Sequence[Sequence[Any]], width: int) -> int:
    taken = 0
    for place, name in enumerate(columns):
        taken += max([len(name), *(cells(_text(row[place])) for row in rows)]) + len(_GAP)
        if taken - len(_GAP) > width:
            return max(place, 4)
    return len(columns)


def _is_numeric(values: Iterator[Any]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, (int, float)) for value in known)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return safe_text(value) if isinstance(value, str) else f"{value:.6g}" if isinstance(value, float) else str(value)


def _count(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"
