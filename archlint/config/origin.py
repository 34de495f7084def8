"""Where a setting stands: errors name the file, and the line if it can be found."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_HEADER = re.compile(r"\[{1,2}([^\[\]]+)\]")
_KEY = re.compile(r"([^=#\[\]{}]+)=")

Route = tuple[str | int, ...]
"""The keys that lead to a setting; a number is an element of a list."""

Place = tuple[int, tuple[str, ...]]
"""A line, and the keys that lead to what begins there."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Something that settings are read from: a file, or an option of the command line, which has no lines.

    `inside` is the table of the file that holds them.
    """

    name: str
    text: str = ""
    inside: tuple[str, ...] = ()

    def at(self, route: Route) -> str:
        """The file and the line of a setting, or of the closest table around it."""
        number = self._line((*self.inside, *route)) if self.text else None
        return self.name if number is None else f"{self.name}, line {number}"

    def _line(self, route: Route) -> int | None:
        """The line of a setting, found without a second parser: wrong where a line of a longer text looks alike."""
        keys = tuple(step for step in route if isinstance(step, str))
        places = list(_places(self.text))
        start = _element(places, route)
        for length in range(len(keys), 0, -1):
            for number, place in places:
                if number >= start and place[:length] == keys[:length]:
                    return number
        return None


def _element(places: Sequence[Place], route: Route) -> int:
    """The line where the element of a list begins that a route leads through, if it has a header: `[[ignore]]`."""
    nth = next((at for at, step in enumerate(route) if isinstance(step, int)), None)
    if nth is None:
        return 0
    headers = [number for number, place in places if place == route[:nth]]
    return headers[int(route[nth])] if len(headers) > int(route[nth]) else 0


def _places(text: str) -> Iterator[Place]:
    """Each line that begins a table or sets a key, with the keys that lead there."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.split("\n"), 1):
        if found := _HEADER.match(line.lstrip()):
            table = _keys(found[1])
            yield number, table
        elif (found := _KEY.match(line.lstrip())) and (keys := _keys(found[1])):
            yield number, (*table, *keys)


def _keys(dotted: str) -> tuple[str, ...]:
    """The parts of a dotted key; none if it is no key."""
    import tomllib

    try:
        table = tomllib.loads(f"{dotted} = 0")
    except ValueError:
        return ()
    keys: list[str] = []
    while isinstance(table, dict):
        (name,) = table
        keys.append(name)
        table = table[name]
    return tuple(keys)
