"""GitLab's code quality report: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format

A model has no lines, and GitLab wants one: everything is on the first. It knows of no suppressed findings, so these are
left out, and it shows only one of the issues that share a fingerprint, so each has its own.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from archlint.reports import remarks
from archlint.reports.contract import Checked, Report
from archlint.reports.machine import encode
from archlint.reports.places import digest, identities, relative
from archlint.reports.text import escaped, safe_text
from archlint.reports.wording import gave_up
from archlint.rules.rule import Rule

_SEVERITIES = {"error": "critical", "warning": "major", "advice": "info"}
_NO_VERDICT = "blocker"

Issue = dict[str, Any]


def render(report: Report, _rules: Sequence[Rule]) -> Iterator[str]:
    """The report as a JSON array of issues."""
    issues = [issue for file in report.files for issue in (*_unjudged(file), *_findings(file))]
    yield encode([*issues, *_entries(report)], indent=2) + "\n"


def _unjudged(file: Checked) -> Iterator[Issue]:
    """That the file could not be read, or that rules gave up on it."""
    path = relative(file.path)
    if file.error is not None:
        yield _issue(path, "failed", _NO_VERDICT, safe_text(file.error), digest("failed", path))
    for rule in gave_up(file):
        yield _issue(path, rule.name, _NO_VERDICT, remarks.gave_up(rule), digest("gave up", path, rule.code))


def _findings(file: Checked) -> Iterator[Issue]:
    path = relative(file.path)
    for finding, identity in zip(file.findings, identities(file.findings, path), strict=True):
        yield _issue(path, finding.name, _SEVERITIES[finding.severity], remarks.told(finding), identity)


def _entries(report: Report) -> Iterator[Issue]:
    for stale in report.stale:
        identity = digest("stale", stale.baseline, stale.rule, stale.file, stale.layer)
        yield _issue(relative(stale.baseline), "stale-entry", "major", remarks.stale(stale), identity)
    for unused in report.unused:
        identity = digest("unused", unused.config, unused.rule, unused.file, unused.layer)
        yield _issue(relative(unused.config), "unused-entry", "minor", remarks.unused(unused), identity)


def _issue(path: str, check: str, severity: str, description: str, fingerprint: str) -> Issue:
    return {
        "description": description,
        "check_name": check,
        "fingerprint": fingerprint,
        "severity": severity,
        "location": {"path": escaped(path), "lines": {"begin": 1}},
    }
