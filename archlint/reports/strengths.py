"""How signal and gradient run through the layers of both arms, as two panels of a picture."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from archlint.lab.events import Profiled
from archlint.reports.panels import LOOKS, Look, clean
from archlint.reports.text import safe_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LABELS = 24
"""Names of layers that are readable side by side."""


def strengths(spread: "Axes", gradient: "Axes", profiles: Sequence[Profiled]) -> None:
    """Draw the profiles of the arms: measured as solid lines with marks, predicted as dashed ones."""
    longest = max(profiles, key=lambda profile: len(profile.layers))
    places = {layer.layer: place for place, layer in enumerate(longest.layers)}
    panels = (
        (spread, "spread over samples of what a layer receives", "spread"),
        (gradient, "gradient there, relative to that at the outputs", "gradient"),
    )
    for axes, title, column in panels:
        clean(axes, title)
        axes.set_yscale("log")
        for look, profile in zip(LOOKS, profiles, strict=False):
            _line(axes, profile, places, column, look, "-")
            _line(axes, profile, places, f"predicted_{column}", look, "--")
        _show_a_decade(axes)
        _name(axes, list(places))
        axes.set_xlabel("solid: measured, median of the draws; dashed: predicted", fontsize=8.5)


def _line(axes: "Axes", profile: Profiled, places: Mapping[str, int], column: str, look: Look, style: str) -> None:
    known = [(places[layer.layer], getattr(layer, column)) for layer in profile.layers if layer.layer in places]
    drawn = [(place, value) for place, value in known if value]  # zero has no logarithm
    axes.plot(
        [place for place, _ in drawn],
        [value for _, value in drawn],
        style,
        marker=look.mark if style == "-" else "",
        color=look.colour,
        lw=1.6 if style == "-" else 1.2,
        ms=5 if len(places) <= _LABELS else 3,
        mec="white",
        mew=0.6,
    )


def _name(axes: "Axes", layers: Sequence[str]) -> None:
    """The names below: all, or of a deep network some in even steps."""
    step = max(1, -(-len(layers) // _LABELS))
    places = [*range(0, len(layers) - step, step), len(layers) - 1]
    labels = [_short(layers[place]) for place in places]
    axes.set_xticks(places, labels, rotation=90, fontsize=7.5, parse_math=False)


def _short(name: str) -> str:
    """Its end, which tells it from the others of its block."""
    text = safe_text(name)
    return text if len(text) <= 24 else f"…{text[-23:]}"


def _show_a_decade(axes: "Axes") -> None:
    """At least, or noise would look like a trend."""
    low, high = axes.get_ylim()
    if high < 10 * low:
        middle = (low * high) ** 0.5
        axes.set_ylim(middle / 10**0.5, middle * 10**0.5)
