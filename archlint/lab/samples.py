"""The samples that the user gave, as whole arrays to be trained on; of many, a random part.

What they are for, and that nothing in their file is executed, `archlint.dataset` has made sure of before.
"""

import csv
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from archlint.analyses.shapes import infer
from archlint.dataset import Dataset, Values
from archlint.dataset.csv_file import column_of, delimiter_of, lines_of
from archlint.errors import UsageError
from archlint.facts.data_rows import fit
from archlint.graph import Model, Shape
from archlint.lab.arms import Array, Data

ROWS = 20_000
"""Samples that are trained on at most: an epoch of a small network then takes about a second."""

VALUES = 2**25
"""Values of all inputs together, 134 MB as single floats: 42,000 digits of MNIST, 10,900 images of CIFAR-10."""

ARRAY_BYTES = 2**31
"""Of one array, which is read as a whole."""

_LABELLED = re.compile(r"(?P<role>[xy])(_train)?(?P<number>_\d{1,4})?")
_ONE_HOT_LOSSES = frozenset({"categorical_crossentropy", "categorical_focal_crossentropy", "categorical_hinge"})
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Samples:
    """Training data: what one pass over it showed, the arrays, and in sentences what was done to them."""

    facts: Dataset
    data: Data
    assumed: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What verdicts call them."""
        return self.facts.name


@dataclass(frozen=True, slots=True)
class _Source:
    """Arrays by the labels that `Values` have, of a table by column; those for validation under the same labels."""

    arrays: Mapping[str, Array]
    validation: Mapping[str, Array]
    groups: Array | None = None


def load(path: Path, facts: Dataset, model: Model, columns: Sequence[str] = ()) -> Samples | None:
    """The arrays in the file at `path` for the inputs and outputs of a model; None if it holds no targets.

    Args:
        facts: what `archlint.dataset.load` found in it.
        columns: the target columns of a table.

    Raises:
        ReadError: the data do not fit the model.
        UsageError: an array is too large to be read as a whole, or the data are of no use for training.
    """
    shapes = infer(model)
    found = fit(model, shapes, facts)
    if not found.outputs:
        return None
    if not path.is_file():
        raise UsageError(f"--data {path} can be read only once, and training reads it again; give a file")
    source = _table(path) if facts.tabular else _archive(path)
    notes: list[str] = []
    x = tuple(_input(source, values, shape, notes) for values, shape in found.inputs.values())
    y = tuple(
        _target(source, _labels(facts, found.outputs, number, columns), _Head.of(model, shapes, found.outputs, number),
                len(x[0]), notes)
        for number in range(len(model.outputs))
    )  # fmt: skip
    held_out = _held_out(source, len(x[0]))
    data = _usable(Data(x, y, source.groups if held_out is None else None, held_out), notes)
    part = _part(data)
    if len(part) < len(data):
        notes.append(f"of {len(data):,} samples {len(part):,} were drawn to train on")
    return Samples(facts, _rows(data, part), tuple(dict.fromkeys(notes)))


# Reading


def _archive(path: Path) -> _Source:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.file_size > ARRAY_BYTES:
                raise UsageError(
                    f"--data {path}: {member.filename} takes {member.file_size / 2**30:.1f} GB, too much to train on; "
                    f"save the first {ROWS:,} samples"
                )
    with np.load(path, allow_pickle=False) as loaded:
        held = {name: loaded[name] for name in loaded.files}
    twins = {name: twin for name in held if (twin := _twin(name)) in held}
    return _Source(held, {name: held[twin] for name, twin in twins.items()}, held.get("groups"))


def _twin(name: str) -> str | None:
    """The array that has set apart for validation what belongs to this one."""
    found = _LABELLED.fullmatch(name)
    return f"{found['role']}_val{found['number'] or ''}" if found else None


def _table(path: Path) -> _Source:
    with path.open("rb") as file:
        head = file.read(4)
    arrays = _parquet(path) if head == b"PAR1" else _csv(path, "utf-16" if head[:2] in _UTF16 else "utf-8-sig")
    return _Source(arrays, {})


def _csv(path: Path, encoding: str) -> dict[str, Array]:
    with path.open(encoding=encoding, newline="") as text:
        lines = [line for line in lines_of(text) if line.strip()]
    rows = csv.reader(lines, delimiter=delimiter_of(*lines[:2]), skipinitialspace=True)
    header = [name.strip() for name in next(rows)]
    return {name: _array(column_of(cells)) for name, cells in zip(header, zip(*rows, strict=True), strict=True)}


def _parquet(path: Path) -> dict[str, Array]:
    from pyarrow import parquet

    from archlint.dataset.parquet_file import column_of as parquet_column

    table = parquet.read_table(path)
    whole = {name: table.column(name).combine_chunks() for name in table.column_names}
    return {name: _array(parquet_column(name, column)) for name, column in whole.items()}


def _array(column: Any) -> Array:
    return column if isinstance(column, np.ndarray) else np.array([cell or "" for cell in column], dtype=np.str_)


# Inputs


def _input(source: _Source, values: Values, shape: Shape | None, notes: list[str]) -> Array:
    whole = _of_columns(source, values.columns) if values.columns else _joined(source, values.label)
    if whole.dtype.kind in "US":
        return whole
    filled = _filled(whole.astype(np.float32), notes)
    return _shaped(filled, shape)


def _of_columns(source: _Source, columns: Sequence[str]) -> Array:
    return np.column_stack([source.arrays[name] for name in columns])


def _joined(source: _Source, label: str) -> Array:
    """The samples for training, behind them those for validation."""
    own, held_out = source.arrays[label], source.validation.get(label)
    return own if held_out is None else np.concatenate([own, held_out])


def _filled(array: Array, notes: list[str]) -> Array:
    """Gaps as the means of their features: a network fed with NaN learns nothing."""
    missing = np.isnan(array)
    if missing.any():
        notes.append("gaps in the inputs were filled with the means of their features")
        features = array.reshape(-1, array.shape[-1])
        means = np.nan_to_num(np.nanmean(features, axis=0)) if array.ndim > 1 else np.nan_to_num(np.nanmean(array))
        array = np.where(missing, np.broadcast_to(means, array.shape), array)
    return array


def _shaped(array: Array, shape: Shape | None) -> Array:
    """In the shape that is read, where only axes of one, or a table's columns, stand against it."""
    wanted = (len(array), *(shape or ())[1:])
    known = [size for size in wanted if size is not None]
    if not shape or len(known) < len(wanted) or prod(known) != array.size:
        return array
    return array.reshape(known)


# Targets


@dataclass(frozen=True, slots=True)
class _Head:
    """What targets an output takes: its last axis, its loss, and whether they are labels."""

    name: str
    units: int | None
    axes: int | None
    loss: str | None
    labels: bool
    trained: bool

    @classmethod
    def of(cls, model: Model, shapes: Any, outputs: Mapping[int, tuple[Values, bool]], number: int) -> "_Head":
        output = model.outputs[number]
        shape = shapes.get(output.tensor)
        losses = model.training.losses if model.training else ()
        stated = losses[number] if number < len(losses) else None
        sparse = number in outputs and outputs[number][1]
        units, axes = (shape[-1], len(shape)) if shape else (None, None)
        return cls(output.name, units, axes, stated.name if stated else None, sparse, bool(stated) or not any(losses))


def _labels(
    facts: Dataset, outputs: Mapping[int, tuple[Values, bool]], number: int, columns: Sequence[str]
) -> tuple[str, ...]:
    """Under which labels the targets of an output are found; none if there are none for it."""
    if number not in outputs:
        return ()
    values = outputs[number][0]
    if not facts.tabular:
        return (values.label,)
    chosen = tuple(dict.fromkeys(columns))
    return next(((name,) for name in chosen if values.label == f"the column {name!r}"), chosen)


def _target(source: _Source, labels: Sequence[str], head: _Head, samples: int, notes: list[str]) -> Array:
    if not labels:
        if head.trained:
            raise UsageError(f"the training data hold no targets for the output {head.name}")
        return np.zeros(samples, np.float32)  # no loss reads them
    arrays = [_joined(source, label) for label in labels]
    array = arrays[0] if len(arrays) == 1 else np.column_stack(arrays)
    return _of_labels(array, head, notes) if head.labels or array.dtype.kind in "US" else _of_numbers(array, head)


def _of_labels(array: Array, head: _Head, notes: list[str]) -> Array:
    labels = array.reshape(array.shape[:-1]) if array.ndim > 1 and array.shape[-1] == 1 else array
    units = head.units or 0
    if labels.dtype.kind in "US" or (units > 1 and (np.nanmin(labels) < 0 or np.nanmax(labels) >= units)):
        different, ranks = np.unique(labels, return_inverse=True)
        labels = ranks.reshape(labels.shape)
        notes.append(f"the {len(different)} different targets were numbered in their order, from {different[0]} on")
    if head.loss in _ONE_HOT_LOSSES and units > 1:
        notes.append("the labels were made one-hot rows, as the loss takes them")
        return np.eye(units, dtype=np.float32)[labels.astype(np.int64)]
    return _of_numbers(labels, head) if units == 1 else labels.astype(np.int64)


def _of_numbers(array: Array, head: _Head) -> Array:
    numbers = array.astype(np.float32)
    return numbers[..., None] if head.axes == numbers.ndim + 1 and head.units == 1 else numbers


# Which rows


def _held_out(source: _Source, samples: int) -> "Array | None":
    if not source.validation:
        return None
    own = next(len(source.arrays[label]) for label in source.validation)
    return np.arange(samples) >= own


def _usable(data: Data, notes: list[str]) -> Data:
    """The samples whose targets are known; NaN would make every loss NaN."""
    lengths = {len(array) for array in (*data.x, *data.y, *([] if data.groups is None else [data.groups]))}
    if len(lengths) > 1:
        raise UsageError(
            "the training data hold more samples in one array than in another; give validation samples for all or none"
        )
    if data.groups is not None and data.groups.size != len(data):
        raise UsageError("the array groups must hold one value for each sample")
    known = np.logical_and.reduce([~np.isnan(y).reshape(len(y), -1).any(axis=1) for y in data.y])
    if known.all():
        return data
    notes.append(f"{len(known) - known.sum():,} samples without a target were left out")
    return _rows(data, np.flatnonzero(known))


def _part(data: Data) -> Array:
    """The rows to train on: as many as are allowed, at random.

    Of every group some, as whole ones may be too large; later no split divides those that are left of a group.
    """
    most = min(ROWS, max(1, VALUES // max(1, sum(prod(x.shape[1:]) for x in data.x))))
    drawn = np.random.default_rng(0).permutation(len(data))[:most]
    return np.sort(drawn)


def _rows(data: Data, rows: Array) -> Data:
    return replace(
        data,
        x=tuple(x[rows] for x in data.x),
        y=tuple(y[rows] for y in data.y),
        groups=None if data.groups is None else data.groups[rows],
        held_out=None if data.held_out is None else data.held_out[rows],
    )
