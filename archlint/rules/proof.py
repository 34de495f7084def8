"""A page is proved before it runs: its query compiles, reads facts only, and supplies what its templates name."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from archlint.errors import PageError, QueryError
from archlint.rules import template
from archlint.rules.rule import Rule
from archlint.rules.sandbox import Sandbox, guarded
from archlint.rules.sql import parameters, refusals

SCHEMA = Path(__file__).parents[1] / "facts" / "schema.sql"
_COLUMN = re.compile(r"[a-z][a-z0-9_]*")


@contextmanager
def no_facts(*, strange: bool = False) -> Iterator[Sandbox]:
    """A database as `schema.sql` describes it, with nothing in it: what pages are proved against.

    `strange`: a stranger wrote some of them.
    """
    # Without a cache of statements: only a query that is compiled anew asks the authorizer what it reads.
    connection = sqlite3.connect(":memory:", cached_statements=0)
    connection.executescript(SCHEMA.read_text(encoding="utf-8"))
    connection.create_function("reaches", 2, lambda _src, _dst: 0, deterministic=True)
    try:
        with guarded(connection, strange=strange) as sandbox:
            yield sandbox
    finally:
        connection.close()


def prove(rule: Rule, empty: Sandbox) -> Rule:
    """The rule with the facts that it needs; PageError, naming the line, if its page cannot be relied on.

    The query runs on an empty database rather than under EXPLAIN, which would describe EXPLAIN's own columns.
    """
    for start, why in refusals(rule.sql):
        raise PageError(f"{at(rule, start)}: {why}")
    _check_options(rule)
    try:
        columns = empty.query(rule.sql, rule.parameters()).columns
    except QueryError as error:
        raise PageError(f"{at(rule)}: {error}") from error
    _check_columns(rule, columns)
    for text in rule.templates():
        _check_template(rule, text, columns)
    return msgspec.structs.replace(rule, needs=tuple(sorted(empty.reads)))


def at(rule: Rule, start: int = 0) -> str:
    """The place of a character of the rule's query, as `file:line`."""
    line = rule.sql_line + rule.sql.count("\n", 0, start)
    return f"{rule.path}:{line}"


def _check_options(rule: Rule) -> None:
    asked = parameters(rule.sql)
    for name, start in asked.items():
        if name not in rule.options:
            raise PageError(f"{at(rule, start)}: `:{name}` is no option: describe it in the front matter under options")
    for name in rule.options:
        if name not in asked:
            raise PageError(f"{rule.path}: the query does not ask for the option {name}: write :{name}, or drop it")


def _check_columns(rule: Rule, columns: tuple[str, ...]) -> None:
    for column in columns:
        if not _COLUMN.fullmatch(column):
            raise PageError(f"{at(rule)}: the query selects `{column}` without a name: add AS and a snake_case name")
        if columns.count(column) > 1:
            raise PageError(f"{at(rule)}: the query selects `{column}` twice: give each column a name of its own")
    if "layer" not in columns:
        raise PageError(f"{at(rule)}: the query selects no `layer`: the path of the layer at fault, or NULL AS layer")


def _check_template(rule: Rule, text: str, columns: tuple[str, ...]) -> None:
    try:
        named = template.columns(text)
    except ValueError as error:
        raise PageError(f"{rule.path}: {error}, in the template {text!r}") from error
    for column in named:
        if column not in columns:
            raise PageError(
                f"{rule.path}: the template {text!r} names {{{column}}}, which the query does not select; "
                f"it selects {', '.join(columns)}"
            )
