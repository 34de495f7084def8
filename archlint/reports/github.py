"""Annotations of a GitHub workflow: commands that its runner reads from the log.

GitHub shows ten errors, ten warnings and ten notices of a step, so the gravest come first, and a rule that fires in
many layers of a file is one annotation. What is left over stands in the log, folded.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from archlint.reports.contract import Checked, Report
from archlint.reports.places import relative
from archlint.reports.text import escaped, safe_text
from archlint.reports.wording import (
    at,
    blocks,
    conclusion,
    found_out,
    gave_up,
    lacking,
    layers,
    message,
    not_understood,
    prune,
    stale_entry,
    unused_entry,
)
from archlint.rules.finding import Finding
from archlint.rules.rule import Rule, Severity

Level = Literal["error", "warning", "notice"]
_LEVELS: dict[Severity, Level] = {"error": "error", "warning": "warning", "advice": "notice"}
_SHOWN: dict[Level, int] = {"error": 10, "warning": 10, "notice": 9}
"""Annotations that a step may have; the tenth notice says how many more there are."""


class Annotation(NamedTuple):
    """What is said of a file; the text may have several lines."""

    level: Level
    path: str
    title: str
    text: str

    def command(self) -> str:
        """The workflow command."""
        place = f"file={_property(escaped(relative(self.path)))},title={_property(self.title)}"
        return f"::{self.level} {place}::{_data(self.text)}\n"

    def plain(self) -> str:
        """The same as a line of the log that commands nothing."""
        return f"{safe_text(self.path)}: {self.level}: {self.title}: {'; '.join(self.text.splitlines())}\n"


def render(report: Report, _rules: Sequence[Rule]) -> Iterator[str]:
    """The report as lines of a workflow's log."""
    said = list(_annotations(report))
    by_level = {level: [one for one in said if one.level == level] for level in _SHOWN}
    for level, most in _SHOWN.items():
        yield from (one.command() for one in by_level[level][:most])
    yield from _folded([one for level, most in _SHOWN.items() for one in by_level[level][most:]])
    for label, remark in (("not understood", not_understood(report.files)), ("not checked", lacking(report))):
        if remark:
            yield f"{label}: {remark}\n"
    yield f"{conclusion(report)}\n"


def _annotations(report: Report) -> Iterator[Annotation]:
    """All that is to be said, of each level what matters most first."""
    for file in report.files:
        if file.error is not None:
            yield Annotation("error", file.path, "archlint could not check this file", safe_text(file.error))
    for file in report.files:
        yield from _given_up(file)
    for stale in report.stale:
        text = f"{stale_entry(stale)}\nrun `{prune([stale])}`"
        yield Annotation("error", stale.baseline, "stale entry of the baseline", text)
    for file in report.files:
        yield from (_finding(file.path, block) for block in blocks(file.findings))
    for unused in report.unused:
        yield Annotation("warning", unused.config, "this entry hid nothing: take it out", unused_entry(unused))


def _given_up(file: Checked) -> Iterator[Annotation]:
    for unjudged in gave_up(file):
        title = f"{unjudged.name} ({unjudged.code}) did not finish"
        yield Annotation("error", file.path, title, safe_text(unjudged.why))


def _finding(path: str, block: Sequence[Finding]) -> Annotation:
    first = block[0]
    proof = found_out(block)
    tried = f"tried: {proof}" if proof else ""
    lines = [message(block), tried, f"fix: {safe_text(first.advice)}", safe_text(first.fix or "")]
    title = f"{first.name} ({first.code}) at {at(layers(block))}"
    return Annotation(_LEVELS[first.severity], path, title, "\n".join(filter(None, lines)))


def _folded(left: Sequence[Annotation]) -> Iterator[str]:
    """What GitHub would not show as annotations."""
    if not left:
        return
    more = f"{len(left):,} more {'is' if len(left) == 1 else 'are'} in the log of this step"
    yield f"::notice title=archlint::{_data(f'GitHub shows the first annotations only; {more}')}\n"
    yield f"::group::{len(left):,} more\n"
    yield from (annotation.plain() for annotation in left)
    yield "::endgroup::\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
