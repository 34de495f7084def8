"""One line per finding: `path: layer: severity CODE name: message`."""

from collections.abc import Iterator

from archlint.reports.contract import Report
from archlint.reports.full import STYLES
from archlint.reports.text import Line, Span, line, safe_text


def render(report: Report) -> Iterator[Line]:
    """The report as one line per finding and per file that could not be read."""
    for file in report.files:
        path = safe_text(file.path)
        if file.error is not None:
            yield line(Span(path, "bold"), ": ", Span("failed", STYLES["error"]), f": {safe_text(file.error)}")
        for finding in file.findings:
            layer = f"{safe_text(finding.layer)}: " if finding.layer else ""
            yield line(
                Span(path, "bold"),
                f": {layer}",
                Span(finding.severity, STYLES[finding.severity]),
                f" {finding.code} {finding.name}: {safe_text(finding.message)}",
            )
