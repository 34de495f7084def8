"""Reads .parquet tables, block by block, with pyarrow."""

from collections.abc import Sequence
from io import BufferedReader
from typing import Any

import numpy as np

from archlint.dataset.contents import Dataset
from archlint.dataset.table import Column, Table, matrix
from archlint.errors import UsageError

LISTED = 200_000
"""Columns and groups of rows that the file may list."""

FREELY = 2**29
"""Bytes to which the columns of a group of rows may unpack from however few."""

RATIO = 20
"""How many times longer than they are packed larger ones may be. Numbers shrink to a third, repeated ones are one."""

TEXT = 2**26
"""Bytes of different texts in a column of a group of rows: labels."""

_INDEX = "__index_level_0__"  # the rows' numbers, which pandas adds


def read(name: str, file: BufferedReader, columns: Sequence[str]) -> Dataset:
    """What the table shows; UsageError without the file's name."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError("reading .parquet needs pyarrow; install archlint with its extra `data`") from error
    try:
        found = parquet.ParquetFile(file, thrift_container_size_limit=LISTED)
        kinds = found.schema_arrow
        texts = [column for column in kinds.names if _is_text(kinds.field(column).type)]
        opened = parquet.ParquetFile(file, metadata=found.metadata, read_dictionary=texts)
        return _read(name, opened, columns)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
        raise UsageError(f"it is no sound .parquet file ({reason}); save it again") from error


def _read(name: str, file: Any, columns: Sequence[str]) -> Dataset:
    kinds = file.schema_arrow
    header = [column for column in kinds.names if column != _INDEX]
    table = Table(header, columns)
    for column in header:
        _check_type(column, kinds.field(column).type)
    _refuse_vast(file, header)
    batches = file.iter_batches(batch_size=table.rows_at_a_time(), columns=header)
    for batch in batches:
        left = table.rows_at_most() - table.seen
        _add(table, batch.slice(0, left))
        if table.seen >= table.rows_at_most():
            break
    return table.dataset(name, file.metadata.num_rows)


def _refuse_vast(file: Any, header: Sequence[str]) -> None:
    """Refuse what unpacks to more than the memory is to hold: a page of each column is, and may be all of it."""
    names = frozenset(header)
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        chunks = [group.column(place) for place in range(group.num_columns)]
        used = [chunk for chunk in chunks if chunk.path_in_schema in names]
        unpacked = sum(chunk.total_uncompressed_size for chunk in used)
        if unpacked > max(FREELY, RATIO * sum(chunk.total_compressed_size for chunk in used)):
            raise UsageError("it unpacks to far more than its own size; save it again in smaller groups of rows")
        for chunk in used:
            if chunk.physical_type == "BYTE_ARRAY" and chunk.total_uncompressed_size > TEXT:
                raise UsageError(f"its column {chunk.path_in_schema!r} has more than {TEXT // 2**20} MiB of text")


def _add(table: Table, batch: Any) -> None:
    if not batch.num_rows:
        return
    found = {place: column_of(table.names[place], batch.column(place)) for place in (*table.features, *table.targets)}
    features = [(table.names[place], found[place]) for place in table.features]
    table.add(matrix(features), [found[place] for place in table.targets])


def _check_type(name: str, kind: Any) -> None:
    """Refuse a column that holds neither numbers nor texts, before anything of it is read."""
    from pyarrow import types

    plain = kind.value_type if types.is_dictionary(kind) else kind
    if not (_is_text(plain) or types.is_null(plain) or types.is_boolean(plain) or _is_number(plain)):
        raise UsageError(
            f"the column {name!r} holds {kind}, no numbers; save the table as your training code encodes it"
        )


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind))


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def column_of(name: str, column: Any) -> Column:
    """Numbers with NaN for nulls, or texts; UsageError if it holds neither."""
    import pyarrow
    from pyarrow import compute, types

    kind = column.type
    _check_type(name, kind)
    if _is_text(kind):
        texts: list[str | None] = column.to_pylist()
        return texts
    if types.is_dictionary(kind) and _is_text(kind.value_type):
        words = column.dictionary.to_pylist()  # each once, however many rows have it
        return [None if place is None else words[place] for place in column.indices.to_pylist()]
    if types.is_dictionary(kind):
        return column_of(name, column.dictionary_decode())
    if types.is_null(kind):
        return np.full(len(column), np.nan)
    plain = compute.cast(column, pyarrow.int8()) if types.is_boolean(kind) else column
    numbers = compute.cast(plain, pyarrow.float64(), safe=False)
    return np.asarray(numbers.to_numpy(zero_copy_only=False), np.float64)
