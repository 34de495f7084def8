"""A picture of each trial: the curves of both arms and their paired difference, or what a probe has measured.

Needs matplotlib. Colours are Okabe and Ito's, safe for the colour-blind; the arms differ in their marks, too.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from archlint.errors import UsageError
from archlint.lab.events import Ran, common_ends
from archlint.lab.verdict import Effect, Part, Verdict
from archlint.reports.panels import LOOKS, Look, clean
from archlint.reports.strengths import strengths
from archlint.reports.text import safe_text
from archlint.reports.verdicts import Attempt, outcome, share

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

_WORTH = 0.02
"""Half of the zone in which a difference is not worth a change; that of `archlint.lab.thresholds.EFFECT`."""

_LOGARITHMIC = 20.0
"""Largest loss over the smallest, from which on the scale is logarithmic."""

_Losses = tuple[float | None, ...]

_LOSSES: Mapping[str, Callable[[_Losses, _Losses], tuple[float, float]]] = {
    "best validation loss": lambda before, after: (min(_known(before)), min(_known(after))),
    "final validation loss": lambda before, after: common_ends(_known(before), _known(after)),
}
"""What an effect compares, of the validation losses of two runs that are finite."""

_EFFECT = "#555555"

_RATIOS = 4.0
"""Largest loss ratio over the smallest, from which on differences are drawn as ratios on a logarithmic scale."""

_DECADES = 30.0
"""The same, from which on only powers of ten are named."""

_ARM_NAME = 30
"""Letters of an arm's name that fit below a panel."""

_TITLE_LINES = 0.44
"""Inches that the title takes with the line below it."""

_TITLE_LAYER = 60
"""Letters of a layer's name that fit into a title; its end tells it from the others of its block."""

_MARGIN = 0.01
"""Share of a picture's width that is left free beside its title."""


def needed() -> None:
    """See that pictures can be drawn, before anything is trained for them.

    Raises:
        UsageError: matplotlib is missing.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError("--plot needs matplotlib, which is not installed: pip install 'archlint[verify]'") from error


def folder(path: Path) -> Path:
    """The folder for pictures, made if it is not there.

    Raises:
        UsageError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--plot {path} is no folder and cannot be made one ({error.strerror})") from error
    return path


def draw(path: Path, trials: Sequence[Attempt]) -> list[Path]:
    """Write a picture of each trial in which something was seen, and tell their names.

    Raises:
        UsageError: a picture cannot be written.
    """
    drawn = []
    for place, trial in enumerate(trials, 1):
        figure = _figure(trial)
        if figure is not None:
            drawn.append(path / f"{place:02}-{_name(trial)}.png")
            _save(figure, drawn[-1])
    return drawn


def _name(trial: Attempt) -> str:
    """Letters, digits, dots, dashes: a layer may be called anything."""
    named = f"{trial.info.rule}-{trial.info.layer}" if trial.info.layer else trial.info.rule
    return re.sub(r"[^A-Za-z0-9-]+", "_", named)[:80]


def _save(figure: "Figure", path: Path) -> None:
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); name another folder with --plot") from error


def _figure(trial: Attempt) -> "Figure | None":
    if trial.verdict is None:
        return None
    if any(ran.val for ran in trial.runs):
        return _training(trial, trial.verdict)
    return _probe(trial, trial.verdict) if _measures(trial.verdict) else None


def _titled(figure: "Figure", trial: Attempt, verdict: Verdict) -> None:
    where = f" at {_end_of(safe_text(trial.info.layer))}" if trial.info.layer else ""
    title = f"{trial.info.rule}{where}: {outcome(verdict)}"
    # the empty line makes room for the scope, which is smaller than a title can have it
    bold = figure.suptitle(f"{title}\n", x=_MARGIN, ha="left", fontsize=12, fontweight="bold", parse_math=False)
    seeds = f"{verdict.seeds} {'seed' if verdict.seeds == 1 else 'seeds'}"
    scope = f"{safe_text(str(verdict.scope))}, {seeds}"
    below = 1 - _TITLE_LINES / figure.get_figheight()
    grey = figure.text(_MARGIN, below, scope, va="bottom", fontsize=8.5, color="0.4", parse_math=False)
    for text in (bold, grey):
        _fit(figure, text)


def _end_of(name: str) -> str:
    return name if len(name) <= _TITLE_LAYER else f"…{name[1 - _TITLE_LAYER :]}"


def _fit(figure: "Figure", text: "Text") -> None:
    """Smaller letters, where a line would run out of the picture."""
    room = (1 - 2 * _MARGIN) * figure.bbox.width
    wide = text.get_window_extent().width
    if wide > room:
        text.set_fontsize(float(text.get_fontsize()) * room / wide)


# Trials that were trained


def _training(trial: Attempt, verdict: Verdict) -> "Figure":
    from matplotlib.figure import Figure

    seen = [(effect, _paired(trial, effect.metric)) for effect in verdict.effects]
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    ratios = [1, 1.35, 1.05] if seen else [1, 1.35]
    panels = figure.subplots(1, len(ratios), width_ratios=ratios)
    train, val = panels[0], panels[1]
    arms = _arms(trial)
    for look, (name, runs) in zip(LOOKS, arms.items(), strict=False):
        _curves(train, [ran.train for ran in runs], look, name)
        _curves(val, [ran.val for ran in runs], look, name)
        _best(val, runs, look)
    _losses_axis(train, val, trial.runs)
    if seen:
        _effects(panels[2], seen, *list(arms)[:2])
    _titled(figure, trial, verdict)
    return figure


def _arms(trial: Attempt) -> dict[str, list[Ran]]:
    """The runs of each arm, in the order of the plan."""
    names = [*trial.info.arms, *(ran.arm for ran in trial.runs)]
    found = {name: [ran for ran in trial.runs if ran.arm == name] for name in dict.fromkeys(names)}
    return {name: runs for name, runs in found.items() if runs}


def _curves(axes: "Axes", curves: Sequence[Sequence[float | None]], look: Look, name: str) -> None:
    """Each seed thin, the median in front: dashed once it is one of fewer seeds, or it would seem to jump."""
    for curve in curves:
        axes.plot(range(1, len(curve) + 1), _holes(curve), color=look.colour, lw=0.7, alpha=0.4)
    lengths = sorted(map(len, curves))
    middle = [_median([curve[epoch] for curve in curves if epoch < len(curve)]) for epoch in range(lengths[-1])]
    solid, dashed = middle[: lengths[0]], middle[max(0, lengths[0] - 1) :]
    axes.plot(range(1, len(solid) + 1), solid, color="white", lw=4.2, solid_capstyle="round")  # a rim, to stand out
    axes.plot(range(1, len(solid) + 1), solid, color=look.colour, lw=2.2, label=safe_text(name))
    if len(dashed) > 1:
        axes.plot(range(lengths[0], lengths[-1] + 1), dashed, color=look.colour, lw=1.5, ls=(0, (2, 1.5)))


def _holes(curve: Sequence[float | None]) -> list[float]:
    """A loss that is not finite leaves a gap."""
    return [float("nan") if loss is None else loss for loss in curve]


def _median(losses: Sequence[float | None]) -> float:
    known = [loss for loss in losses if loss is not None]
    return median(known) if len(known) == len(losses) else float("nan")


def _best(axes: "Axes", runs: Sequence[Ran], look: Look) -> None:
    for ran in runs:
        known = [(loss, epoch) for epoch, loss in enumerate(ran.val, 1) if loss is not None]
        if known:
            loss, epoch = min(known)
            axes.plot(epoch, loss, look.mark, color=look.colour, mec="white", mew=0.8, ms=6.5, zorder=5)


def _losses_axis(train: "Axes", val: "Axes", runs: Sequence[Ran]) -> None:
    """Both panels on one scale: the gap between them is what overfitting looks like."""
    from matplotlib.ticker import MaxNLocator

    known = [loss for ran in runs for loss in (*ran.train, *ran.val) if loss is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    logarithmic = low > 0 and high / low > _LOGARITHMIC
    margin = 0.04 * (high - low) or 0.1
    for axes, title in ((train, "training loss"), (val, "validation loss, with its lowest points")):
        if logarithmic:
            axes.set_yscale("log")
            axes.set_ylim(low / 1.15, high * 1.15)
        else:
            axes.set_ylim(0 if 0 <= low < 0.5 * high else low - margin, high + margin)
        clean(axes, title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    train.set_xlabel("epoch", fontsize=8.5)
    val.set_xlabel("epoch\nthick: median of the seeds, dashed where some have ended", fontsize=8.5)
    train.set_ylabel("loss, logarithmic" if logarithmic else "loss")
    val.tick_params(which="both", labelleft=False)
    legend = val.legend(frameon=False, fontsize=9, loc="best")
    for text in legend.get_texts():
        text.set_parse_math(False)


def _paired(trial: Attempt, metric: str) -> list[float]:
    """How much higher the loss of the first arm is than that of the second with the same seed, as shares."""
    losses = _LOSSES.get(metric)
    both = list(_arms(trial).values())[:2]
    if losses is None or len(both) < 2:
        return []
    first, second = ({ran.seed: ran.val for ran in runs if ran.finite and ran.val} for runs in both)
    pairs = [losses(first[seed], second[seed]) for seed in sorted(first.keys() & second.keys())]
    return [before / after - 1 for before, after in pairs if min(before, after) > 0]


def _known(losses: _Losses) -> list[float]:
    return [loss for loss in losses if loss is not None]


def _effects(axes: "Axes", seen: Sequence[tuple[Effect, Sequence[float]]], before: str, after: str) -> None:
    """Dots for seeds, a bar for the interval, and the zone in which a difference is not worth a change."""
    ratios = [1.0, *(1 + value for effect, dots in seen for value in (effect.low, effect.high, *dots))]
    axes.axvspan(1 - _WORTH, 1 + _WORTH, color="0.9", lw=0)
    axes.axvline(1, color="0.5", lw=0.9)
    for row, (effect, dots) in enumerate(seen):
        _effect(axes, row, effect, dots)
    clean(axes, "")
    axes.set_title("paired difference, with 95 % interval", loc="left", fontsize=10)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(seen) - 0.55, -0.6)
    as_ratio = min(ratios) > 0 and max(ratios) / min(ratios) > _RATIOS
    (_ratios if as_ratio else _percentages)(axes)
    compared = f"loss of “{_brief(before)}”\nover that of “{_brief(after)}”{'' if as_ratio else ', less 1'}"
    axes.set_xlabel(f"{compared}\ngrey: less than ±2 %, not worth it", fontsize=8.5, parse_math=False)


def _effect(axes: "Axes", row: int, effect: Effect, dots: Sequence[float]) -> None:
    low, mean, high = (1 + value for value in (effect.low, effect.mean, effect.high))
    axes.plot([low, high], [row, row], color=_EFFECT, lw=2, solid_capstyle="butt")
    axes.plot([low, high], [row, row], "|", color=_EFFECT, ms=10, mew=2)
    axes.plot(mean, row, "D", color=_EFFECT, ms=7, mec="white", zorder=4)
    seeds = [1 + value for value in dots]
    axes.plot(seeds, [row + 0.17] * len(dots), "o", color=LOOKS[1].colour, alpha=0.6, ms=5, mec="white", mew=0.6)
    said = f"{effect.metric}: {share(effect.mean)} [{share(effect.low)}, {share(effect.high)}]"
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    place = axes.get_yaxis_transform()
    axes.text(0, row - 0.2, said, transform=place, fontsize=8.5, bbox=box, parse_math=False)


def _percentages(axes: "Axes") -> None:
    from matplotlib.ticker import FixedLocator, MaxNLocator

    low, high = axes.get_xlim()
    places = MaxNLocator(nbins=5, steps=[1, 2, 5, 10]).tick_values(low - 1, high - 1)  # round less 1, not as they are
    axes.xaxis.set_major_locator(FixedLocator([1 + place for place in places if low <= 1 + place <= high]))
    axes.xaxis.set_major_formatter(lambda value, _place: _percent(value - 1))


def _percent(difference: float) -> str:
    """`+2.5%`, `-10%`, `0`."""
    return f"{100 * difference:+.3g}%" if abs(difference) > 1e-9 else "0"


def _ratios(axes: "Axes") -> None:
    """What is twice as high is as far to the right as what is half as high is to the left."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    steps = (1.0,) if high / low > _DECADES else (1.0, 2.0, 5.0)
    axes.xaxis.set_major_locator(LogLocator(subs=steps, numticks=5))
    axes.xaxis.set_major_formatter(lambda value, _place: f"×{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _brief(name: str) -> str:
    """A name of an arm, cut off where it would run out of its panel."""
    text = safe_text(name)
    return text if len(text) <= _ARM_NAME else f"{text[: _ARM_NAME - 1]}…"


# Probes


def _measures(verdict: Verdict) -> list[tuple[str, Part]]:
    """The parts of a verdict that a probe has measured, by the arm that they are about."""
    first = verdict.mechanism if verdict.mechanism.value is not None else verdict.symptom
    parts = [("as it is", first), (verdict.remedy_name or "", verdict.remedy)]
    return [(arm, part) for arm, part in parts if part.value is not None and isfinite(part.value)]


def _probe(trial: Attempt, verdict: Verdict) -> "Figure":
    from matplotlib.figure import Figure

    parts = _measures(verdict)
    height = 1.7 + 0.55 * len(parts)
    if trial.profiles:
        figure = Figure(figsize=(11, height + 3.6), layout="constrained")
        panels = figure.subplot_mosaic([["value", "value"], ["spread", "gradient"]], height_ratios=[height - 1, 3.6])
        strengths(panels["spread"], panels["gradient"], trial.profiles)
        axes = panels["value"]
    else:
        figure = Figure(figsize=(7.5, height), layout="constrained")
        axes = figure.subplots()
    for row, (look, (_, part)) in enumerate(zip(LOOKS, parts, strict=False)):
        assert part.value is not None
        axes.plot(part.value, row, look.mark, color=look.colour, ms=9)
        axes.annotate(part.amount(), (part.value, row), (0, 8), textcoords="offset points", ha="center", fontsize=9)
    threshold = parts[0][1].threshold
    if threshold is not None:
        axes.axvline(threshold, color="0.4", lw=1.2, ls="--")
        axes.annotate(
            f"limit {threshold:.3g}", (threshold, 1), (4, -2), textcoords="offset points", va="top", fontsize=8.5,
            color="0.3", xycoords=("data", "axes fraction"),
        )  # fmt: skip
    _probe_axis(axes, parts, threshold)
    _titled(figure, trial, verdict)
    return figure


def _probe_axis(axes: "Axes", parts: Sequence[tuple[str, Part]], threshold: float | None) -> None:
    values = [part.value for _, part in parts if part.value is not None] + ([threshold] if threshold else [])
    clean(axes, "")
    if min(values) > 0 and max(values) / min(values) > _LOGARITHMIC:
        axes.set_xscale("log")
        axes.set_xlim(min(values) / 4, max(values) * 4)
    else:
        low, high = min(0.0, *values), max(values)
        axes.set_xlim(low - 0.05 * (high - low), high + 0.15 * (high - low or 1))
    axes.set_yticks(range(len(parts)), [safe_text(arm) for arm, _ in parts], parse_math=False)
    axes.set_ylim(len(parts) - 0.4, -0.8)
    first = parts[0][1]
    counted = ": share of the seeds" if first.seeds is not None else ""
    axes.set_xlabel(f"{safe_text(first.metric or '')}{counted}", parse_math=False)
