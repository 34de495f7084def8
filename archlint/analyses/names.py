"""Names that can do harm where they are shown, or where files are called by them."""

import re

from archlint.characters import CONTROL, HALVES, UNSEEN

_CONTROL = re.compile(f"[{CONTROL}{UNSEEN}{HALVES}]")

_PATH = re.compile(r"(?:^|[/\\])\.\.(?:[/\\]|$)|^[/\\]|^[A-Za-z]:[/\\]")
"""What leads a file that is named so out of its folder. A slash alone does not: layers are called `block1/conv`."""


def harm(name: str) -> str | None:
    """How a name can do harm: `control`, `path`; None: it cannot."""
    if _CONTROL.search(name):
        return "control"
    return "path" if _PATH.search(name) else None
