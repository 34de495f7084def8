"""Options that several commands share, and what they have in common."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archlint.errors import UsageError
from archlint.evidence import Reading

if TYPE_CHECKING:
    import sqlite3

    from archlint.evidence import Evidence
    from archlint.facts import Facts
    from archlint.graph import Model

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
        help="Training data to go by, too: .npz with arrays x and y, or a table (.csv, .parquet) and its --target. "
        "To put findings to the test, also package.module:function, which is run and returns x and y.",
    ),
]

Weights = Annotated[
    Reading | None,
    typer.Option("--weights", help="Whether to read the numbers of stored weights; auto: if they are 256 MiB or less."),
]
Preview = Annotated[bool | None, typer.Option("--preview", help="Also run rules that are not yet stable.")]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="GLOB",
        help="Pass over these files and folders in searches, as in .gitignore. Repeatable.",
    ),
]
ForceExclude = Annotated[
    bool | None, typer.Option("--force-exclude", help="Exclude files that are named one by one, too.")
]
Config = Annotated[
    list[str] | None,
    typer.Option(
        "--config",
        metavar="FILE|KEY=VALUE",
        help="The configuration to go by, or a setting that stands above it. Repeatable.",
    ),
]
Isolated = Annotated[bool, typer.Option("--isolated", help="Look for no configuration.")]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, metavar="N", help="Use so many processes; by default as many as are worth it."),
]


class TableFormat(StrEnum):
    """How commands that print a table print it."""

    full = "full"
    json = "json"


def words(listed: Sequence[str] | None) -> list[str]:
    """The words of an option that is repeatable and comma-separated.

    Raises:
        UsageError: it was given, and empty, as by a variable that is not set.
    """
    found = [word.strip() for text in listed or () for word in text.split(",") if word.strip()]
    if listed and not found:
        raise UsageError("an option that names rules is empty; name some, or leave it out")
    return found


def overrides(
    select: Sequence[str] | None, ignore: Sequence[str] | None, exclude: Sequence[str] | None, **others: object
) -> dict[str, Any]:
    """The options that are settings, too, as `archlint.config.with_cli` takes them; None: not given."""
    return {"select": words(select), "ignore": words(ignore), "exclude": exclude, **others}


def given(targets: Sequence[str] | None, data: Path | None, weights: Reading | None = None) -> "Evidence":
    """What the options give to go by besides the architecture; the data is read, once for all models."""
    from archlint.evidence import Evidence
    from archlint.targets import told_apart

    runtime, columns = told_apart(targets or (), data=data is not None)
    if data is None:
        return Evidence(runtime, weights or Reading.auto)
    from archlint.dataset import load  # here: it needs numpy

    return Evidence(runtime, weights or Reading.auto, load(data, columns))


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
