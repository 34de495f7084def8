"""What the lab has found out about a file: its plan, the table of verdicts, Markdown, JSON.

The JSON of `archlint verify` is the report of `archlint check` (schema 1, see `archlint.reports.contract`), with a
`verdict` in each finding that was put to the test, and `verification`: the `level`, `seeds` (the fewest and the most)
and `budget` that were asked for, how many seconds were `planned` and taken (`seconds`), what was `assumed`, why it
`failed` (null: it did not), and the `trials`. A trial has `info` (its fields: `archlint.lab.events.TrialInfo`), the
whole `verdict` (`archlint.lab.verdict.Verdict`; null if it was not reached), `runs`, one for each arm and seed that was
trained, with the curves, `measured`, what probes have measured, and `profiles`, one for each arm of a claim about the
signal: how it runs through the layers. A number that is not finite is null.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import ceil, isfinite
from typing import NamedTuple

import msgspec

from archlint.lab.events import Level, Measured, Planned, Profiled, Ran, Request, TrialInfo
from archlint.lab.verdict import Answer, Effect, Outcome, Part, Verdict
from archlint.reports import contract
from archlint.reports.full import OUTCOMES, STYLES
from archlint.reports.markdown import code, prose
from archlint.reports.text import Line, Span, cells, line, safe_text, wrapped
from archlint.reports.wording import about, at, counted, listed, reasons, sentence
from archlint.reports.wording import conclusion as checked
from archlint.rules.finding import Finding
from archlint.rules.template import plural

_HEAD = (("verdict", 14), ("mechanism", 9), ("symptom", 7), ("remedy", 7), ("effect", 20), ("seeds", 5), ("time", 6))
_GAP = "  "
_WIDE = sum(width for _, width in _HEAD) + len(_GAP) * (len(_HEAD) - 1)
"""Columns of the table, 80; a terminal that has fewer gets a line in their place."""
_LEFT = _HEAD[0][1] + len(_GAP)
_NUMBERS = ("seeds", "time")
_MINUTES = 100
"""Seconds from which on minutes say more."""

_ANSWERS = {Answer.yes: "yes", Answer.no: "no", Answer.unclear: "unclear", Answer.untested: "–"}


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A trial: its plan, its verdict if it was reached, and what was seen on the way."""

    info: TrialInfo
    verdict: Verdict | None
    runs: tuple[Ran, ...] = ()
    measured: tuple[Measured, ...] = ()
    profiles: tuple[Profiled, ...] = ()


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked of the lab, and what it has found out."""

    level: Level
    seeds: tuple[int, int]
    budget: float
    planned: float
    seconds: float
    assumed: tuple[str, ...]
    failed: str | None
    trials: tuple[Attempt, ...]


class Verified(contract.Report, frozen=True, kw_only=True, omit_defaults=True):
    """Everything one run of `archlint verify` says."""

    verification: Verification


# The plan


def plan(planned: Planned, path: str, findings: int, width: int, asked: Request | None = None) -> Iterator[Line]:
    """What will be tried, and how long that takes; said before it begins.

    Args:
        findings: how many the file has, those without a claim included.
        asked: what was asked for, to tell where the plan falls short of it.
    """
    todo = [info for info in planned.trials if info.why is None]
    time = f" within about {duration(max(1.0, planned.seconds))}" if todo else ""
    staff = f", by {planned.backend.value} in {_processes(planned.processes)}" if planned.backend else ""
    will = f"{len(todo):,} of {plural(findings, 'finding')} will be tried{time}{staff}"
    yield from wrapped(f"{safe_text(path)}: {will}", "", width, "bold")
    for group in _alike(todo):
        yield from _bullet(_planned(group, asked), width)
    for group in _alike([info for info in planned.trials if info.why is not None]):
        yield from _bullet(f"not tried: {_named(group)}: {sentence(group[0].why or '')}", width, "dim")
    if asked and asked.backend and not planned.backend:
        none = "only whole trainings go to other processes, and there is none"
        yield from _bullet(f"--backend {asked.backend.value} has no effect: {none}", width, "dim")
    if planned.assumed:
        yield from _hanging("  assumed  ", "; ".join(map(safe_text, planned.assumed)), width, "dim")
    yield ()


def _processes(number: int) -> str:
    return f"{number:,} {'process' if number == 1 else 'processes'}"


def _alike(infos: Sequence[TrialInfo]) -> list[list[TrialInfo]]:
    """Trials of one rule that are planned alike, together."""
    found: dict[tuple[object, ...], list[TrialInfo]] = {}
    for info in infos:
        key = (info.code, info.claim, info.arms, info.seeds, info.epochs, info.steps, info.why)
        found.setdefault(key, []).append(info)
    return list(found.values())


def _named(group: Sequence[TrialInfo]) -> str:
    layers = [safe_text(info.layer) for info in group if info.layer is not None]
    return f"{group[0].rule} at {at(layers)}"


def _planned(group: Sequence[TrialInfo], asked: Request | None) -> str:
    info, seconds = group[0], sum(info.seconds for info in group)
    does, time = "trains" if info.level is Level.train else "measures", duration(max(1.0, seconds))
    return f"{_named(group)}: {does} {' and '.join(info.arms)}, {_length(info, asked)}; about {time}"


def _length(info: TrialInfo, asked: Request | None) -> str:
    seeds = _seeds(info, asked) if info.level is Level.train else plural(info.seeds, "draw")
    if info.epochs:
        return f"{plural(info.epochs, 'epoch')} each, {seeds}"
    return f"{plural(info.steps, 'step')} each, {seeds}" if info.steps else seeds


def _seeds(info: TrialInfo, asked: Request | None) -> str:
    """How many at most, and of how many where the budget allows for fewer than were asked for."""
    if asked and info.seeds < asked.most_seeds:
        return f"up to {info.seeds} of {asked.most_seeds} seeds"
    return f"up to {plural(info.seeds, 'seed')}"


def duration(seconds: float) -> str:
    """`<1 s`, `14 s`, `3 min`."""
    if seconds < 1:
        return "<1 s"
    return f"{ceil(seconds)} s" if seconds < _MINUTES else f"{ceil(seconds / 60)} min"


# The table


def render(report: Verified, width: int, verbose: bool = False) -> Iterator[Line]:
    """The table of verdicts, each with its sentence, and what counts after that."""
    (file,) = report.files
    yield line(Span(safe_text(file.path), "bold underline"), Span(f"  {about(file)}", "dim"))
    yield ()
    trials = [trial for trial in report.verification.trials if trial.verdict is not None]
    if tried(report.verification) and width >= _WIDE:
        yield line(Span(_row([name for name, _ in _HEAD]), "dim"))
    counts_as = {_key(finding): finding for finding in file.findings if finding.verdict}
    for group in groups(trials):
        found = [finding for trial in group if (finding := counts_as.get(_key_of(trial)))]
        yield ()
        yield (*_severity(found), *_where(group, verbose))
        yield from _verdict(group, width)
    yield from [()] if trials else []
    yield from _closing(report, width)


def groups(trials: Sequence[Attempt]) -> list[list[Attempt]]:
    """Trials of one rule that ended alike, together."""
    found: dict[tuple[object, ...], list[Attempt]] = {}
    for trial in trials:
        verdict = trial.verdict
        if verdict is not None:
            answers = (verdict.mechanism.answer, verdict.symptom.answer, verdict.remedy.answer)
            found.setdefault((trial.info.code, verdict.outcome, verdict.reason, answers), []).append(trial)
    return list(found.values())


def _key(finding: Finding) -> tuple[str, str | None, str]:
    """A rule may fire twice at a layer."""
    return finding.code, finding.layer, finding.verdict.sentence if finding.verdict else ""


def _key_of(trial: Attempt) -> tuple[str, str | None, str]:
    return trial.info.code, trial.info.layer, trial.verdict.sentence if trial.verdict else ""


def _severity(found: Sequence[Finding]) -> Line:
    """What findings of one rule count as after all."""
    severities = dict.fromkeys(finding.severity for finding in found)
    return tuple(Span(f"{severity}  ", STYLES[severity]) for severity in severities)


def _where(group: Sequence[Attempt], verbose: bool) -> Line:
    info = group[0].info
    layers = [safe_text(trial.info.layer) for trial in group if trial.info.layer is not None]
    return line(Span(info.rule, "bold"), Span(f"  {info.code}  ", "dim"), Span(f"at {at(layers, verbose)}"))


def _verdict(group: Sequence[Attempt], width: int) -> Iterator[Line]:
    info, cells_of = group[0].info, Cells.of(group)
    head = Span(f"{cells_of.verdict:<{_HEAD[0][1]}}{_GAP}", OUTCOMES[cells_of.verdict])
    said = said_of(group)
    if info.why is not None:  # there are no numbers to show
        yield from _hanging_of(head, said, width)
        return
    indent = " " * (_LEFT if width >= _WIDE else 2)
    if width >= _WIDE:
        yield (head, Span(_row(cells_of)[_LEFT:]))
    else:
        yield (Span(cells_of.verdict, OUTCOMES[cells_of.verdict]),)
        yield from wrapped(cells_of.in_a_row(), indent, width)
    yield from wrapped(said, indent, width, "dim")


def said_of(group: Sequence[Attempt]) -> str:
    """The sentence of the first."""
    verdict = group[0].verdict
    text = sentence(verdict.sentence) if verdict else ""
    return text if len(group) == 1 else f"for example, {text}"


class Cells(NamedTuple):
    """A row of the table as texts."""

    verdict: str
    mechanism: str
    symptom: str
    remedy: str
    effect: str
    seeds: str
    time: str

    @classmethod
    def of(cls, group: Sequence[Attempt]) -> "Cells":
        """The row of trials that ended alike; numbers are those of the first, the time is that of all."""
        verdicts = [trial.verdict for trial in group if trial.verdict is not None]
        first = verdicts[0]
        parts = (first.mechanism, first.symptom, first.remedy)
        mechanism, symptom, remedy = (_ANSWERS[part.answer] for part in parts)
        return cls(
            verdict=outcome(first),
            mechanism=mechanism,
            symptom=symptom,
            remedy=remedy,
            effect=effect(first),
            seeds=str(first.seeds) if first.seeds else "–",
            time=duration(sum(verdict.seconds for verdict in verdicts)),
        )

    def in_a_row(self) -> str:
        """For a terminal that is too narrow for the table."""
        named = [f"{name} {cell}" for (name, _), cell in zip(_HEAD, self, strict=True)]
        return ", ".join(cell for cell in named[1:] if not cell.endswith("–"))


def outcome(verdict: Verdict) -> str:
    """The outcome in the words of reports."""
    return "undecided" if verdict.outcome is Outcome.inconclusive else str(verdict.outcome)


def effect(verdict: Verdict) -> str:
    """What decided: an effect with its interval, or what was measured and its limit."""
    if verdict.effects:
        return _interval(verdict.effects[0])
    parts = (part for part in (verdict.symptom, verdict.mechanism, verdict.remedy) if _is_measured(part))
    part = next(parts, None)
    if part is None or part.value is None:
        return "–"
    if part.seeds is not None:
        return part.amount()
    if part.low is not None and part.high is not None:
        return f"{share(part.value)} [{share(part.low)}, {share(part.high)}]"
    limit = "" if part.threshold is None else f", limit {part.threshold:.2g}"
    return f"{part.value:.2g}{limit}"


def _is_measured(part: Part) -> bool:
    return part.value is not None and isfinite(part.value)


def _interval(seen: Effect) -> str:
    return f"{share(seen.mean)} [{share(seen.low)}, {share(seen.high)}]"


def share(value: float) -> str:
    """`+7.5%`, `+38%`, and `×31` where per cent no longer say much."""
    if not isfinite(value) or value >= 10:
        return f"×{1 + value:,.0f}" if value < 1e6 else f"×{1 + value:.0e}"
    return f"{value:+.1%}" if abs(value) < 0.0995 else f"{value:+.0%}"


def _row(texts: Sequence[str]) -> str:
    padded = (
        f"{text:>{width}}" if name in _NUMBERS else f"{text:<{width}}"
        for text, (name, width) in zip(texts, _HEAD, strict=True)
    )
    return _GAP.join(padded)


def _closing(report: Verified, width: int) -> Iterator[Line]:
    lab, (file,) = report.verification, report.files
    if lab.assumed:
        yield from _hanging("assumed: ", "; ".join(map(safe_text, lab.assumed)), width, "dim")
    claimless = len(file.findings) - len(lab.trials)
    if claimless and not lab.failed:
        make = "makes no claim" if claimless == 1 else "make no claim"
        text = f"{plural(claimless, 'finding')} {make} that can be put to the test; archlint check names them"
        yield from _hanging("not tried: ", text, width, "dim")
    yield line(conclusion(lab))
    if not tried(lab):  # all that was done is what check does
        yield from _checked(report, width)
        return
    counts = report.summary
    found = [Span(text, STYLES[severity]) for severity, text in counted(counts.errors, counts.warnings, counts.advice)]
    separated = [part for span in found for part in (Span(", "), span)][1:]
    yield line("after that: ", *(separated or [Span("nothing found", "bold green")]))


def _checked(report: Verified, width: int) -> Iterator[Line]:
    """What was checked, and what was not, in the words of `check`."""
    for why, rules, _ in reasons(report.files, data=True):
        yield from _hanging("not checked: ", f"{plural(len(rules), 'rule')}: {safe_text(why)}", width, "dim")
    yield from wrapped(checked(report), "", width)


def tried(lab: Verification) -> list[Verdict]:
    """The verdicts of what was put to the test, decided or not."""
    return [trial.verdict for trial in lab.trials if trial.verdict is not None and trial.info.why is None]


def conclusion(lab: Verification) -> str:
    """How many claims were tried, how that ended, and how many were not."""
    verdicts = tried(lab)
    untried = sum(trial.info.why is not None for trial in lab.trials)
    left = f"{plural(untried, 'claim')} not tried" if untried else ""
    if not verdicts:
        return left or "nothing was tried"
    counts = Counter(map(outcome, verdicts))
    ended = ", ".join(f"{counts[name]:,} {name}" for name in OUTCOMES if counts[name])
    said = f"{plural(len(verdicts), 'claim')} in {duration(lab.seconds)}: {ended}"
    return "; ".join(filter(None, (said, left)))


def _bullet(text: str, width: int, style: str = "") -> Iterator[Line]:
    return _hanging("  - ", text, width, style)


def _hanging(head: str, text: str, width: int, style: str = "") -> Iterator[Line]:
    return _hanging_of(Span(head, "dim"), text, width, style)


def _hanging_of(head: Span, text: str, width: int, style: str = "") -> Iterator[Line]:
    rows = wrapped(text, " " * cells(head.text), width, style)
    yield (head, rows[0][1])
    yield from rows[1:]


# Markdown


def markdown(report: Verified) -> Iterator[str]:
    """The verdicts for a comment on a pull request."""
    (file,), lab = report.files, report.verification
    yield f"## archlint verify: {conclusion(lab)}\n\n{code(file.path)} {prose(about(file))}\n\n"
    if lab.failed:
        yield f"**Stopped**: {prose(lab.failed)}\n\n"
    together = groups(lab.trials)
    if together:
        yield f"| finding | {' | '.join(name for name, _ in _HEAD)} |\n|---{'|---' * len(_HEAD)}|\n"
        yield from map(_markdown_row, together)
        yield "\n"
    yield from map(_markdown_item, together)
    if lab.assumed:
        yield f"\nAssumed: {prose('; '.join(lab.assumed))}.\n"
    found = counted(report.summary.errors, report.summary.warnings, report.summary.advice)
    after = f"After that: {', '.join(text for _, text in found) or 'nothing found'}"
    yield f"\n{after if tried(lab) else prose(checked(report))}.\n"


def _markdown_row(group: Sequence[Attempt]) -> str:
    return f"| {_markdown_finding(group)} | {' | '.join(map(prose, Cells.of(group)))} |\n"


def _markdown_finding(group: Sequence[Attempt]) -> str:
    info = group[0].info
    named = listed([code(trial.info.layer) for trial in group if trial.info.layer is not None]) or "the model"
    return f"{prose(info.rule)} ({info.code}) at {named}"


def _markdown_item(group: Sequence[Attempt]) -> str:
    return f"- **{Cells.of(group).verdict}** {_markdown_finding(group)}<br>{prose(said_of(group))}\n"
