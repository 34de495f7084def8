"""`archlint rule`, `archlint rules` and `archlint test`: the rules themselves."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archlint.cli.options import Ignore, Rules, Select, TableFormat, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from archlint.reports.text import Line
    from archlint.rules import Rule
    from archlint.rules.proving import PageResult


class PageFormat(StrEnum):
    """How a page is printed."""

    full = "full"
    markdown = "markdown"
    json = "json"


class SeverityName(StrEnum):
    """The severities, to filter by."""

    error = "error"
    warning = "warning"
    advice = "advice"


def rule(
    name: Annotated[str, typer.Argument(metavar="NAME|CODE", help="A rule's name or code.")],
    rules: Rules = None,
    format: Annotated[PageFormat, typer.Option("--format", "-f", help="How to print it.")] = PageFormat.full,
) -> None:
    """Print the page of a rule: what it does, why, when it does not matter, examples, the query."""
    from archlint.reports.machine import encode
    from archlint.rules import document, find

    page = find(_loaded(rules), name)
    if format is PageFormat.json:
        typer.echo(encode(page, indent=2))
    else:
        print_page(document(page), format)


def _loaded(folders: "Sequence[Path] | None") -> "tuple[Rule, ...]":
    """The rules that a check in the current folder would know: findings lead here."""
    from archlint.config import Projects
    from archlint.selection import known_rules

    return known_rules(Projects(overrides={"rules": folders}).of(""))


def print_page(text: str, format: PageFormat) -> None:
    """Print Markdown, laid out where there is a terminal that shows colour, unless Markdown was asked for."""
    from archlint.reports.text import shows_colour

    if format is PageFormat.markdown or not shows_colour(sys.stdout):
        typer.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(force_terminal=True)
    console.print(Markdown(text), width=min(console.width, 100))


def rules(
    select: Select = None,
    ignore: Ignore = None,
    severity: Annotated[SeverityName | None, typer.Option(help="Only rules of this severity.")] = None,
    folders: Rules = None,
    format: Annotated[TableFormat, typer.Option("--format", "-f", help="How to print the list.")] = TableFormat.full,
) -> None:
    """List the rules, those in preview included, which check runs only if it is asked to."""
    from archlint.reports.full import STYLES
    from archlint.reports.machine import encode
    from archlint.reports.text import Span, line, write
    from archlint.rules import choose

    named = choose(_loaded(folders), words(select), words(ignore), preview=True)
    listed = [rule for rule in named if severity is None or rule.severity == severity]
    if format is TableFormat.json:
        fields = ("code", "name", "severity", "stage", "formats", "title", "options", "sources")
        typer.echo(encode([{field: getattr(rule, field) for field in fields} for rule in listed], indent=2))
        return
    longest = max((len(rule.name) for rule in listed), default=0)
    write(
        (
            line(
                Span(rule.code, "bold"),
                "  ",
                f"{rule.name:<{longest}}  ",
                Span(f"{rule.severity:<8}", STYLES[rule.severity]),
                f" {rule.title}",
                Span("  preview" if rule.stage == "preview" else "", "dim"),
            )
            for rule in listed
        ),
        sys.stdout,
    )


def test(
    targets: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR|PAGE]…", help="Rule pages or folders of them; archlint's own by default."),
    ] = None,
    format: Annotated[TableFormat, typer.Option("--format", "-f", help="How to report.")] = TableFormat.full,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only pages that fail.")] = False,
) -> None:
    """Prove rule pages: their queries compile, their examples do as promised, and every condition is needed.

    Runs the Keras code of the examples (the extra `verify` brings Keras), so use it on pages you trust.

    Exit codes: 0 all pages hold, 1 some do not, 2 there is no page to test.
    """
    from archlint.errors import UsageError
    from archlint.reports.machine import encode
    from archlint.reports.text import write
    from archlint.rules import load
    from archlint.rules.catalogue import built_in
    from archlint.rules.proving import prove_pages

    asked = targets or [built_in()]
    missing = [path for path in asked if not path.exists()]
    if missing:
        raise UsageError(f"{missing[0]} does not exist; give a rule page or a folder of them")
    results = []
    for result in prove_pages(asked, load() if targets else ()):
        results.append(result)
        if format is TableFormat.full:
            write(_lines(result, quiet), sys.stdout)
    if not results:
        raise UsageError(f"there is no rule page (*.md) in {', '.join(map(str, asked))}")
    failed = any(result.failures for result in results)
    if format is TableFormat.json:
        typer.echo(encode(results, indent=2))
    elif failed or not quiet:
        typer.echo(_counts(results))
    raise typer.Exit(1 if failed else 0)


def _counts(results: "Sequence[PageResult]") -> str:
    from archlint.rules.template import plural

    examples = plural(sum(len(result.examples) for result in results), "example")
    conditions = plural(sum(result.mutants for result in results), "condition")
    failed = sum(bool(result.failures) for result in results)
    return f"{plural(len(results), 'page')}, {examples}, {conditions} taken out: {failed} failed"


def _lines(result: "PageResult", quiet: bool) -> "Iterator[Line]":
    from archlint.reports.text import Span, line, safe_text

    if result.failures:
        yield line(Span("failed", "bold red"), f"  {safe_text(result.path)}")
        for failure in result.failures:
            yield line(f"        {safe_text(failure)}")
    elif not quiet:
        yield line(
            Span("ok    ", "green"),
            f"  {safe_text(result.path)}",
            Span(f"  {len(result.examples)} examples, {result.mutants} conditions", "dim"),
        )
