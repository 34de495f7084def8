"""SQLite's mathematical functions, in Python: not every build of SQLite has them.

As there, NULL in gives NULL out, and so does an argument outside the function's domain.
"""

import math
import sqlite3
from collections.abc import Callable


def _guarded(function: Callable[..., float]) -> Callable[..., float | None]:
    def call(*arguments: float | None) -> float | None:
        if None in arguments:
            return None
        try:
            return function(*arguments)
        except (ValueError, OverflowError, ZeroDivisionError, TypeError):
            return None

    return call


_FUNCTIONS: tuple[tuple[str, int, Callable[..., float]], ...] = (
    ("ln", 1, math.log),
    ("log", 1, math.log10),
    ("log", 2, lambda base, number: math.log(number, base)),
    ("log2", 1, math.log2),
    ("log10", 1, math.log10),
    ("exp", 1, math.exp),
    ("sqrt", 1, math.sqrt),
    ("pow", 2, math.pow),
    ("ceil", 1, math.ceil),
    ("floor", 1, math.floor),
)


def register(connection: sqlite3.Connection) -> None:
    """Make the functions known to a connection."""
    for name, arguments, function in _FUNCTIONS:
        connection.create_function(name, arguments, _guarded(function), deterministic=True)
