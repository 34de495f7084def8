"""One line per finding: `path: layer: severity CODE name: message`."""

from collections.abc import Iterator

from archlint.reports.contract import Checked, Report
from archlint.reports.full import STYLES
from archlint.reports.text import Line, Span, line, safe_text
from archlint.reports.wording import found_out, gave_up, prune, stale_entry, unused_entry
from archlint.rules.finding import Finding

_ENTRIES = 100
"""Stale entries that are listed; of more, how many there are is said."""


def render(report: Report) -> Iterator[Line]:
    """The report as one line per finding and per file that could not be read."""
    for file in report.files:
        yield from _file(file)
    for unused in report.unused:
        yield _said(unused.config, "warning", f" unused entry: {unused_entry(unused)}")
    for stale in report.stale[:_ENTRIES]:
        yield _said(stale.baseline, "error", f" stale entry: {stale_entry(stale)}; run `{prune([stale])}`")
    if others := report.stale[_ENTRIES:]:
        yield _said(others[0].baseline, "error", f" stale entries: {len(others):,} more; run `{prune(others)}`")


def _file(file: Checked) -> Iterator[Line]:
    if file.error is not None:
        yield _said(file.path, "failed", f": {safe_text(file.error)}")
    for unjudged in gave_up(file):
        yield _said(file.path, "failed", f": {unjudged.code} {unjudged.name}: {safe_text(unjudged.why)}")
    for finding in file.findings:
        yield one(file.path, finding)


def one(path: str, finding: Finding) -> Line:
    """A finding in a line."""
    proof = found_out([finding])
    text = f" {finding.code} {finding.name}: {safe_text(finding.message)}{f'; tried: {proof}' if proof else ''}"
    return _said(path, finding.severity, text, finding.layer)


def _said(path: str, severity: str, text: str, layer: str | None = None) -> Line:
    where = f": {safe_text(layer)}: " if layer else ": "
    style = STYLES["error" if severity == "failed" else severity]
    return line(Span(safe_text(path), "bold"), where, Span(severity, style), text)
