"""A table on its way to a data set: its columns are told apart, its blocks counted in."""

from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import numpy as np

from archlint.dataset.contents import Dataset, Parts, Values, listed
from archlint.dataset.statistics import Block, Features, Targets, few, together
from archlint.errors import UsageError

CELLS = 10_000_000
"""Cells of a table that are looked at, some ten seconds' worth of text; of longer ones the rest is only counted."""

BLOCK = 2**18
"""Cells that are in memory at a time."""

COLUMNS = 2**16
"""Columns of a table, each of which takes some 10 KB. Most seen: 60,660 (the genes of man)."""

Column = Block | Sequence[str | None]
"""Numbers, or texts (None: missing)."""

_MISSING = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "?", "-"})
_PADDED = 1_000
"""Characters of a cell without a value, spaces included: longer ones may be a page of text in every row."""
_TRUTH = {"true": 1.0, "false": 0.0}


class Table:
    """The columns of a table, and what its blocks have shown so far.

    `features` and `targets` are places among the columns of the file.
    """

    def __init__(self, header: Sequence[str], chosen: Sequence[str]) -> None:
        names = [name.strip() for name in header]
        if not names:
            raise UsageError("it has no columns; save the data again")
        if len(names) > COLUMNS:
            raise UsageError(f"it has {len(names):,} columns; give up to {COLUMNS:,}, or save an array as .npz")
        (name, times), *_ = Counter(names).most_common(1)
        if times > 1:
            raise UsageError(f"{times} of its columns are called {name!r}; rename them")
        self.names = names
        self.targets = [_place(names, column) for column in dict.fromkeys(chosen)]
        if not self.targets:
            raise UsageError(f"name the column that is to be learned: --target COLUMN; there are {listed(names)}")
        # What pandas and R write in front of a table without being asked: the numbers of its rows.
        unasked = {0} if names[0] == "" or names[0].startswith("Unnamed: ") else set()
        self.features = [place for place in range(len(names)) if place not in {*self.targets, *unasked}]
        if not self.features:
            raise UsageError(f"it has no column besides {names[self.targets[0]]!r}, so there is nothing to learn from")
        self.seen = 0
        self._inputs: Features | None = None
        self._joined: Targets | None = None
        self._columns = [_Target() for _ in self.targets]

    def rows_at_a_time(self) -> int:
        """Rows of a block."""
        return max(1, BLOCK // len(self.names))

    def rows_at_most(self) -> int:
        """Rows that are looked at."""
        return max(1, CELLS // len(self.names))

    def add(self, features: Block, targets: Sequence[Column]) -> None:
        """Count in a block: the features as (rows, columns), and each target column."""
        self.seen += len(features)
        self._inputs = together(self._inputs, Features.of(features))
        for column, values in zip(self._columns, targets, strict=True):
            column.add(values)
        numbers = [values for values in targets if isinstance(values, np.ndarray)]
        if len(numbers) == len(targets) > 1:
            self._joined = together(self._joined, Targets.of(np.column_stack(numbers)))

    def dataset(self, name: str, samples: int) -> Dataset:
        """What the table showed, of so many rows in all."""
        if self._inputs is None:
            raise UsageError("it has a header but no rows; save the data again")
        named = [self.names[place] for place in self.targets]
        singles = [
            Values(f"the column {column!r}", (samples,), targets=target.result())
            for column, target in zip(named, self._columns, strict=True)
        ]
        return Dataset(
            name,
            samples,
            self.seen,
            self._parts(self._inputs, samples),
            Parts(self._whole(singles, samples), tuple(singles), dict(zip(named, singles, strict=True))),
            tabular=True,
            held=listed(self.names),
        )

    def _parts(self, inputs: Features, samples: int) -> Parts:
        columns = [self.names[place] for place in self.features]
        whole = Values(
            f"the table without {listed([self.names[place] for place in self.targets])}",
            (samples, len(columns)),
            features=inputs,
            columns=tuple(columns),
        )
        named = {
            column: Values(f"the column {column!r}", (samples, 1), features=inputs.only(place), columns=(column,))
            for place, column in enumerate(columns)
        }
        return Parts(whole, (), named)

    def _whole(self, singles: Sequence[Values], samples: int) -> Values | None:
        if len(singles) == 1:
            return singles[0]
        if any(column.texts is not None for column in self._columns):
            return None
        label = f"the columns {listed([self.names[place] for place in self.targets])}"
        return Values(label, (samples, len(singles)), targets=self._joined)


class _Target:
    """A target column: numbers, until a text turns up."""

    def __init__(self) -> None:
        self.numbers: Targets | None = None
        self.texts: frozenset[int] | None = None  # by their hashes, as texts may be long
        self.missing = 0

    def add(self, values: Column) -> None:
        if isinstance(values, np.ndarray):
            self.numbers = together(self.numbers, Targets.of(values[:, None]))
            return
        known = frozenset(hash(text) for text in values if text is not None and not is_missing(text))
        self.missing += sum(map(is_missing, values))
        self.texts = few(known.union(self.texts or ()))

    def result(self) -> Targets | None:
        if self.texts is None:
            return self.numbers
        numbers = self.numbers.labels or frozenset() if self.numbers else frozenset()
        missing = self.missing + (self.numbers.missing if self.numbers else 0)
        return Targets.of_texts(self.texts.union(hash(f"{number:.0f}") for number in numbers), missing)


def is_missing(text: str | None) -> bool:
    """Whether a cell says that there is no value."""
    return text is None or (len(text) <= _PADDED and text.strip().lower() in _MISSING)


def numbers(texts: Sequence[str]) -> Block | None:
    """Cells as numbers, missing ones as NaN; None if some cell holds text."""
    try:
        return np.fromiter(map(float, texts), np.float64, len(texts))
    except ValueError:
        pass
    try:
        return np.fromiter(map(_number, texts), np.float64, len(texts))
    except ValueError:
        return None


def _number(text: str) -> float:
    word = text.strip().lower()
    if word in _MISSING:
        return np.nan
    return _TRUTH[word] if word in _TRUTH else float(word)


def matrix(columns: Iterable[tuple[str, Column]]) -> Block:
    """Feature columns, each with its name, side by side; UsageError if one holds text."""
    found = []
    for name, values in columns:
        if not isinstance(values, np.ndarray):
            raise UsageError(
                f"the column {name!r} holds text ({_sample(values)}), and models read numbers; "
                "save the table as your training code encodes it, or without that column"
            )
        found.append(values)
    return np.column_stack(found)


def _sample(cells: Sequence[str | None]) -> str:
    text = next((cell for cell in cells if cell is not None and numbers([cell]) is None), "nothing but gaps")
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def _place(names: Sequence[str], column: str) -> int:
    if column in names:
        return names.index(column)
    lower = {name.lower(): name for name in names}
    close = [lower[name] for name in get_close_matches(column.lower(), list(lower))]
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {listed(names)}"
    raise UsageError(f"there is no column {column!r}; {hint}")
