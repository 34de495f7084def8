"""Names that can do harm where they are shown, or where files are called by them."""

import re

_CONTROL = re.compile(r"[\0-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
"""Control characters, marks of direction, characters without width, and halves of characters."""

_PATH = re.compile(r"(?:^|[/\\])\.\.(?:[/\\]|$)|^[/\\]|^[A-Za-z]:[/\\]")
"""What leads a file that is named so out of its folder. A slash alone does not: layers are called `block1/conv`."""


def harm(name: str) -> str | None:
    """How a name can do harm: `control`, `path`; None: it cannot."""
    if _CONTROL.search(name):
        return "control"
    return "path" if _PATH.search(name) else None
