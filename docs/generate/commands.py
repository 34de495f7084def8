"""The command-line reference, made from the commands themselves."""

import typer
from typer.core import TyperCommand, TyperGroup

from archlint.cli import app
from generate.markdown import plain, table

_HEAD = """\
# Commands

`archlint COMMAND --help` prints the same in the terminal, `archlint --version` the version.
[Exit codes](../exit-codes.md) have a page of their own.
"""


def page() -> str:
    """The reference."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    sections = (
        _section(name, command) for name, command in group.commands.items() if isinstance(command, TyperCommand)
    )
    return "\n\n".join([_HEAD, *sections]) + "\n"


def _section(name: str, command: TyperCommand) -> str:
    context = typer.Context(command, info_name=f"archlint {name}")
    usage = " ".join([f"archlint {name}", *command.collect_usage_pieces(context)])
    text = "\n\n".join(plain(paragraph) for paragraph in (command.help or "").split("\n\n"))
    return "\n\n".join([f"## archlint {name}", f"```text\n{usage}\n```", text, _parameters(command, context)])


def _parameters(command: TyperCommand, context: typer.Context) -> str:
    records = [parameter.get_help_record(context) for parameter in command.params]
    rows = [(f"`{name}`", plain(text)) for name, text in filter(None, records)]
    return table(("Option", "What it does"), rows)
