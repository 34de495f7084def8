"""The predicted signal of a model for people: a sparkline per column, then a row per layer with a chart beside it.

All scales are logarithmic. A row of `archlint show --signal` holds a layer's name and kind and what the table `signal`
has of it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, inf, isfinite, log10
from statistics import fmean
from typing import Any

from archlint.reports.text import WIDEST, Line, Span, cells, line, safe_text, wrapped

Row = Mapping[str, Any]

NUMBERS = {"rms": "rms", "std": "std", "input_std": "input std", "gain": "gain", "gradient": "gradient"}
"""The columns of numbers, with their headings."""

_MARKS = {"input_std": ("○", "blue"), "rms": ("●", "cyan"), "gradient": ("◆", "magenta")}
_LEVELS = "▁▂▃▄▅▆▇█"
_GAP = "  "
_NARROWEST, _BROADEST = 24, 48
_MEANING = (
    "At initialization, in training mode, for standardized inputs (bytes where the model scales them itself). input "
    "std: the part of a value that depends on the sample; gradient: its norm, relative to that at the output."
)
_UNSURE = "before them (for values) or behind them (for gradients)"
_DIGITS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def render(path: str, model: Row, rows: Sequence[Row], width: int) -> Iterator[Line]:
    """The profile. Where `width` has no room, the chart goes first, then columns from the right."""
    version = safe_text(f"{model['producer'] or ''} {model['producer_version'] or ''}".strip())
    yield line(
        Span(safe_text(path), "bold underline"), Span(f"  {version}", "dim"), Span("  predicted, not run", "dim")
    )
    yield ()
    yield from _sparklines(rows, width)
    yield ()
    yield from _table(rows, width)
    yield ()
    yield from _notes(rows, min(width, WIDEST))


@dataclass(frozen=True, slots=True)
class Scale:
    """A logarithmic axis of `cells` places, from the power of ten `low` to the power `high`."""

    low: float
    high: float
    cells: int

    @classmethod
    def over(cls, values: Iterable[float | None], cells: int, whole: bool = False) -> "Scale":
        """One that holds all values and at least a decade, so that noise is not blown up; `whole`: of whole decades."""
        logs = [log10(value) for value in values if value and isfinite(value)] or [0.0]
        low, high = (floor(min(logs)), ceil(max(logs))) if whole else (min(logs), max(logs))
        spare = max(0.0, 1 - (high - low)) / (1 if whole else 2)
        return cls(low - spare, high + (0 if whole else spare), cells)

    def place(self, value: float) -> int:
        """The place of a value; zero is at the left end."""
        share = (log10(value) - self.low) / (self.high - self.low) if value > 0 else 0.0
        return round(min(1.0, max(0.0, share)) * (self.cells - 1))


def sparkline(values: Sequence[float | None], most: int) -> str:
    """The values as bars of eight heights, at most `most` of them: neighbours share one, unknown ones are a space."""
    count = min(most, len(values))
    edges = [len(values) * place // count for place in range(count + 1)] if count else []
    means = [_geometric_mean(values[start:end]) for start, end in pairwise(edges)]
    scale = Scale.over(means, len(_LEVELS))
    return "".join(" " if mean is None else _LEVELS[scale.place(mean)] for mean in means)


def _geometric_mean(values: Iterable[float | None]) -> float | None:
    """Of those that have a logarithm; zero if none has, None if none is known."""
    known = [value for value in values if value is not None]
    logs = [log10(value) for value in known if 0 < value < inf]
    return 10.0 ** fmean(logs) if logs else (0.0 if known else None)


def number(value: float | None, certainty: str = "exact") -> str:
    """Three digits; `~` in front of what something that is not understood has a part in."""
    if value is None:
        return ""
    text = f"{value:.3g}"
    return text if certainty == "exact" else f"~{text}"


def _sparklines(rows: Sequence[Row], width: int) -> Iterator[Line]:
    for column in ("rms", "input_std", "gradient"):
        known = [row[column] for row in rows if row[column] is not None]
        if not known:
            continue
        bars = sparkline([row[column] for row in rows], min(64, width - 34))
        style = _MARKS[column][1]
        ends = f"{number(min(known))} … {number(max(known))}"
        yield line(Span(f"{NUMBERS[column]:<10}", "bold"), Span(bars, style), Span(f"  {ends}", "dim"))


def _table(rows: Sequence[Row], width: int) -> Iterator[Line]:
    columns = _columns(rows)
    sizes = {name: max(cells(name), *(cells(text) for text in texts)) for name, texts in columns.items()}
    shown = _fitting(sizes, width)
    room = width - sum(sizes[name] + len(_GAP) for name in shown)
    chart = _Chart.over(rows, min(_BROADEST, room)) if room >= _NARROWEST and len(shown) == len(columns) else None
    header = _GAP.join(_laid(name, name, sizes[name]) for name in shown)
    yield line(Span(header, "bold"), Span(_GAP + chart.axis() if chart else "", "dim"))
    for place, row in enumerate(rows):
        text = _GAP.join(_laid(name, columns[name][place], sizes[name]) for name in shown)
        style = "" if row["certainty"] == "exact" else "dim"
        yield line(Span(text, style), *([Span(_GAP), *chart.marks(row)] if chart else []))
    if chart:
        yield line(Span(" " * (width - room) + chart.legend(), "dim"))


def _columns(rows: Sequence[Row]) -> dict[str, list[str]]:
    texts = {"layer": [safe_text(row["name"]) for row in rows], "kind": [safe_text(row["kind"]) for row in rows]}
    for column, heading in NUMBERS.items():
        by = "gradient_certainty" if column == "gradient" else "certainty"
        texts[heading] = [number(row[column], row[by]) for row in rows]
    texts["certainty"] = [_certainty(row) for row in rows]
    if any(row["horizon"] is not None for row in rows):
        texts["memory"] = ["" if row["horizon"] is None else f"{row['horizon']:.1f} steps" for row in rows]
    return texts


def _certainty(row: Row) -> str:
    values, gradient = row["certainty"], row["gradient_certainty"]
    if row["gradient"] is None or values == gradient:  # whole numbers have no gradient, and nothing is amiss
        return str(values)
    return f"{values}, gradient {gradient}"


def _fitting(sizes: Mapping[str, int], width: int) -> list[str]:
    """The columns that there is room for, three of them at least."""
    shown: list[str] = []
    taken = -len(_GAP)
    for name, size in sizes.items():
        taken += size + len(_GAP)
        if taken > width and len(shown) >= 3:
            break
        shown.append(name)
    return shown


def _laid(column: str, text: str, size: int) -> str:
    space = " " * (size - cells(text))
    return space + text if column in NUMBERS.values() or column == "memory" else text + space


@dataclass(frozen=True, slots=True)
class _Chart:
    """The columns that matter most as marks on one axis."""

    scale: Scale

    @classmethod
    def over(cls, rows: Sequence[Row], size: int) -> "_Chart":
        values = [row[column] for row in rows for column in _MARKS if row[column]]
        return cls(Scale.over([1.0, *values], size, whole=True))

    def axis(self) -> str:
        """The powers of ten, as many as have room."""
        made, decades = "", round(self.scale.high - self.scale.low)
        step = max(1, ceil(decades * 6 / self.scale.cells))
        for power in range(round(self.scale.low), round(self.scale.high) + 1):
            label = "1" if power == 0 else f"10{str(power).translate(_DIGITS)}"
            place = min(self.scale.place(10.0**power), self.scale.cells - len(label))
            if power % step == 0 and place >= len(made) + bool(made):
                made += " " * (place - len(made)) + label
        return made

    def legend(self) -> str:
        """What the marks are."""
        return "  ".join(f"{mark} {NUMBERS[column]}" for column, (mark, _) in _MARKS.items())

    def marks(self, row: Row) -> list[Span]:
        """A row of the chart; a dotted line stands where the value is one."""
        spans = [Span(" ")] * self.scale.cells
        spans[self.scale.place(1.0)] = Span("┊", "dim")
        for column, (mark, style) in _MARKS.items():
            if row[column] is not None:
                spans[self.scale.place(row[column])] = Span(mark, style)
        return spans


def _notes(rows: Sequence[Row], width: int) -> Iterator[Line]:
    if all(row["rms"] is None for row in rows):
        yield from wrapped("nothing can be predicted: the file states no shape of its inputs", "", width, "yellow")
        return
    yield from wrapped(_MEANING, "", width, "dim")
    unsure = sum(_certainty(row) != "exact" for row in rows)
    if unsure:
        text = f"{unsure:,} of {len(rows):,} layers are not certain (~): something is not understood {_UNSURE}"
        yield from wrapped(text, "", width, "yellow")
