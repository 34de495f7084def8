"""Queries under guard: they read facts, compute, and end.

Pages may come from strangers and user queries from anywhere, so SQLite itself keeps them in: an authorizer allows
reading the fact tables and a list of functions, a progress handler counts steps (rather than seconds: a query that ends
on one machine ends on all), and limits bound the size of what a function can make, a query keep, and an answer be.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from sys import getsizeof
from time import monotonic
from typing import NamedTuple

from archlint.errors import QueryError
from archlint.limits import ANSWER_BYTES, FINDINGS_BYTES, MIB, QUERY_HEAP
from archlint.rules.finding import Value
from archlint.rules.functions import register

FUNCTIONS = frozenset(
    "count sum min max avg total group_concat coalesce ifnull nullif iif abs round length lower upper substr instr "
    "replace trim format printf ln log log2 log10 exp sqrt pow ceil floor like glob reaches".split()
)
"""What a query may call. `like` and `glob` are how SQLite names the operators LIKE and GLOB."""

STEPS = 50_000_000
"""Instructions of SQLite's machine per query, about a second. A rule over 1,000 layers takes below 100,000."""

ROWS = 10_000
"""Rows per query. Largest honest model seen: about 2,000 layers."""

SECONDS = 10
"""Time per query, far beyond what the steps take: for the few functions that can make a single step last (`instr`)."""

_STEPS_PER_TICK = 250
_LIMITS: Mapping[int, int] = {
    sqlite3.SQLITE_LIMIT_LENGTH: 50_000,  # a step of `instr` is quadratic in it: 75 ms
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,  # the widest table has 67
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 20,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 100,
}
_INTERNAL = ("sqlite_", "pragma_")
_MISSING = re.compile(r"no such (?:table|column): (?:\w+\.)*(\w+)$")


class Answer(NamedTuple):
    """What a query returned; not `complete` if there were more rows than anybody reads."""

    columns: tuple[str, ...]
    rows: list[tuple[Value, ...]]
    complete: bool = True


@dataclass(slots=True)
class Sandbox:
    """A connection under guard; `reads` holds the facts (`table.column`) that the last query reads.

    `room` are the bytes that what is made of the answers may still take.
    """

    connection: sqlite3.Connection
    facts: Mapping[str, frozenset[str]]
    reads: set[str] = field(default_factory=set)
    refused: str | None = None
    ticks: int = 0
    deadline: float = 0
    room: int = FINDINGS_BYTES

    def query(self, sql: str, parameters: Mapping[str, Value] | None = None) -> Answer:
        """The columns and rows of one SELECT; QueryError if it is refused, wrong, or does not end in time.

        `parameters` are what each `:name` of the query stands for.
        """
        self.reads.clear()
        self.refused, self.ticks, self.deadline = None, 0, monotonic() + SECONDS
        try:
            cursor = self.connection.execute(sql, parameters or {})
            rows = list(_within_bounds(islice(cursor, ROWS + 1)))
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
            raise QueryError(self._reason(error)) from error
        except MemoryError as error:
            raise QueryError(f"the query takes more than {QUERY_HEAP // MIB} MiB of memory") from error
        if cursor.description is None:
            raise QueryError("there is no query: write one SELECT")
        return Answer(tuple(column[0] for column in cursor.description), rows[:ROWS], len(rows) <= ROWS)

    def authorize(self, action: int, first: str | None, second: str | None, _base: str | None, _by: str | None) -> int:
        """SQLite's question whether a query may do something; asked while it compiles."""
        refused = self._refusal(action, first or "", second or "")
        if refused is None:
            return sqlite3.SQLITE_OK
        self.refused = self.refused or refused
        return sqlite3.SQLITE_DENY

    def tick(self) -> bool:
        """SQLite's question, every so many steps, whether to stop."""
        self.ticks += 1
        return self.ticks * _STEPS_PER_TICK > STEPS or monotonic() > self.deadline

    def _refusal(self, action: int, first: str, second: str) -> str | None:
        match action:
            case sqlite3.SQLITE_SELECT:
                return None
            case sqlite3.SQLITE_READ if first in self.facts:
                self.reads.update([f"{first}.{second}"] if second else [])
                return None
            case sqlite3.SQLITE_READ if not second and not first.startswith(_INTERNAL):
                return None  # a name from WITH of which no column is read, as by count(*)
            case sqlite3.SQLITE_READ:
                return f"{first} is no table of facts; there are {', '.join(self.facts)}"
            case sqlite3.SQLITE_FUNCTION if second.lower() in FUNCTIONS:
                return None
            case sqlite3.SQLITE_FUNCTION:
                return f"the function {second} is not allowed; there are {' '.join(sorted(FUNCTIONS))}"
            case sqlite3.SQLITE_RECURSIVE:
                return "WITH RECURSIVE is not allowed: what needs it belongs into an analysis"
        return "the query may only SELECT"

    def _reason(self, error: Exception) -> str:
        if self.refused:
            return self.refused
        if str(error) == "interrupted":
            return f"the query takes more than {STEPS:,} steps or {SECONDS} seconds"
        return f"{error}{self._suggestion(str(error))}"

    def _suggestion(self, error: str) -> str:
        missing = _MISSING.search(error)
        names = set(self.facts).union(*self.facts.values())
        if missing is None or missing.group(1) in names:
            return ""
        close = get_close_matches(missing.group(1), sorted(names))
        return f"; did you mean {' or '.join(close)}?" if close else ""


def _within_bounds(rows: Iterable[tuple[Value, ...]]) -> Iterator[tuple[Value, ...]]:
    """The rows; QueryError once they take too much memory."""
    left = ANSWER_BYTES
    for row in rows:
        left -= getsizeof(row) + sum(map(getsizeof, row))
        if left < 0:
            raise QueryError(f"the query returns more than {ANSWER_BYTES // MIB} MiB")
        yield row


@contextmanager
def guarded(connection: sqlite3.Connection, *, strange: bool = False) -> Iterator[Sandbox]:
    """The connection under guard, for the time of the block.

    `strange`: a stranger wrote the queries. SQLite then has a limit of memory, which holds for the whole process from
    then on, as it cannot be taken back.
    """
    connection.execute("PRAGMA temp_store = MEMORY")  # or what is sorted would be written to files
    if strange:
        connection.execute(f"PRAGMA hard_heap_limit = {QUERY_HEAP}")
    sandbox = Sandbox(connection, _facts(connection))
    register(connection)
    limits = {limit: connection.setlimit(limit, value) for limit, value in _LIMITS.items()}
    connection.set_progress_handler(sandbox.tick, _STEPS_PER_TICK)
    connection.set_authorizer(sandbox.authorize)
    try:
        yield sandbox
    finally:
        connection.set_authorizer(None)
        connection.set_progress_handler(None, 0)
        for limit, value in limits.items():
            connection.setlimit(limit, value)


def run_query(connection: sqlite3.Connection, sql: str) -> Answer:
    """One query of a user; QueryError if it is refused, wrong, or does not end in time."""
    with guarded(connection) as sandbox:
        answer = sandbox.query(sql)
    if not answer.complete:
        raise QueryError(f"the query returns more than {ROWS:,} rows; narrow it down")
    return answer


def _facts(connection: sqlite3.Connection) -> Mapping[str, frozenset[str]]:
    """The columns of each fact table."""
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'")
    return {
        table: frozenset(row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,)))
        for (table,) in tables.fetchall()
    }
