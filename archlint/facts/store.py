"""The facts as a SQLite database in memory."""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from archlint.evidence import Evidence
from archlint.facts.rows import Row, Study
from archlint.graph import Model

_INDEXES = """
    CREATE INDEX edge_src ON edge(src);
    CREATE INDEX edge_dst ON edge(dst);
    CREATE INDEX link_src ON link(src);
    CREATE INDEX link_dst ON link(dst);
    CREATE INDEX output_layer ON output(layer);
    CREATE INDEX output_src ON output(src);
    CREATE INDEX node_layer ON node(layer);
    CREATE INDEX tensor_layer ON tensor(layer);
    CREATE INDEX metric_output ON metric(output);
    CREATE INDEX sliding_layer ON sliding(layer);
    CREATE INDEX field_layer ON field(layer);
    CREATE INDEX operand_layer ON operand(layer);
    CREATE INDEX signal_layer ON signal(layer);
    CREATE INDEX weight_layer ON weight(layer);
    CREATE INDEX concern_layer ON concern(layer);
"""
"""Without them a rule that looks for a link of each layer takes time quadratic in the layers."""

_NO_SHAPES = "the file states no input shape, so no shapes can be computed"
_NO_TOTAL = "some layers are custom or behind custom ones, so the parameters cannot be counted"


@lru_cache(maxsize=1)
def schema() -> str:
    """The commented SQL that creates the tables."""
    return Path(__file__).with_name("schema.sql").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one model: the tables, and the facts (`table.column`) that cannot be known, with the reason.

    `trained`: whether the stored kernels have left their initialization; None where that is not known.
    """

    connection: sqlite3.Connection
    absent: Mapping[str, str]
    trained: bool | None = None

    def close(self) -> None:
        """Let go of the tables."""
        self.connection.close()


@lru_cache
def marked(mark: str) -> tuple[str, ...]:
    """The facts (`table.column`) whose comment in the schema begins with `[mark]`."""
    found, table = [], ""
    for line in schema().splitlines():
        if head := re.match(r"CREATE TABLE (\w+)", line):
            table = head[1]
        elif column := re.match(rf" +(\w+) .*-- \[{mark}\]", line):
            found.append(f"{table}.{column[1]}")
    return tuple(found)


def build(model: Model, evidence: Evidence | None = None) -> Facts:
    """All facts about a model, in a database in memory. The caller closes it."""
    study = Study(model, evidence or Evidence())
    connection = sqlite3.connect(":memory:")
    connection.executescript(schema())
    tables = study.tables()
    for table, found in tables.items():
        _insert(connection, table, found)
    connection.executescript(_INDEXES)
    connection.create_function("reaches", 2, _Reach(tables["edge"]), deterministic=True)
    withheld = {fact: why for mark, why in study.withheld().items() for fact in marked(mark)}
    absent = {**model.absent, **_unshaped(connection), **withheld}
    return Facts(connection, absent, study.weights.trained)


def _unshaped(connection: sqlite3.Connection) -> Mapping[str, str]:
    """The facts that need shapes, where there are none."""
    missing: dict[str, str] = {}
    (shapes,) = connection.execute("SELECT count(output_shape) FROM layer").fetchone()
    if not shapes:
        missing |= dict.fromkeys(marked("shape"), _NO_SHAPES)
    (params,) = connection.execute("SELECT params FROM model").fetchone()
    if params is None:
        missing |= dict.fromkeys(("model.params", "model.trainable_params"), _NO_TOTAL if shapes else _NO_SHAPES)
    return missing


def _insert(connection: sqlite3.Connection, table: str, found: list[Row]) -> None:
    if not found:
        return
    columns = list(found[0])
    places = ", ".join("?" * len(columns))
    names = ", ".join(f'"{column}"' for column in columns)
    insert = f"INSERT INTO {table} ({names}) VALUES ({places})"
    try:
        connection.executemany(insert, [tuple(row.values()) for row in found])
    except (OverflowError, UnicodeEncodeError):  # no honest model has them, so the way out may be slow
        connection.execute(f"DELETE FROM {table}")
        connection.executemany(insert, [tuple(map(_storable, row.values())) for row in found])


def _storable(value: object) -> object:
    """A value SQLite can hold: integers beyond 64 bits are unknown, lone surrogates are escaped."""
    if isinstance(value, int) and abs(value) >= 2**63:
        return None
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


class _Reach:
    """`reaches(a, b)`: whether layer b depends on layer a.

    Few queries ask, so nothing is worked out before one does. What depends on a layer is kept for the last layers asked
    for: queries go through them one after another.
    """

    def __init__(self, edges: Sequence[Row]) -> None:
        self._edges = edges
        self._of = lru_cache(maxsize=8)(self._behind)

    @cached_property
    def _readers(self) -> Mapping[int, Sequence[int]]:
        readers: dict[int, list[int]] = {}
        for edge in self._edges:
            readers.setdefault(edge["src"], []).append(edge["dst"])
        return readers

    def __call__(self, a: int | None, b: int | None) -> bool | None:
        return None if a is None or b is None else b in self._of(a)

    def _behind(self, layer: int) -> frozenset[int]:
        found: set[int] = set()
        pending = [layer]
        while pending:
            for reader in self._readers.get(pending.pop(), ()):
                if reader not in found:
                    found.add(reader)
                    pending.append(reader)
        return frozenset(found)
