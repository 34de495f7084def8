"""`archlint check`."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

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
    from archlint.cli.run import Plan, Subject
    from archlint.lab.events import Request
    from archlint.reports import Checked, Report
    from archlint.rules.finding import Finding


class Trying(StrEnum):
    """How much is tried; as `archlint.lab.events.Level`, whose import takes time that a check without it does not."""

    probe = "probe"
    train = "train"


class FailOn(StrEnum):
    """From which severity on a finding fails the run."""

    error = "error"
    warning = "warning"
    advice = "advice"
    never = "never"


def check(
    context: typer.Context,
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
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", help="Put findings to the test, too; as archlint verify does, with --level and --budget."
        ),
    ] = False,
    level: Annotated[Trying, typer.Option(help="With --verify: what to try. train needs --data.")] = Trying.probe,
    budget: Annotated[
        str, typer.Option(metavar="TIME", help="With --verify: how long to train for each file: 120s, 2m, 1h.")
    ] = "120s",
    require_proof: Annotated[
        bool, typer.Option("--require-proof", help="With --verify: only confirmed findings make the exit code 1.")
    ] = False,
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
    from archlint.cli.supplied import supplied
    from archlint.reports import summarise

    places = outputs(format, output_file)
    wished = _wished(verify, level, budget, require_proof, jobs)
    plan = Plan(
        Asked(
            paths=paths,
            config=config or (),
            isolated=isolated,
            targets=target or (),
            data=context.with_resource(supplied(data, quiet=quiet)) if verify else data,
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
    files, stale = without_known(plan, subjects, heard.files)
    tried = _tried(plan, subjects, files, wished, quiet)
    ran = plan.rules_of(subjects)
    report = summarise(tried.files, len(ran), __version__, plan.data, heard.unused, stale)
    write(report, ran, places, Detail(statistics, quiet, verbose))
    if not subjects:
        sys.stderr.write("archlint: every file that was named is excluded, so nothing was checked\n")
    sys.stderr.writelines(f"archlint: {sentence}\n" for sentence in tried.stopped)
    if tried.stopped:
        raise typer.Exit(2)
    if require_proof and not quiet:
        sys.stderr.writelines(f"archlint: {sentence}\n" for sentence in unproved(report, subjects))
    code = exit_code(report, subjects, require_proof=require_proof)
    raise typer.Exit(0 if exit_zero and not _undone(report) else code)


class Tried(NamedTuple):
    """The files once their findings were put to the test, if that was asked for, and why the lab could not do it."""

    files: "Sequence[Checked]"
    stopped: "Sequence[str]" = ()


def _wished(verify: bool, level: Trying, budget: str, require_proof: bool, jobs: int | None) -> "Request | None":
    """What to ask of the lab.

    Raises:
        UsageError: proof is required and nothing tried, or TensorFlow is missing.
    """
    if not verify:
        if require_proof:
            from archlint.errors import UsageError

            raise UsageError("--require-proof without --verify would let nothing fail; add --verify")
        return None
    from archlint.cli.trials import duration, see_that_it_can_be_done
    from archlint.lab.events import Level as Trial
    from archlint.lab.events import Request

    see_that_it_can_be_done()
    return Request(path="", rules=(), level=Trial(level), budget=duration(budget), jobs=jobs)


def _tried(
    plan: "Plan", subjects: "Sequence[Subject]", files: "Sequence[Checked]", wished: "Request | None", quiet: bool
) -> Tried:
    if wished is None:
        return Tried(files)
    from archlint.cli.trials import all_tested, failures, interruptible

    with interruptible("nothing was reported"):
        outcomes = all_tested(plan, subjects, files, wished, quiet)
    return Tried([outcome.file for outcome in outcomes], failures(outcomes))


def exit_code(report: "Report", subjects: "Sequence[Subject]", *, require_proof: bool = False) -> int:
    """2 if something could not be checked or is out of date, else 1 if a finding is grave enough, else 0.

    Each file fails by the `fail-on` of its own configuration, and an entry that is unused by `strict`. With
    `require_proof`, findings that were not confirmed are not grave, except those that forbid to load the file.
    """
    if _undone(report):
        return 2
    grave = any(not require_proof or _is_proved(finding) for finding in _grave(report, subjects))
    strict = {subject.project.name for subject in subjects if subject.project.settings.strict}
    return 1 if grave or any(entry.config in strict for entry in report.unused) else 0


def _undone(report: "Report") -> bool:
    """Whether a file failed, a rule gave up, or a baseline is stale."""
    given_up = any(not unjudged.needs for file in report.files for unjudged in file.not_checked)
    return bool(report.summary.failed or given_up or report.stale)


def unproved(report: "Report", subjects: "Sequence[Subject]") -> "Iterator[str]":
    """A sentence about what would fail the build if no proof were required; none if there is no such finding."""
    from archlint.reports.wording import counted
    from archlint.rules.rule import SEVERITIES

    severities = [finding.severity for finding in _grave(report, subjects) if not _is_proved(finding)]
    if severities:
        errors, warnings, advice = (severities.count(severity) for severity in SEVERITIES)
        found = " and ".join(text for _, text in counted(errors, warnings, advice))
        does = "does" if len(severities) == 1 else "do"
        yield f"{found} {does} not fail the build: only confirmed findings do, with --require-proof"


def _grave(report: "Report", subjects: "Sequence[Subject]") -> "Iterator[Finding]":
    """The findings that fail the run, each by the `fail-on` of the configuration that governs its file."""
    from archlint.rules.rule import at_least

    for file, subject in zip(report.files, subjects, strict=True):
        fatal = at_least(subject.project.settings.fail_on)
        yield from (finding for finding in file.findings if finding.severity in fatal)


def _is_proved(finding: "Finding") -> bool:
    """Whether it was confirmed; that a file is not safe to load is no claim, and takes no trial."""
    from archlint.lab.isolated import SAFETY  # here: only a run that requires proof needs the lab

    if finding.code.startswith(SAFETY):
        return True
    return finding.verdict is not None and finding.verdict.outcome == "confirmed"


def _show(subjects: "Iterable[Subject]", settings: bool) -> None:
    """Print the files, or the settings of each of their configurations."""
    from archlint.config import shown
    from archlint.reports.text import escaped

    if settings:
        projects = {subject.project: None for subject in subjects}
        sys.stdout.write("\n".join(shown(project) for project in projects))
    else:
        sys.stdout.writelines(f"{escaped(subject.path)}\n" for subject in subjects)
