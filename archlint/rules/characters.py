"""What no page may contain, as people read pages in terminals, logs and browsers."""

import re
from html import unescape

from archlint.characters import CONTROL, HALVES, ORDER, UNSEEN

_UNSAFE = re.compile(rf"(?![\t\n])[{CONTROL}{UNSEEN}{HALVES}]")
_ORDER = re.compile(rf"\s*::|.*{ORDER}")
"""What begins an order to the runner of a CI, where a page is printed in its log."""


def unsafe(text: str) -> bool:
    """Whether the text has a control, bidirectional or invisible character, plain or as Markdown's `&#8238;`."""
    return _UNSAFE.search(unescape(text)) is not None


def orders(line: str) -> bool:
    """Whether a line gives orders to the runner of a CI."""
    return _ORDER.match(line) is not None
