"""SQL as a sequence of tokens: enough to refuse what misleads, and to take conditions out."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<space> \s+ | --[^\n]* | /\*.*?(?:\*/|\Z) )
  | (?P<text> '(?:[^']|'')*' )
  | (?P<quoted> "[^"]*"? | `[^`]*`? | \[[^\]]*\]? )
  | (?P<column> (?<=\.)[^\W\d][\w$]* )
  | (?P<word> [^\W\d][\w$]* )
  | (?P<parameter> :[^\W\d]\w* )
  | (?P<number> (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)? )
  | (?P<sign> <> | != | == | <= | >= | << | >> | \|\| | . )
    """,
    re.VERBOSE | re.DOTALL,
)

_NAMELESS = "an option is written :name, and described in the front matter under options"
_REFUSED = {
    "<>": "`<>` drops rows with NULL in silence: write IS NOT",
    "!=": "`!=` drops rows with NULL in silence: write IS NOT",
    "NOT IN": "NOT IN finds nothing once the list holds a NULL: write NOT EXISTS, or IS NOT for each value",
    "BETWEEN": "BETWEEN hides two conditions in one: write the two comparisons, joined by AND",
    "LIMIT": "LIMIT hides findings: select every row",
    "?": _NAMELESS,
    "@": _NAMELESS,
    "$": _NAMELESS,
}


class Token(NamedTuple):
    """A piece of SQL: `kind` and where it begins.

    The kinds are text, quoted, word, column (a word behind a dot), parameter (`:name`), number and sign.
    """

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """The place behind the token."""
        return self.start + len(self.text)

    @property
    def word(self) -> str:
        """The token in capitals if it is a plain word, else nothing: what keywords are compared with."""
        return self.text.upper() if self.kind == "word" else ""


class Refusal(NamedTuple):
    """Something that no page may say: where, and what to say instead."""

    start: int
    why: str


def tokens(sql: str) -> list[Token]:
    """The tokens of a query, without spaces and comments."""
    matches = _TOKEN.finditer(sql)
    return [Token(m.lastgroup or "", m.group(), m.start()) for m in matches if m.lastgroup != "space"]


def parameters(sql: str) -> dict[str, int]:
    """The names of the parameters of a query, each with the place where it first stands."""
    found = (token for token in reversed(tokens(sql)) if token.kind == "parameter")
    return {token.text[1:]: token.start for token in found}


def refusals(sql: str) -> Iterator[Refusal]:
    """What a page's query may not contain although SQLite would take it, because it would mislead."""
    before = ""
    for token in tokens(sql):
        if token.kind == "quoted":
            why = f"SQLite may read a misspelt {token.text} as text: write the plain name, and text as 'text'"
            yield Refusal(token.start, why)
        said = "NOT IN" if (before, token.word) == ("NOT", "IN") else token.word or token.text
        if said in _REFUSED:
            yield Refusal(token.start, _REFUSED[said])
        before = token.word
