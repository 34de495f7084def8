"""`archlint config`: what there is to configure."""

from typing import Annotated

import typer

from archlint.cli.pages import PageFormat, print_page


def config(
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="Explain this key only.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of archlint.toml.")] = False,
    format: Annotated[
        PageFormat, typer.Option("--format", "-f", help="How to print it; json is the schema.")
    ] = PageFormat.full,
) -> None:
    """Explain the keys of a configuration, or print their JSON schema for an editor.

    A configuration is an archlint.toml, or the table [tool.archlint] of a pyproject.toml. Of each model file the
    closest one counts, going up from its folder.
    """
    from archlint.config import reference
    from archlint.config import schema as json_schema
    from archlint.reports.machine import encode

    if schema or format is PageFormat.json:
        typer.echo(encode(json_schema(), indent=2))
    else:
        print_page(reference(key), format)
