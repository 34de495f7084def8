"""`archlint show`, `archlint facts` and `archlint query`: what archlint sees in a model."""

import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archlint.cli.options import Data, ModelFile, TableFormat, Targets, Weights, given, opened
from archlint.evidence import Reading

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

APPLICATION = 0x6172_636C  # "arcl"
"""Marks databases of ours (SQLite's application_id), so that no other is ever written over."""

_LAYERS = """
    SELECT name, kind,
           CASE WHEN wrapper IS NULL THEN class_name ELSE wrapper || '(' || class_name || ')' END AS class_name,
           output_shape, params, trainable, initializer, activation, effective_activation, fan_in, fan_out
    FROM layer ORDER BY id
"""

_SIGNAL = """
    SELECT name, kind, coalesce(certainty, 'unknown') AS certainty, mean, rms, std, input_std, gain, gradient,
           coalesce(gradient_certainty, 'unknown') AS gradient_certainty, horizon
    FROM layer LEFT JOIN signal ON signal.layer = layer.id ORDER BY layer.id
"""


class QueryFormat(StrEnum):
    """How `archlint query` prints rows."""

    full = "full"
    json = "json"
    csv = "csv"


def show(
    model: ModelFile,
    format: Annotated[TableFormat, typer.Option("--format", "-f", help="How to print it.")] = TableFormat.full,
    signal: Annotated[
        bool, typer.Option("--signal", help="Print the signal predicted at initialization, layer by layer, instead.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE.png", help="Draw the predicted signal there; prints it with --signal only."
        ),
    ] = None,
) -> None:
    """Print the layers of a model as `model.summary()` would, with initializers, effective activations and fans.

    Nested models are unfolded to paths (encoder/block1/conv). Of an ONNX model, the layers are what its operators were
    put together to. Needs no TensorFlow.
    """
    profiled = signal or plot is not None
    needed = Reading.auto if profiled else Reading.never
    with opened(model, given(None, None, needed)) as (_, connection):
        listed = _dicts(*_select(connection, _SIGNAL if profiled else _LAYERS))
        (totals,) = _dicts(*_select(connection, "SELECT * FROM model"))
    if plot is not None:
        from archlint.reports.plot import draw

        draw(plot, model.name, listed)
    if signal or not profiled:
        _print_layers(model, totals, listed, format, signal)


def _print_layers(
    model: Path, totals: dict[str, object], listed: list[dict[str, object]], format: TableFormat, signal: bool
) -> None:
    from archlint.reports import layers, profile
    from archlint.reports.machine import encode
    from archlint.reports.text import width_of, write

    if format is TableFormat.json:
        typer.echo(encode({"model": totals, "signal" if signal else "layers": listed}, indent=2))
        return
    width = sys.maxsize  # a pipe gets every column
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns if signal else width_of(sys.stdout)  # a chart takes what there is
    write((profile if signal else layers).render(str(model), totals, listed, width), sys.stdout)


def _print_schema(asked: bool) -> None:
    if asked:
        from archlint.facts import schema

        typer.echo(schema(), nl=False)
        raise typer.Exit


def facts(
    model: ModelFile,
    output_file: Annotated[
        Path | None, typer.Option("--output-file", "-o", metavar="FILE.db", help="Write a SQLite database there.")
    ] = None,
    _schema: Annotated[
        bool,
        typer.Option(
            "--schema", callback=_print_schema, is_eager=True, help="Print what every table and column means, and stop."
        ),
    ] = False,
    target: Targets = None,
    data: Data = None,
    weights: Weights = Reading.auto,
) -> None:
    """Write the facts that rules ask as a SQLite database, or print them all as JSON.

    What each table and column means: archlint facts --schema.
    """
    from archlint.reports.machine import encode

    with opened(model, given(target, data, weights)) as (_, connection):
        if output_file is not None:
            _write_database(connection, output_file)
            return
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        rows = {table: _dicts(*_select(connection, f"SELECT * FROM {table}")) for table in tables}
    typer.echo(encode(rows, indent=2))


def _write_database(connection: "sqlite3.Connection", path: Path) -> None:
    import sqlite3

    from archlint.errors import UsageError

    try:
        if path.exists() and not _is_ours(path):
            raise UsageError(f"{path} exists and was not written by archlint; name another file")
        path.unlink(missing_ok=True)
        target = sqlite3.connect(path)
        connection.backup(target)
        target.execute(f"PRAGMA application_id = {APPLICATION}")
        target.close()
    except (sqlite3.Error, OSError) as error:
        raise UsageError(f"{path} cannot be written ({error}); name another file") from error


def _is_ours(path: Path) -> bool:
    """Whether the file is empty, or a database that archlint wrote; SQLite keeps the writer's number at byte 68."""
    if not path.is_file():  # a folder, or a device that must not be replaced
        return False
    with path.open("rb") as file:
        head = file.read(72)
    return head == b"" or (head.startswith(b"SQLite format 3\x00") and head[68:] == APPLICATION.to_bytes(4, "big"))


def query(
    model: ModelFile,
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT over the facts.")],
    format: Annotated[QueryFormat, typer.Option("--format", "-f", help="How to print the rows.")] = QueryFormat.full,
    target: Targets = None,
    data: Data = None,
    weights: Weights = Reading.auto,
) -> None:
    """Ask the facts of a model: archlint query model.h5 "SELECT name, units FROM layer WHERE affine".

    The option --schema of `archlint facts` prints what each table and column means.
    """
    from archlint.reports import layers
    from archlint.reports.machine import encode
    from archlint.reports.text import write
    from archlint.rules import run_query

    with opened(model, given(target, data, weights)) as (_, connection):
        columns, rows, _ = run_query(connection, sql)
    if format is QueryFormat.json:
        typer.echo(encode(_dicts(columns, rows), indent=2))
    elif format is QueryFormat.csv:
        sys.stdout.writelines(layers.csv_lines(columns, rows))
    else:
        write(layers.table(columns, rows), sys.stdout)


def _select(connection: "sqlite3.Connection", sql: str) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    cursor = connection.execute(sql)
    return tuple(column[0] for column in cursor.description), cursor.fetchall()


def _dicts(columns: "tuple[str, ...]", rows: "Sequence[tuple[object, ...]]") -> list[dict[str, object]]:
    return [dict(zip(columns, row, strict=True)) for row in rows]
