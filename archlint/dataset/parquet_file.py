"""Reads .parquet tables, block by block, with pyarrow."""

from collections.abc import Sequence
from io import BufferedReader
from typing import Any

import numpy as np

from archlint.dataset.contents import Dataset
from archlint.dataset.table import Column, Table, matrix
from archlint.errors import UsageError

_INDEX = "__index_level_0__"  # the rows' numbers, which pandas adds


def read(name: str, file: BufferedReader, columns: Sequence[str]) -> Dataset:
    """What the table shows; UsageError without the file's name."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError("reading .parquet needs pyarrow; install archlint with its extra `data`") from error
    try:
        return _read(name, parquet.ParquetFile(file), columns)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
        raise UsageError(f"it is no sound .parquet file ({reason}); save it again") from error


def _read(name: str, file: Any, columns: Sequence[str]) -> Dataset:
    header = [column for column in file.schema_arrow.names if column != _INDEX]
    table = Table(header, columns)
    batches = file.iter_batches(batch_size=table.rows_at_a_time(), columns=header)
    for batch in batches:
        left = table.rows_at_most() - table.seen
        _add(table, batch.slice(0, left))
        if table.seen >= table.rows_at_most():
            break
    return table.dataset(name, file.metadata.num_rows)


def _add(table: Table, batch: Any) -> None:
    if not batch.num_rows:
        return
    found = {place: column_of(table.names[place], batch.column(place)) for place in (*table.features, *table.targets)}
    features = [(table.names[place], found[place]) for place in table.features]
    table.add(matrix(features), [found[place] for place in table.targets])


def column_of(name: str, column: Any) -> Column:
    """Numbers with NaN for nulls, or texts."""
    import pyarrow
    from pyarrow import compute, types

    kind = column.type
    if types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if types.is_string(kind) or types.is_large_string(kind):
        texts: list[str | None] = column.to_pylist()
        return texts
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind):
        plain = compute.cast(column, pyarrow.int8()) if types.is_boolean(kind) else column
        numbers = compute.cast(plain, pyarrow.float64(), safe=False)
        return np.asarray(numbers.to_numpy(zero_copy_only=False), np.float64)
    if types.is_null(kind):
        return np.full(len(column), np.nan)
    raise UsageError(f"the column {name!r} holds {kind}, no numbers; save the table as your training code encodes it")
