"""Reads comma-separated values and their kin, block by block, from files and pipes."""

import csv
import io
from collections.abc import Iterator, Sequence
from io import BufferedReader
from itertools import chain, islice

from archlint.dataset.contents import Dataset
from archlint.dataset.table import Column, Table, matrix, numbers
from archlint.errors import UsageError

_DELIMITERS = ",;\t|"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")

LINE = 2**24
"""Characters of a line, which is in memory as a whole: 800,000 columns of 20."""


def read(name: str, file: BufferedReader, columns: Sequence[str]) -> Dataset:
    """What the table shows; UsageError without the file's name."""
    utf16 = file.peek(2)[:2] in _UTF16
    text = io.TextIOWrapper(file, encoding="utf-16" if utf16 else "utf-8-sig", newline="")
    try:
        return _read(name, text, columns)
    except UnicodeDecodeError as error:
        raise UsageError(f"it is not UTF-8 ({error.reason}); save it as UTF-8") from error
    except csv.Error as error:
        raise UsageError(f"it is no table of text ({error}); save it again") from error
    finally:
        text.detach()


def _read(name: str, text: io.TextIOWrapper, columns: Sequence[str]) -> Dataset:
    rest = lines_of(text)
    head = list(islice((line for line in rest if line.strip()), 2))
    if not head:
        raise UsageError("it is empty; save the data again")
    lines = csv.reader(chain(head, rest), delimiter=delimiter_of(*head), skipinitialspace=True)
    header = next(lines)
    _check_header(header)
    table = Table(header, columns)
    rows = (row for row in lines if row)
    while table.seen < table.rows_at_most():
        block = list(islice(rows, min(table.rows_at_a_time(), table.rows_at_most() - table.seen)))
        if not block:
            break
        _check_lengths(block, len(header), lines.line_num - len(block))
        _add(table, block)
    return table.dataset(name, table.seen + sum(1 for _ in rows))


def lines_of(text: io.TextIOWrapper) -> Iterator[str]:
    """The lines of a table; UsageError at one that is longer than any table's."""
    while line := text.readline(LINE):
        if len(line) == LINE:
            raise UsageError("it has a line longer than any table's; save it as .csv, a line for each sample")
        yield line


def delimiter_of(header: str, row: str = "") -> str:
    """What stands most often between the names of the columns; first of all, what stands as often in the row."""

    def counts(delimiter: str) -> tuple[bool, int]:
        among_names, among_values = ("".join(line.split('"')[::2]).count(delimiter) for line in (header, row))
        return 0 < among_names == among_values, among_names

    return max(_DELIMITERS, key=counts)


def _check_header(header: Sequence[str]) -> None:
    """A table without names begins with numbers; 0, 1, 2 … are the names pandas gives."""
    values = numbers(header)
    if values is not None and not any(values != values) and list(values) != [*range(len(header))]:
        shown = ", ".join(header[:3])
        raise UsageError(f"its first line holds only numbers ({shown} …), so the columns have no names; add a header")


def _check_lengths(block: Sequence[Sequence[str]], width: int, before: int) -> None:
    for number, row in enumerate(block, start=1):
        if len(row) != width:
            raise UsageError(
                f"around line {before + number:,} a row has {len(row)} fields, but the header {width}; "
                "look for a missing quote or delimiter"
            )


def _add(table: Table, block: Sequence[Sequence[str]]) -> None:
    cells = list(zip(*block, strict=True))
    features = ((table.names[place], column_of(cells[place])) for place in table.features)
    table.add(matrix(features), [column_of(cells[place]) for place in table.targets])


def column_of(cells: Sequence[str]) -> Column:
    """Numbers if all of them are, else texts."""
    values = numbers(cells)
    return cells if values is None else values
