"""Markdown that any text can be put into."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells are Markdown without line breaks."""
    lines = (head, ["---"] * len(head), *rows)
    return "\n".join("| " + " | ".join(escaped(cell, "|") for cell in line) + " |" for line in lines)


def plain(text: str) -> str:
    """Plain text in one line, in which `code` stays code and nothing else is markup."""
    return escaped(" ".join(text.split()), "\\*_[]<")


def escaped(text: str, signs: str) -> str:
    """The text with a backslash before each of these signs, but for those in code, where it would be seen."""
    outside = str.maketrans({sign: f"\\{sign}" for sign in signs})
    parts = text.split("`")
    return "`".join(part if number % 2 else part.translate(outside) for number, part in enumerate(parts))
