"""JUnit XML, which the test pages of CI servers read.

A model file is a test case: its name stays, so the server sees since when it fails, and when it was mended. It fails by
errors and warnings, all of them in one failure, as servers show only the first; advice and what is suppressed are its
output. A file that could not be judged is an error, and so is a rule that gave up. All that whatever `--fail-on` says:
that is for the exit code.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape  # what it writes is XML, too, and Python's own tools for XML take 60 ms to import
from typing import NamedTuple

from archlint.reports import remarks
from archlint.reports.contract import Checked, Report
from archlint.reports.places import relative
from archlint.reports.text import safe_text
from archlint.reports.wording import gave_up, hidden_by
from archlint.rules.finding import Finding
from archlint.rules.rule import Rule

_NO_CHARACTERS = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}
"""Harmless in a terminal, but not allowed in XML 1.0, section 2.2."""


class Case(NamedTuple):
    """A test case: its name, how it ended (`failure` or `error`; None: well), why, and what else it says."""

    name: str
    outcome: str | None = None
    reasons: Sequence[str] = ()
    output: Sequence[str] = ()


def render(report: Report, _rules: Sequence[Rule]) -> Iterator[str]:
    """The report as one test suite."""
    cases = [*map(_case, report.files), *_baselines(report)]
    outcomes = Counter(case.outcome for case in cases)
    counts = f'tests="{len(cases)}" failures="{outcomes["failure"]}" errors="{outcomes["error"]}"'
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f'<testsuites name="archlint" {counts}>\n'
    yield f'  <testsuite name="archlint" {counts}>\n'
    for case in cases:
        yield from _written(case)
    yield from _output(map(remarks.unused, report.unused), "    ")
    yield "  </testsuite>\n</testsuites>\n"


def _case(file: Checked) -> Case:
    unjudged = [safe_text(file.error)] if file.error is not None else [*map(remarks.gave_up, gave_up(file))]
    grave = [_told(finding) for finding in file.findings if finding.severity != "advice"]
    advice = [_told(finding) for finding in file.findings if finding.severity == "advice"]
    hidden = [f"suppressed {hidden_by(one)}: {_told(one.finding)}" for one in file.suppressed]
    return Case(
        name=safe_text(relative(file.path)),
        outcome="error" if unjudged else "failure" if grave else None,
        reasons=(*unjudged, *grave),
        output=(*advice, *hidden),
    )


def _told(finding: Finding) -> str:
    return f"{finding.severity} {finding.code} {finding.name}: {remarks.told(finding)}"


def _baselines(report: Report) -> Iterator[Case]:
    """A case for each baseline with stale entries."""
    for baseline in dict.fromkeys(entry.baseline for entry in report.stale):
        said = [remarks.stale(entry) for entry in report.stale if entry.baseline == baseline]
        yield Case(safe_text(relative(baseline)), "failure", said)


def _written(case: Case) -> Iterator[str]:
    yield f'    <testcase classname="archlint" name="{_text(case.name)}">\n'
    if case.outcome:
        more = len(case.reasons) - 1
        headline = f"{case.reasons[0]} (+{more} more)" if more else case.reasons[0]
        yield f'      <{case.outcome} type="archlint" message="{_text(headline)}">'
        yield "\n".join(map(_text, case.reasons))
        yield f"</{case.outcome}>\n"
    yield from _output(case.output, "      ")
    yield "    </testcase>\n"


def _output(lines: Iterable[str], indent: str) -> Iterator[str]:
    text = "\n".join(map(_text, lines))
    if text:
        yield f"{indent}<system-out>{text}</system-out>\n"


def _text(text: str) -> str:
    """The text as it stands in an element or, within quotes, in an attribute."""
    return escape(text.translate(_NO_CHARACTERS))
