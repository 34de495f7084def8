"""Where a report goes: `--format NAME` to the terminal, `--format NAME=FILE` to a file, several at once."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TextIO

import typer

from archlint.errors import UsageError

if TYPE_CHECKING:
    from archlint.reports import Report
    from archlint.rules import Rule


class Format(StrEnum):
    """The formats of a report."""

    full = "full"
    concise = "concise"
    json = "json"
    json_lines = "json-lines"
    sarif = "sarif"
    github = "github"
    gitlab = "gitlab"
    junit = "junit"
    markdown = "markdown"
    html = "html"


_FOR_LOGS = frozenset({Format.full, Format.concise, Format.github})
"""Made of lines, which can stand between those of others; the rest are documents."""

Formats = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        "-f",
        metavar="NAME[=FILE]",
        help=f"How to report: {', '.join(Format)}; with =FILE, into that file. Repeatable. By default full.",
    ),
]
OutputFile = Annotated[
    Path | None, typer.Option("--output-file", "-o", metavar="FILE", help="Write there instead of to the terminal.")
]


class Output(NamedTuple):
    """One report: its format, and the file it goes to (None: standard output)."""

    format: Format
    file: Path | None


@dataclass(frozen=True, slots=True)
class Detail:
    """How much a report for people says."""

    statistics: bool = False
    quiet: bool = False
    verbose: bool = False


def outputs(named: Sequence[str] | None, file: Path | None) -> tuple[Output, ...]:
    """What `--format` and `--output-file` ask for.

    Raises:
        UsageError: there is no such format, or what goes to one place cannot be told apart there.
    """
    asked = [_output(name) for name in named or ["full"]]
    to_terminal = [output.format for output in asked if output.file is None]
    if file is not None:
        if len(to_terminal) != 1:
            raise UsageError("--output-file goes with one format; name the files as --format NAME=FILE")
        asked = [output if output.file else Output(output.format, file) for output in asked]
    elif len(to_terminal) > 1 and not _FOR_LOGS.issuperset(to_terminal):
        raise UsageError(f"{' and '.join(to_terminal)} cannot share the terminal; name a file as --format NAME=FILE")
    files = [output.file.resolve() for output in asked if output.file]
    if len(set(files)) < len(files):
        raise UsageError(f"two reports go to the same file ({', '.join(map(str, files))}); name different ones")
    for output in asked:
        see_that_it_can_be_written(output.file)
    return tuple(asked)


def _output(text: str) -> Output:
    name, _, file = text.partition("=")
    if name not in [*Format]:
        raise UsageError(f"there is no format {name!r}; there are {', '.join(Format)}")
    if text.endswith("="):
        raise UsageError(f"--format {text} names no file; write --format {name}=FILE")
    return Output(Format(name), Path(file) if file else None)


def write(report: "Report", rules: "Sequence[Rule]", asked: Iterable[Output], detail: Detail) -> None:
    """Write the report in each format to its place.

    Args:
        rules: those that ran, for formats that describe them.
    """
    for format, file in asked:
        with opened(file) as stream:
            _write(report, rules, format, stream, detail)


def _write(report: "Report", rules: "Sequence[Rule]", format: Format, stream: TextIO, detail: Detail) -> None:
    from archlint.reports import concise, full, text

    if detail.statistics and format in (Format.full, Format.concise):
        text.write(full.statistics(report, text.width_of(stream), detail.quiet, detail.verbose), stream)
    elif format is Format.full:
        text.write(full.render(report, text.width_of(stream), detail.quiet, detail.verbose), stream)
    elif format is Format.concise:
        text.write(concise.render(report), stream)
        if not detail.quiet:  # on standard error, so that what is read by programs stays one line per finding
            text.write(full.summary(report, text.width_of(sys.stderr), detail.verbose), sys.stderr)
    else:
        stream.writelines(_document(report, rules, format))


def _document(report: "Report", rules: "Sequence[Rule]", format: Format) -> Iterator[str]:
    """The report in a format for programs or pages, in pieces."""
    from archlint.reports import machine

    match format:
        case Format.json:
            yield machine.render_json(report)
        case Format.json_lines:
            yield from machine.render_json_lines(report)
        case _:  # modules of the same name; each is imported only if it is asked for
            yield from import_module(f"archlint.reports.{format}").render(report, rules)


def see_that_it_can_be_written(path: Path | None) -> None:
    """Refuse a file before the work whose outcome it is for; it is left as it is.

    Raises:
        UsageError: it cannot be written, or has the name of a model.
    """
    if path is None:
        return
    _refuse_models(path)
    is_new = not path.exists()
    if not is_new and not path.is_file() and not path.is_dir():  # a pipe, which would end with the first who closes it
        return
    with _written(path), path.open("a", encoding="utf-8"):
        pass
    if is_new:
        path.resolve().unlink()  # of a link, what it was to lead to


@contextmanager
def opened(path: Path | None) -> Iterator[TextIO]:
    """Standard output, or the file that the user named."""
    if path is None:
        yield sys.stdout
        return
    _refuse_models(path)
    with _written(path), path.open("w", encoding="utf-8") as stream:
        yield stream


def _refuse_models(path: Path) -> None:
    from archlint.readers import SUFFIXES

    if path.suffix.lower() in SUFFIXES:  # as the shell makes of `-o *.h5`
        raise UsageError(f"{path} has the name of a model and is not overwritten; name another file")


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); name another file") from error
