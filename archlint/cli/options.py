"""Options that several commands share, and what they have in common."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from archlint.evidence import Reading

if TYPE_CHECKING:
    import sqlite3

    from archlint.evidence import Evidence
    from archlint.facts import Facts
    from archlint.graph import Model
    from archlint.rules import Rule

Rules = Annotated[
    list[Path] | None,
    typer.Option("--rules", metavar="DIR", help="Also use the rule pages in this folder, or this page. Repeatable."),
]
Select = Annotated[
    list[str] | None,
    typer.Option(
        "--select",
        metavar="RULES",
        help="Only these rules: names, codes, beginnings of codes (LOS) or globs; comma-separated.",
    ),
]
Ignore = Annotated[
    list[str] | None, typer.Option("--ignore", metavar="RULES", help="Not these rules; named as for --select.")
]
OutputFile = Annotated[
    Path | None, typer.Option("--output-file", "-o", metavar="FILE", help="Write there instead of to the terminal.")
]
ModelFile = Annotated[Path, typer.Argument(metavar="MODEL", help="A model file: .h5, .hdf5, .keras or .onnx.")]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="NAME",
        help="The runtime the model is meant for (onnxruntime, tensorrt, coreml, nnapi): rules about it speak, too. "
        "Of a table: the column to be learned. Repeatable.",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FILE",
        help="Training data to go by, too: .npz with arrays x and y, or a table (.csv, .parquet) and its --target.",
    ),
]

Weights = Annotated[
    Reading,
    typer.Option("--weights", help="Whether to read the numbers of stored weights; auto: if they are 256 MiB or less."),
]


class TableFormat(StrEnum):
    """How commands that print a table print it."""

    full = "full"
    json = "json"


def chosen(
    folders: Sequence[Path] | None, select: Sequence[str] | None = None, ignore: Sequence[str] | None = None
) -> "tuple[Rule, ...]":
    """All rules, or those that the options leave."""
    from archlint.rules import choose, load

    return choose(load(folders or ()), _words(select), _words(ignore))


def _words(listed: Sequence[str] | None) -> list[str]:
    return [word.strip() for text in listed or () for word in text.split(",") if word.strip()]


def given(targets: Sequence[str] | None, data: Path | None, weights: Reading = Reading.auto) -> "Evidence":
    """What the options give to go by besides the architecture; the data is read, once for all models."""
    from archlint.evidence import Evidence
    from archlint.targets import told_apart

    runtime, columns = told_apart(targets or (), data=data is not None)
    if data is None:
        return Evidence(runtime, weights)
    from archlint.dataset import load  # here: it needs numpy

    return Evidence(runtime, weights, load(data, columns))


@contextmanager
def opened(path: Path, evidence: "Evidence | None" = None) -> "Iterator[tuple[Model, sqlite3.Connection]]":
    """The model in a file and its facts; an error names the file."""
    from contextlib import closing

    from archlint.errors import ReadError
    from archlint.readers import open_model

    try:
        with open_model(path) as model, closing(_built(model, evidence)) as facts:
            yield model, facts.connection
    except ReadError as error:
        raise ReadError(f"{path}: {error}") from error


def _built(model: "Model", evidence: "Evidence | None") -> "Facts":
    from archlint.cli.progress import weight_bar
    from archlint.evidence import Evidence
    from archlint.facts import build

    with weight_bar() as progress:
        return build(model, replace(evidence or Evidence(), progress=progress))


@contextmanager
def output(path: Path | None) -> Iterator[TextIO]:
    """Standard output, or the file that the user named."""
    from archlint.errors import UsageError
    from archlint.readers import SUFFIXES

    if path is None:
        yield sys.stdout
        return
    if path.suffix.lower() in SUFFIXES:  # as the shell makes of `-o *.h5`
        raise UsageError(f"{path} has the name of a model and is not overwritten; name another file with --output-file")
    try:
        with path.open("w", encoding="utf-8") as stream:
            yield stream
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror}); name another file with --output-file"
        ) from error
