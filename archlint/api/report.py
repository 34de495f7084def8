"""A report as Python code uses it: printed, shown in a notebook, raised."""

from typing import TYPE_CHECKING, Any

import msgspec

from archlint.errors import ArchlintError, ReadError, UsageError
from archlint.reports import contract
from archlint.reports.full import render, rich_text
from archlint.reports.sentences import gravest
from archlint.reports.text import PIPE_WIDTH, safe_text
from archlint.reports.wording import checked_with, gave_up, verdict
from archlint.rules.finding import Finding, NotChecked
from archlint.rules.rule import SEVERITIES, Level, at_least

if TYPE_CHECKING:
    from rich.text import Text

_LEVELS = (*SEVERITIES, "never")


class FindingsError(ArchlintError):
    """A model has findings that are grave enough; `report` has all of them."""

    def __init__(self, message: str, report: "Report") -> None:
        super().__init__(message, report)  # both, or it could not be pickled
        self.report = report

    def __str__(self) -> str:
        return str(self.args[0])


class Report(contract.Report, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that the rules say of a model."""

    @classmethod
    def of(cls, report: contract.Report) -> "Report":
        """The report of a check."""
        fields: dict[str, Any] = msgspec.structs.asdict(report)
        return cls(**fields)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Those of all files, in order."""
        return tuple(finding for file in self.files for finding in file.findings)

    @property
    def unfinished(self) -> tuple[NotChecked, ...]:
        """The rules that had their facts and gave up: there may be more than was found."""
        return tuple(rule for file in self.files for rule in gave_up(file))

    def at_least(self, severity: Level) -> tuple[Finding, ...]:
        """The findings of this severity and graver ones; of `never` none.

        Raises:
            UsageError: there is no such severity.
        """
        grave = at_least(known_level(severity))
        return tuple(finding for finding in self.findings if finding.severity in grave)

    def raise_for(self, severity: Level = "warning") -> None:
        """Raise `FindingsError` if there is a finding of this severity or a graver one; with `never` there is none.

        Raises:
            ReadError: there is none, but a rule gave up.
            UsageError: there is no such severity.
        """
        where = safe_text(self.files[0].path if len(self.files) == 1 else f"{len(self.files):,} files")
        if grave := self.at_least(severity):
            raise FindingsError(gravest(f"{where}: {verdict(self)}", grave), self)
        for rule in self.unfinished:
            why = f"{rule.name} gave up: {safe_text(rule.why)}"
            raise ReadError(f"{where}: {why}; leave the rule out with ignore={rule.code!r}")

    def __str__(self) -> str:
        """As `archlint check` prints it to a file."""
        return "\n".join("".join(span.text for span in spans).rstrip() for spans in render(self, PIPE_WIDTH))

    def __repr__(self) -> str:
        return f"<archlint.Report: {checked_with(self)}: {verdict(self)}>"

    def __rich__(self) -> "Text":
        return rich_text(self)

    def _repr_html_(self) -> str:
        from archlint.reports.html import fragment  # here: only notebooks ask for it

        return fragment(self)


def known_level(level: Level) -> Level:
    """The level itself; UsageError if there is none of that name."""
    if level not in _LEVELS:
        raise UsageError(f"there is no severity {level!r}; there are {', '.join(_LEVELS)}")
    return level
