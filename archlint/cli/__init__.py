"""The command line. Each command is one function, and imports what it needs when it runs: `check` must stay fast."""

import io
import os
import sys

import typer

from archlint.cli import configure, inspect, judge, pages, ratchet, verify

app = typer.Typer(
    name="archlint",
    help="Find architecture faults in Keras and ONNX model files, without running them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("check")(judge.check)
app.command("verify")(verify.verify)
app.command("baseline")(ratchet.baseline)
app.command("rule")(pages.rule)
app.command("rules")(pages.rules)
app.command("config")(configure.config)
app.command("show")(inspect.show)
app.command("facts")(inspect.facts)
app.command("query")(inspect.query)
app.command("test")(pages.test)


@app.callback(invoke_without_command=True)
def _version(
    version: bool = typer.Option(False, "--version", "-V", help="Print the version and stop.", is_eager=True),
) -> None:
    if version:
        from archlint import __version__

        typer.echo(f"archlint {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; an error of archlint's is one sentence and exit code 2."""
    from archlint.errors import ArchlintError
    from archlint.reports.text import safe_text

    # numpy comes with the HDF5 reader, for its types alone; starting its threads takes longer than reading the file
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # not every terminal and code page has every letter
    try:
        app()
    except ArchlintError as error:
        sys.stderr.write(f"archlint: {safe_text(str(error))}\n")
        sys.exit(2)
    except OSError as error:
        sys.stderr.write(f"archlint: the output cannot be written ({error.strerror})\n")
        _drop_output()
        sys.exit(2)
    except Exception as error:  # whatever slipped through is a fault of archlint's, and no reason for a traceback
        fault = safe_text(f"{type(error).__name__}: {error}")
        sys.stderr.write(f"archlint: archlint itself failed ({fault}); please report it\n")
        sys.exit(2)


def _drop_output() -> None:
    """Let Python's last attempt to flush succeed, or it would print a traceback of its own."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
