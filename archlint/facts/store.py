"""The facts as a SQLite database in memory."""

import sqlite3
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

from archlint.facts.rows import Row, rows
from archlint.graph import Model
from archlint.targets import Target

_SHAPE_FACTS = {
    "layer": "init_gain steps input_shape output_shape rank features positions fan_in fan_out params trainable_params",
    "output": "units softmax_units rank like_input",
    "sliding": "places",
    "field": "layer axis input_size incoming_least incoming_most least most jump",
}
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
"""
"""Without them a rule that looks for a link of each layer takes time quadratic in the layers."""

_NO_SHAPES = "the file states no input shape, so no shapes can be computed"
_NO_TOTAL = "some layers are custom or behind custom ones, so the parameters cannot be counted"


@lru_cache(maxsize=1)
def schema() -> str:
    """The commented SQL that creates the tables."""
    return Path(__file__).with_name("schema.sql").read_text("utf-8")


def build(model: Model, target: Target | None = None) -> sqlite3.Connection:
    """A database of all facts about a model, and the runtime it is meant for. The caller closes it."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(schema())
    tables = rows(model, target)
    for table, found in tables.items():
        _insert(connection, table, found)
    connection.executescript(_INDEXES)
    connection.create_function("reaches", 2, _Reach(tables["edge"]), deterministic=True)
    return connection


def absent(model: Model, connection: sqlite3.Connection) -> Mapping[str, str]:
    """The facts (`table.column`) that this file cannot supply, each with the reason."""
    missing = dict(model.absent)
    (shapes,) = connection.execute("SELECT count(output_shape) FROM layer").fetchone()
    if not shapes:
        shaped = (f"{table}.{fact}" for table, facts in _SHAPE_FACTS.items() for fact in facts.split())
        missing |= dict.fromkeys(shaped, _NO_SHAPES)
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
