"""Text on its way out: made harmless, laid out, painted where there is a terminal that shows colour."""

import os
import re
import shutil
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, TextIO

from archlint.characters import CONTROL, HALVES, ORDER, UNSEEN

if TYPE_CHECKING:
    from rich.text import Text

_UNSAFE = re.compile(f"[{CONTROL}{UNSEEN}{HALVES}]")
_COMMAND = re.compile(rf"(?<!\S)::|{ORDER}")
"""What begins an order to GitHub's runner at the beginning of a line (actions/runner, ActionCommand.cs), or to any."""
_LONGEST = 300
"""Characters of one text: names in honest models have below 100, sentences below 300."""
PIPE_WIDTH = 100
WIDEST = 110
"""Lines longer than this are hard to read on any screen."""


def escaped(text: str) -> str:
    """The text with everything escaped that could act on a terminal, a log or a reader."""
    harmless = _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text)
    return _COMMAND.sub(lambda found: f"\\x{ord(found[0][0]):02x}{found[0][1:]}", harmless)


def safe_text(text: str) -> str:
    """The text escaped and cut to a bearable length."""
    harmless = escaped(text)
    return harmless if len(harmless) <= _LONGEST else f"{harmless[:_LONGEST]}…"


class Span(NamedTuple):
    """Some text in one style (rich's names of styles; empty: plain)."""

    text: str
    style: str = ""


Line = tuple[Span, ...]


def line(*parts: Span | str) -> Line:
    """A line of spans; bare strings are plain."""
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts)


def wrapped(text: str, indent: str, width: int, style: str = "") -> list[Line]:
    """The text as indented lines of at most `width` columns; words are never cut."""
    rows = [""]
    for word in escaped(text).split(" "):  # not split(): in code, two spaces are two
        joined = f"{rows[-1]} {word}" if rows[-1] else word
        if rows[-1] and cells(joined) > max(20, width - len(indent)):
            rows.append(word)
        else:
            rows[-1] = joined
    return [line(indent, Span(row, style)) for row in rows]


def cells(text: str) -> int:
    """The columns a text takes in a terminal: Korean letters and emoji take two each."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def width_of(stream: TextIO) -> int:
    """Columns to lay out for: the terminal's, within reason; in a pipe or file a fixed number, or COLUMNS if set."""
    wished = os.environ.get("COLUMNS", "")
    if not stream.isatty():
        return min(10_000, max(40, int(wished))) if wished.isdecimal() else PIPE_WIDTH
    return max(40, min(WIDEST, shutil.get_terminal_size((80, 24)).columns))


def shows_colour(stream: TextIO) -> bool:
    """Whether to paint: a terminal that is not dumb, and no wish against it (https://no-color.org).

    A wish for colour holds for standard output, not for a file that a report is written to.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR") and stream is sys.stdout:
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def write(lines: Iterable[Line], stream: TextIO) -> None:
    """Write the lines, painted if the stream shows colour. Spans must be safe already, or archlint's own words."""
    if not shows_colour(stream):
        stream.writelines("".join(span.text for span in spans).rstrip() + "\n" for spans in lines)
        return
    from rich.console import Console  # 60 ms that a pipe does not need

    console = Console(file=stream, force_terminal=True, width=10_000, highlight=False)
    for spans in lines:
        console.print(painted(spans), soft_wrap=True)


def painted(spans: Line) -> "Text":
    """A line as rich's text."""
    from rich.text import Text

    return Text.assemble(*(span for span in spans), no_wrap=True)


def joined(lines: Iterable[Line]) -> "Text":
    """Lines as rich's text, for `rich.print`."""
    from rich.text import Text

    return Text("\n").join(map(painted, lines))
