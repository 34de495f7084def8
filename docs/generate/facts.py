"""The facts reference, made from the comments of `schema.sql`."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from archlint.facts import schema
from generate.markdown import plain, table
from generate.rules import catalogue, link

READERS_SHOWN = 8
"""Columns that more rules read are common property, and only their number tells something."""

_TABLE = re.compile(
    r"(?P<comment>(?:^--[^\n]*\n)*)^CREATE TABLE (?P<name>\w+) \(\n(?P<body>.*?)^\) STRICT;", re.MULTILINE | re.DOTALL
)
_COLUMN = re.compile(
    r"    (?P<name>\w+) +(?P<type>[A-Z]+(?: NOT NULL| PRIMARY KEY)*)(?: REFERENCES (?P<table>\w+))?,?"
    r" *(?:-- *(?P<comment>.*))?"
)
_CONTINUED = re.compile(r" {5,}-- *(?P<comment>.*)")
_GROUP = re.compile(r" {4}-- (?P<title>.*)")
_MARK = re.compile(r"\[(?P<mark>\w+)\] *")


class Column(NamedTuple):
    """A column; `mark` says when its fact is there at all, `group` is the heading it stands under in its table."""

    name: str
    type: str
    table: str | None
    mark: str
    comment: str
    group: str


class Table(NamedTuple):
    """A table of facts."""

    name: str
    comment: str
    columns: tuple[Column, ...]


def page() -> str:
    """The reference."""
    sql = schema()
    readers = _readers()
    tables = list(tables_of(sql))
    links = ", ".join(f"[`{each.name}`](#{each.name})" for each in tables)
    parts = [f"# Facts\n\n{_conventions(sql)}\n\nThe tables: {links}."]
    return "\n\n".join([*parts, *(_section(each, readers) for each in tables)]) + "\n"


def tables_of(sql: str) -> Iterator[Table]:
    """The tables of a schema."""
    for found in _TABLE.finditer(sql):
        yield Table(found["name"], _joined(found["comment"]), tuple(_columns(found["body"])))


def _columns(body: str) -> Iterator[Column]:
    group, column = "", None
    for line in body.splitlines():
        if begun := _COLUMN.fullmatch(line):
            if column:
                yield column
            column = _column(begun, group)
        elif column and (more := _CONTINUED.fullmatch(line)):
            column = column._replace(comment=f"{column.comment} {more['comment']}")
        elif titled := _GROUP.fullmatch(line):
            if column:
                yield column
            group, column = titled["title"], None
    if column:
        yield column


def _column(begun: re.Match[str], group: str) -> Column:
    comment = begun["comment"] or ""
    mark = _MARK.match(comment)
    text = comment[mark.end() :] if mark else comment
    return Column(begun["name"], begun["type"], begun["table"], mark["mark"] if mark else "", text, group)


def _conventions(sql: str) -> str:
    """What the schema says of itself; a mark in brackets, as it calls them, is here a column of its own."""
    about, _, conventions = _joined(sql.partition("\n\n")[0]).partition(" Conventions. ")
    return f"{plain(about)}\n\n{plain(conventions)}\n\nThese marks stand in the column *Only with*."


def _joined(comment: str) -> str:
    """The text of comment lines."""
    return " ".join(line.removeprefix("--").strip() for line in comment.splitlines()).strip()


def _readers() -> dict[str, list[str]]:
    """The links to the rules that read a column, by `table.column`."""
    readers: dict[str, list[str]] = {}
    for rule in catalogue():
        for fact in rule.needs:
            readers.setdefault(fact, []).append(link(rule, "../rules/"))
    return readers


def _section(described: Table, readers: dict[str, list[str]]) -> str:
    head = f"## {described.name} {{#{described.name}}}\n\n{plain(described.comment)}"
    groups = groupby(described.columns, key=lambda column: column.group)
    return "\n\n".join([head, *(_group(described, title, list(columns), readers) for title, columns in groups)])


def _group(described: Table, title: str, columns: Sequence[Column], readers: dict[str, list[str]]) -> str:
    rows = [
        (
            f"`{column.name}`{{#{described.name}-{column.name}}}",
            _type(column),
            column.mark,
            plain(column.comment),
            _read_by(readers.get(f"{described.name}.{column.name}", [])),
        )
        for column in columns
    ]
    shown = table(("Column", "Type", "Only with", "What it is", "Read by"), rows)
    return f"**{title.capitalize()}**\n\n{shown}" if title else shown


def _type(column: Column) -> str:
    refers = f", a [`{column.table}`](#{column.table})" if column.table else ""
    return column.type + refers


def _read_by(links: Sequence[str]) -> str:
    return f"{len(links)} rules" if len(links) > READERS_SHOWN else " ".join(links)
