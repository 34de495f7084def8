"""`archlint check`."""

import sys
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from archlint.cli.options import Data, Ignore, OutputFile, Rules, Select, Targets, Weights, chosen, given, output
from archlint.evidence import Reading

if TYPE_CHECKING:
    from archlint.reports import Report


class Format(StrEnum):
    """The formats of a report."""

    full = "full"
    concise = "concise"
    json = "json"
    json_lines = "json-lines"


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
    rules: Rules = None,
    target: Targets = None,
    data: Data = None,
    weights: Weights = Reading.auto,
    fail_on: Annotated[
        FailOn, typer.Option(help="Exit with 1 if there is a finding of this severity or a graver one.")
    ] = FailOn.warning,
    format: Annotated[Format, typer.Option("--format", "-f", help="How to report.")] = Format.full,
    output_file: OutputFile = None,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit with 0 even if there are findings.")] = False,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Count findings per rule instead of listing them.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Findings only, no summary.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Name every layer, and every fact that was lacking.")
    ] = False,
) -> None:
    """Check model files and report what in their architecture will hurt.

    Reads the file only: nothing in it is executed, and no framework is imported.

    Exit codes: 0 nothing found, 1 findings at or above --fail-on, 2 something could not be checked.
    """
    from archlint import __version__
    from archlint.cli.progress import weight_bar
    from archlint.paths import model_files
    from archlint.pipeline import check as check_file
    from archlint.reports import summarise

    catalogue = chosen(rules, select, ignore)
    evidence = given(target, data, weights)
    with weight_bar() as progress:
        seen = replace(evidence, progress=progress)
        files = [check_file(path, catalogue, seen) for path in model_files(paths)]
    report = summarise(files, len(catalogue), __version__, evidence.data)
    with output(output_file) as stream:
        _write(report, format, stream, statistics, quiet, verbose)
    raise typer.Exit(exit_code(report, fail_on, exit_zero))


def exit_code(report: "Report", fail_on: FailOn, exit_zero: bool) -> int:
    """2 if something could not be checked, else 1 if a finding is grave enough, else 0."""
    counts = report.summary
    given_up = any(not unjudged.needs for file in report.files for unjudged in file.not_checked)
    if counts.failed or given_up:
        return 2
    grave = {
        FailOn.never: 0,
        FailOn.error: counts.errors,
        FailOn.warning: counts.errors + counts.warnings,
        FailOn.advice: counts.errors + counts.warnings + counts.advice,
    }
    return 1 if grave[fail_on] and not exit_zero else 0


def _write(report: "Report", format: Format, stream: TextIO, statistics: bool, quiet: bool, verbose: bool) -> None:
    from archlint.reports import concise, full, machine, text

    if format is Format.json:
        stream.write(machine.render_json(report))
    elif format is Format.json_lines:
        stream.writelines(machine.render_json_lines(report))
    elif statistics:
        text.write(full.statistics(report, text.width_of(stream), quiet, verbose), stream)
    elif format is Format.concise:
        text.write(concise.render(report), stream)
        if not quiet:  # on standard error, so that what is read by programs stays one line per finding
            text.write(full.summary(report, text.width_of(sys.stderr), verbose), sys.stderr)
    else:
        text.write(full.render(report, text.width_of(stream), quiet, verbose), stream)
