"""From what the user names to model files: files, folders and globs."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from archlint.errors import UsageError
from archlint.readers import SUFFIXES

_SKIPPED = frozenset({"__pycache__", "node_modules", "venv"})
"""Folders that hold no model of the user's own; nor do folders whose name begins with a dot."""


def model_files(named: Iterable[str]) -> list[Path]:
    """The files to check, in the order given, folders walked in alphabetical order, nothing twice.

    A file that is named is taken whatever its ending; in folders and globs only the endings of model files count.

    Raises:
        UsageError: there is nothing to check.
    """
    listed = list(named)
    if "" in listed:
        raise UsageError("one of the paths is empty; give a file, a folder or a glob")
    different: dict[Path, Path] = {}
    for path in (path for name in listed for path in _expanded(name)):
        different.setdefault(path.absolute(), path)
    found = list(different.values())
    if not found:
        raise UsageError(
            f"no model file ({', '.join(SUFFIXES)}) in {', '.join(listed)}; give a file, a folder or a glob"
        )
    return found


def _expanded(name: str) -> Iterator[Path]:
    path = Path(name)
    if glob.has_magic(name) and not path.exists():
        matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207  # Path.glob takes no absolute pattern
        yield from (match for text in matches for match in _expanded(text) if _is_model(match))
    elif path.is_dir():
        yield from _walk(path)
    else:
        yield path


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        yield from (path for name in sorted(names) if _is_model(path := Path(root, name)))


def _is_model(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES
