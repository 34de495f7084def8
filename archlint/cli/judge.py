"""`archlint check`."""

import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archlint.cli.options import (
    Config,
    Data,
    Exclude,
    ForceExclude,
    Ignore,
    Isolated,
    Jobs,
    Preview,
    Rules,
    Select,
    Targets,
    Weights,
    overrides,
)
from archlint.cli.outputs import Detail, Formats, OutputFile, outputs, write

if TYPE_CHECKING:
    from archlint.cli.run import Subject
    from archlint.reports import Checked, Report
    from archlint.rules.rule import Level


class FailOn(StrEnum):
    """From which severity on a finding fails the run."""

    error = "error"
    warning = "warning"
    advice = "advice"
    never = "never"


def check(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH…", help="Model files, folders (searched for .h5, .hdf5, .keras, .onnx) or globs."),
    ],
    select: Select = None,
    ignore: Ignore = None,
    preview: Preview = None,
    rules: Rules = None,
    target: Targets = None,
    data: Data = None,
    weights: Weights = None,
    exclude: Exclude = None,
    force_exclude: ForceExclude = None,
    fail_on: Annotated[
        FailOn | None,
        typer.Option(help="Exit with 1 if there is a finding of this severity or a graver one; by default warning."),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Findings that are known and not reported; archlint baseline writes it."),
    ] = None,
    strict: Annotated[
        bool | None,
        typer.Option("--strict", help="Exit with 1 if an entry of ignore in a configuration hides nothing."),
    ] = None,
    config: Config = None,
    isolated: Isolated = False,
    jobs: Jobs = None,
    format: Formats = None,
    output_file: OutputFile = None,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit with 0 even if there are findings.")] = False,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Count findings per rule instead of listing them.")
    ] = False,
    show_settings: Annotated[
        bool, typer.Option("--show-settings", help="Print the settings that govern these files, and stop.")
    ] = False,
    show_files: Annotated[
        bool, typer.Option("--show-files", help="Print the files that would be checked, and stop.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Findings only, no summary.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Name every layer, and every fact that was lacking.")
    ] = False,
) -> None:
    """Check model files and report what in their architecture will hurt.

    Reads the file only: nothing in it is executed, and no framework is imported. Options stand above what a
    configuration says: the closest archlint.toml, or pyproject.toml with a table [tool.archlint] (archlint config
    explains the keys).

    Exit codes: 0 nothing found, 1 findings at or above --fail-on, 2 something could not be checked, or a baseline
    holds what is no longer there.
    """
    from archlint import __version__
    from archlint.cli.ignored import without_ignored
    from archlint.cli.known import without_known
    from archlint.cli.run import Asked, Plan, checked
    from archlint.reports import summarise

    places = outputs(format, output_file)
    plan = Plan(
        Asked(
            paths=paths,
            config=config or (),
            isolated=isolated,
            targets=target or (),
            data=data,
            overrides=overrides(
                select,
                ignore,
                exclude,
                rules=rules,
                preview=preview,
                weights=weights,
                force_exclude=force_exclude,
                fail_on=fail_on and fail_on.value,
                baseline=baseline and str(baseline.absolute()),
                strict=strict,
            ),
        )
    )
    subjects = plan.subjects()
    if show_files or show_settings:
        _show(subjects, show_settings)
        return
    heard = without_ignored(plan, subjects, tuple(checked(subjects, jobs)))
    files, stale = without_known(subjects, heard.files)
    ran = plan.rules_of(subjects)
    report = summarise(files, len(ran), __version__, plan.data, heard.unused, stale)
    write(report, ran, places, Detail(statistics, quiet, verbose))
    if not subjects:
        sys.stderr.write("archlint: every file that was named is excluded, so nothing was checked\n")
    raise typer.Exit(0 if exit_zero and not _undone(report) else exit_code(report, subjects))


def exit_code(report: "Report", subjects: "Sequence[Subject]") -> int:
    """2 if something could not be checked or is out of date, else 1 if a finding is grave enough, else 0.

    Each file fails by the `fail-on` of its own configuration, and an entry that is unused by `strict`.
    """
    if _undone(report):
        return 2
    levels = [subject.project.settings.fail_on for subject in subjects]
    grave = any(_fails(file, level) for file, level in zip(report.files, levels, strict=True))
    strict = {subject.project.name for subject in subjects if subject.project.settings.strict}
    return 1 if grave or any(entry.config in strict for entry in report.unused) else 0


def _undone(report: "Report") -> bool:
    """Whether a file failed, a rule gave up, or a baseline is stale."""
    given_up = any(not unjudged.needs for file in report.files for unjudged in file.not_checked)
    return bool(report.summary.failed or given_up or report.stale)


def _fails(file: "Checked", level: "Level") -> bool:
    from archlint.rules.rule import at_least

    return any(finding.severity in at_least(level) for finding in file.findings)


def _show(subjects: "Iterable[Subject]", settings: bool) -> None:
    """Print the files, or the settings of each of their configurations."""
    from archlint.config import shown
    from archlint.reports.text import escaped

    if settings:
        projects = {subject.project: None for subject in subjects}
        sys.stdout.write("\n".join(shown(project) for project in projects))
    else:
        sys.stdout.writelines(f"{escaped(subject.path)}\n" for subject in subjects)
