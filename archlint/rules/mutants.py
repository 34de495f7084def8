"""Takes the conditions out of a query, one at a time: what is left must not pass the page's examples.

A condition is an operand of AND or OR, in WHERE, ON, HAVING or parentheses, or the only condition of its clause. The
one taken out stays in the text, made ineffective by a constant (`(1 OR (condition))`), so that a mutant compiles
wherever its original does: `HAVING 1` would not, once the last aggregate is gone.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from archlint.rules.sql import Token, tokens

KEYS = frozenset("id src dst layer output prev norm dropout chain stack".split())
"""Columns that say how tables belong together; an equation of two of them is no condition of the rule."""

_CLAUSES = frozenset({"WHERE", "ON", "HAVING"})
_ENDS = _CLAUSES | frozenset(
    "GROUP ORDER LIMIT WINDOW UNION INTERSECT EXCEPT JOIN LEFT RIGHT FULL INNER CROSS NATURAL".split()
)
_QUERIES = frozenset({"SELECT", "WITH", "VALUES"})


class Mutant(NamedTuple):
    """A query without one of its conditions: the text of the condition, and where in the query it begins."""

    condition: str
    start: int
    sql: str


_Span = Sequence[Token]


def mutants(sql: str) -> Iterator[Mutant]:
    """The query without one condition, for each condition in turn."""
    found = tokens(sql)
    for number, token in enumerate(found):
        if token.word in _CLAUSES:
            for operand, neutral in _operands(_clause(found[number + 1 :]), alone=True):
                yield _mutant(sql, operand, neutral)


def _clause(rest: _Span) -> _Span:
    """The tokens of a clause, which ends at the next clause, at a comma, or where its parenthesis closes."""
    for number, depth, token in _depths(rest):
        if depth < 0 or (depth == 0 and (token.word in _ENDS or token.text in {",", ";"})):
            return rest[:number]
    return rest


def _depths(span: _Span) -> Iterator[tuple[int, int, Token]]:
    """Each token with its number and how many parentheses and CASEs are open around it, its own included.

    The parenthesis that closes more than was opened has depth -1.
    """
    depth = 0
    for number, token in enumerate(span):
        closes = token.text == ")" or token.word == "END"
        depth += token.text == "(" or token.word == "CASE"
        yield number, depth if depth or not closes else -1, token
        depth -= closes


def _operands(span: _Span, *, alone: bool) -> Iterator[tuple[_Span, str]]:
    """The operands of a boolean expression, at any depth, each with how it is made ineffective.

    `alone`: a condition without AND or OR counts, too; inside parentheses it is the same as the parenthesis.
    """
    alternatives = list(_split(span, "OR"))
    for alternative in alternatives:
        if len(alternatives) > 1:
            yield alternative, "0 AND"
        conjuncts = list(_split(alternative, "AND"))
        if len(conjuncts) > 1 or (alone and len(alternatives) == 1):
            yield from ((conjunct, "1 OR") for conjunct in conjuncts if not _joins(conjunct))
    for group in _groups(span):
        for part in _split(group, ","):
            yield from _operands(part, alone=False)


def _split(span: _Span, separator: str) -> Iterator[_Span]:
    start = 0
    for number, depth, token in _depths(span):
        if depth == 0 and separator in (token.word, token.text):
            yield span[start:number]
            start = number + 1
    yield span[start:]


def _groups(span: _Span) -> Iterator[_Span]:
    """What stands in the outermost parentheses; the clauses of subqueries are found by themselves."""
    start = 0
    for number, depth, token in _depths(span):
        if depth == 1 and token.text == "(":
            start = number + 1
        elif depth == 1 and token.text == ")" and span[start].word not in _QUERIES:
            yield span[start:number]


def _joins(operand: _Span) -> bool:
    """Whether an operand is `a.id = b.src`, with any two of the key columns."""
    match [token.text for token in operand]:
        case [_, ".", left, "=" | "==", _, ".", right]:
            return {left, right} <= KEYS
    return False


def _mutant(sql: str, operand: _Span, neutral: str) -> Mutant:
    start, end = operand[0].start, operand[-1].end
    condition = sql[start:end]
    return Mutant(" ".join(condition.split()), start, f"{sql[:start]}({neutral} ({condition})){sql[end:]}")
