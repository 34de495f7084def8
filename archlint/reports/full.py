"""The format for people: a block per rule and model, then what was counted and what was not checked."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from archlint.reports.contract import Checked, Data, Report, Suppressed
from archlint.reports.text import Line, Span, cells, joined, line, safe_text, width_of, wrapped
from archlint.reports.wording import (
    about,
    at,
    blocks,
    checked_with,
    counted,
    found_out,
    gave_up,
    hidden_by,
    lacking,
    layers,
    listed,
    message,
    not_understood,
    outcome,
    prune,
    reasons,
    stale_entry,
    tried,
    unfinished,
    unused_entry,
    was_tried,
)
from archlint.rules.finding import Finding, NotChecked
from archlint.rules.template import plural

if TYPE_CHECKING:
    from rich.text import Text

STYLES = {"error": "bold red", "warning": "bold yellow", "advice": "bold cyan"}
OUTCOMES = {
    "confirmed": "bold",
    "mechanism only": "green",
    "remedy refuted": "bold magenta",
    "refuted": "green",
    "undecided": "dim",
}
"""Styles of what was shown: what stands out is what is true."""
_ROOMY = 60
"""From this width on, texts begin behind the column of the severities."""
_ENTRIES = 10
"""Entries that are out of date are named up to this number."""


def render(report: Report, width: int, quiet: bool = False, verbose: bool = False) -> Iterator[Line]:
    """The report as lines of at most `width` columns where words allow."""
    for file in report.files:
        yield from _file(file, width, verbose)
    yield from _outdated(report, width, verbose)
    if not quiet:
        yield from summary(report, width, verbose)


def rich_text(report: Report, width: int | None = None) -> "Text":
    """The report for `rich.print`, laid out for the terminal, if no width is given."""
    return joined(render(report, width or width_of(sys.stdout)))


def _file(file: Checked, width: int, verbose: bool) -> Iterator[Line]:
    path = Span(safe_text(file.path), "bold underline")
    if file.status == "failed":
        yield line(path)
        yield from _hanging(Span(f"{'failed':>7}  ", STYLES["error"]), safe_text(file.error or ""), width)
        yield ()
        return
    if not file.findings and not gave_up(file) and not verbose:
        return
    yield from _headed(path, about(file), width)
    yield ()
    for unjudged in gave_up(file):
        yield from _unjudged(unjudged, width)
        yield ()
    for block in blocks(file.findings):
        yield from _block(block, width, verbose)
        yield ()
    if verbose:
        yield from _suppressed(file.suppressed, width)


def _headed(path: Span, text: str, width: int) -> Iterator[Line]:
    """The path and what kind of model it is, on one line if that has room."""
    if cells(f"{path.text}  {text}") <= width:
        yield line(path, Span(f"  {text}", "dim"))
        return
    yield line(path)
    yield from wrapped(text, "  ", width, "dim")


def _unjudged(unjudged: NotChecked, width: int) -> Iterator[Line]:
    yield _head("failed", STYLES["error"], unjudged.name, unjudged.code)
    yield from _labelled("", f"this rule did not finish: {safe_text(unjudged.why)}", width)


def _block(block: Sequence[Finding], width: int, verbose: bool) -> Iterator[Line]:
    first = block[0]
    yield _head(first.severity, STYLES[first.severity], first.name, first.code, outcome(first))
    yield from _labelled("at", at(layers(block), verbose), width, "bold")
    yield from _labelled("", message(block), width)
    if proof := found_out(block):
        yield from _labelled("tried" if first.verdict and was_tried(first.verdict) else "open", proof, width)
    yield from _labelled("fix", safe_text(first.advice), width)
    if first.fix:
        yield from _labelled("", safe_text(first.fix), width, "green")
    yield from _labelled("more", f"archlint rule {first.name}", width, "dim")


def _suppressed(suppressed: Sequence[Suppressed], width: int) -> Iterator[Line]:
    """What the user asked not to hear of, and why."""
    by_reason: dict[str, list[Finding]] = {}
    for one in suppressed:
        by_reason.setdefault(hidden_by(one), []).append(one.finding)
    for why, findings in by_reason.items():
        for block in blocks(findings):
            yield line(Span(f"{block[0].severity:>7}  {block[0].name}  {block[0].code}  suppressed", "dim"))
            yield from _labelled("at", at(layers(block), whole=True), width, "dim")
            yield from _labelled("why", why, width, "dim")
            yield ()


def _head(word: str, style: str, name: str, code: str, said: str | None = None) -> Line:
    """The rule, and what was shown of what it says."""
    proof = [Span(f"  {said}", OUTCOMES[said.partition(",")[0]])] if said else []
    return line(Span(f"{word:>7}  ", style), Span(name, "bold"), Span(f"  {code}", "dim"), *proof)


def _labelled(label: str, text: str, width: int, style: str = "") -> Iterator[Line]:
    return _hanging(Span(f"{_indent(width)}{label:<6}", "dim"), text, width, style)


def _indent(width: int) -> str:
    return " " * (9 if width >= _ROOMY else 2)


def _hanging(head: Span, text: str, width: int, style: str = "") -> Iterator[Line]:
    rows = wrapped(text, " " * len(head.text), width, style)
    yield (head, rows[0][1])
    yield from rows[1:]


def _outdated(report: Report, width: int, verbose: bool) -> Iterator[Line]:
    """Entries of configurations and of baselines that have outlived what they were about."""
    for source in dict.fromkeys(entry.config for entry in report.unused):
        entries = [unused_entry(entry) for entry in report.unused if entry.config == source]
        yield from _source(source, "warning", "unused", entries, "take out what hid nothing", width, verbose)
    for source in dict.fromkeys(entry.baseline for entry in report.stale):
        ours = [entry for entry in report.stale if entry.baseline == source]
        entries = [stale_entry(entry) for entry in ours]
        yield from _source(source, "error", "stale", entries, f"run `{prune(ours)}`", width, verbose)


def _source(
    path: str, severity: str, what: str, entries: Sequence[str], fix: str, width: int, verbose: bool
) -> Iterator[Line]:
    yield line(Span(safe_text(path), "bold underline"))
    yield ()
    yield line(Span(f"{severity:>7}  ", STYLES[severity]), Span(what, "bold"))
    shown = entries if verbose else entries[:_ENTRIES]
    for entry in shown:
        yield from _labelled("", entry, width)
    if len(shown) < len(entries):
        yield from _labelled("", f"… +{len(entries) - len(shown):,}", width)
    yield from _labelled("fix", fix, width)
    yield ()


def summary(report: Report, width: int, verbose: bool) -> Iterator[Line]:
    """What was counted, and what was not checked and why."""
    counts = report.summary
    if counts.checked:
        yield from _remarks(report, width, verbose)
    if counts.failed:
        yield line(Span(f"{plural(counts.failed, 'file')} could not be checked", STYLES["error"]))
    if counts.checked:
        yield from _counts(report, width)


def _counts(report: Report, width: int) -> Iterator[Line]:
    """With what was checked and how much was found; on two lines if one is too short."""
    counts = report.summary
    found = [Span(text, STYLES[severity]) for severity, text in counted(counts.errors, counts.warnings, counts.advice)]
    left = unfinished(report.files)
    said = [*([Span(left, STYLES["error"])] if left else []), *found] or [Span("nothing found", "bold green")]
    hidden = [Span(f"{counts.suppressed:,} suppressed", "dim")] if counts.suppressed else []
    separated = [part for span in (*said, *hidden) for part in (Span(", "), span)][1:]
    head = f"{checked_with(report)}:"
    if cells(" ".join((head, "".join(span.text for span in separated)))) <= width:
        yield line(f"{head} ", *separated)
    else:
        yield from (*wrapped(head, "", width), tuple(separated))


def _remarks(report: Report, width: int, verbose: bool) -> Iterator[Line]:
    """What the verdict rests on: the data, and what could be looked at."""
    remarks = [
        ("training data", _data(report.data)),
        ("tried", tried(report)),
        ("not understood", not_understood(report.files)),
    ]
    brief = lacking(report)
    if brief and not verbose:
        remarks.append(("not checked", f"{brief}; -v names them"))
    if verbose:
        remarks += [("not checked", reason) for reason in _reasons(report.files)]
    for label, text in remarks:
        if text:
            yield from _hanging(Span(f"{label}: ", "dim"), text, width, "dim")
    if any(text for _, text in remarks):
        yield ()


def _data(data: Data | None) -> str | None:
    """The training data, if any was given."""
    if data is None:
        return None
    part = f", of which the first {data.seen:,} were looked at" if data.seen < data.samples else ""
    return f"{safe_text(data.name)}, {plural(data.samples, 'sample')}{part}"


def _reasons(files: Sequence[Checked]) -> Iterator[str]:
    """What the files could not tell, and whom it kept from judging."""
    for why, rules, holders in reasons(files, data=True):
        where = f" in {plural(len(holders), 'file')}" if len(files) > 1 else ""
        needs = sorted({need for rule in rules for need in rule.needs})
        codes = listed([rule.code for rule in rules], whole=True)
        yield f"{plural(len(rules), 'rule')}{where} ({codes}): {safe_text(why)}; needs {', '.join(needs)}"


def statistics(report: Report, width: int, quiet: bool = False, verbose: bool = False) -> Iterator[Line]:
    """How often each rule fired, the most frequent first; before that, what could not be checked."""
    for file in report.files:
        yield from _file(replace(file, findings=(), suppressed=()), width, verbose=False)
    yield from _outdated(report, width, verbose)
    found = Counter((one.severity, one.code, one.name) for file in report.files for one in file.findings)
    for (severity, code, name), count in found.most_common():
        yield line(f"{count:>7,}  ", Span(f"{severity:<8}", STYLES[severity]), f"{code}  {name}")
    if not quiet:
        yield from [()] if found else []
        yield from summary(report, width, verbose)
