"""The predicted signal of a model as a picture: strength over depth on a logarithmic scale. Needs matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archlint.errors import UsageError
from archlint.reports.text import safe_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = Mapping[str, Any]

SUFFIXES = (".png", ".svg", ".pdf")

_CURVES = (
    ("input_std", "certainty", "input-dependent std", "#56b4e9", 1.4),
    ("rms", "certainty", "rms", "#0072b2", 1.4),
    ("gradient", "gradient_certainty", "gradient, relative to the output's", "#d55e00", 2.0),
)
"""Column, column of its certainty, label, colour (Okabe and Ito's, safe for the colour-blind), error factor."""

_LABELS = 72
"""Names that are readable side by side."""


def draw(path: Path, title: str, rows: Sequence[Row]) -> None:
    """Write the picture.

    Raises:
        UsageError: matplotlib is missing, the suffix is none of `SUFFIXES`, or the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path} is no name of a picture; end it in one of {', '.join(SUFFIXES)}")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("drawing needs matplotlib, which is not installed: pip install 'archlint[verify]'") from error
    named = _named(rows)
    figure = Figure(figsize=(max(7.0, 2.2 + 0.21 * min(len(rows), _LABELS)), 5.6), layout="constrained")
    axes = figure.add_subplot()
    for curve in _CURVES:
        _curve(axes, rows, *curve)
    _uncertain(axes, rows)
    _frame(axes, rows, named, title)
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=9, loc="outside lower left", ncols=5)
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); name another file with --plot") from error


def _curve(
    axes: "Axes", rows: Sequence[Row], column: str, certainty: str, label: str, colour: str, factor: float
) -> None:
    nan = float("nan")
    values = [row[column] or nan for row in rows]  # a logarithm of zero has no place
    depth = range(len(rows))
    axes.fill_between(
        depth,
        [value / factor for value in values],
        [value * factor for value in values],
        color=colour,
        alpha=0.12,
        lw=0,
    )
    axes.plot(depth, values, color=colour, lw=1.6, label=label)
    sure = [value if row[certainty] == "exact" else nan for value, row in zip(values, rows, strict=True)]
    unsure = [nan if row[certainty] == "exact" else value for value, row in zip(values, rows, strict=True)]
    size = 3.5 if len(rows) <= _LABELS else 0
    axes.plot(depth, sure, "o", color=colour, ms=size)
    axes.plot(depth, unsure, "o", color=colour, mfc="white", ms=max(size, 2.5))


def _uncertain(axes: "Axes", rows: Sequence[Row]) -> None:
    """Grey where values are partial, hatched where nothing is known."""
    seen = set()
    for place, row in enumerate(rows):
        certainty = row["certainty"]
        if certainty != "exact":
            hatch, label = (None, "partial") if certainty == "partial" else ("////", "unknown")
            named = None if certainty in seen else label
            seen.add(certainty)
            axes.axvspan(
                place - 0.5, place + 0.5, facecolor="0.93", edgecolor="0.75", hatch=hatch, lw=0, zorder=0, label=named
            )


def _frame(axes: "Axes", rows: Sequence[Row], named: Sequence[int], title: str) -> None:
    axes.set_yscale("log")
    axes.axhline(1, color="0.6", lw=0.8, zorder=0)
    axes.set_xlim(-0.7, len(rows) - 0.3)
    labels = [_short(rows[place]["name"]) for place in named]
    axes.set_xticks(list(named), labels, rotation=90, fontsize=8, parse_math=False)  # a name may hold a $
    axes.grid(axis="y", color="0.9", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylabel("at initialization, logarithmic")
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", pad=12, parse_math=False)


def _named(rows: Sequence[Row]) -> list[int]:
    """The layers whose names stand below: all, or of a deep model some in even steps."""
    step = max(1, -(-len(rows) // _LABELS))
    return [*range(0, len(rows) - step, step), len(rows) - 1]


def _short(name: str) -> str:
    text = safe_text(name)
    return text if len(text) <= 32 else f"{text[:15]}…{text[-16:]}"
