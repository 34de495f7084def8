"""From what the user names to model files: files, folders and globs.

Paths stay the strings they are: a report names a file as its user does, and `Path` would rewrite `./model.h5`.
"""

import glob
import os
from collections.abc import Iterable, Iterator

from archlint.errors import UsageError
from archlint.readers import SUFFIXES

_SKIPPED = frozenset({"__pycache__", "node_modules", "venv"})
"""Folders that hold no model of the user's own; nor do folders whose name begins with a dot."""


def model_files(named: Iterable[str]) -> list[str]:
    """The files to check, as named or found, in that order, folders walked in alphabetical order, nothing twice.

    A file that is named is taken whatever its ending; in folders and globs only the endings of model files count, and
    in folders checkpoints (`.weights.h5`) are passed over. A folder that cannot be listed is returned itself, so that
    reading it says why.

    Raises:
        UsageError: there is nothing to check.
    """
    listed = list(named)
    if "" in listed:
        raise UsageError("one of the paths is empty; give a file, a folder or a glob")
    different: dict[str, str] = {}
    for path in (path for name in listed for path in _expanded(name)):
        different.setdefault(os.path.abspath(path), path)
    if not different:
        raise UsageError(
            f"no model file ({', '.join(SUFFIXES)}) in {', '.join(listed)}; give a file, a folder or a glob"
        )
    return list(different.values())


def _expanded(name: str) -> Iterator[str]:
    if glob.has_magic(name) and not os.path.lexists(name):
        matches = sorted(glob.glob(name, recursive=True))
        yield from (match for text in matches for match in _expanded(text) if _is_model(match))
    elif os.path.isdir(name):
        yield from _walk(name)
    else:
        yield name


def _walk(folder: str) -> Iterator[str]:
    closed: list[OSError] = []
    for root, folders, names in os.walk(folder, onerror=closed.append):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        yield from (os.path.join(root, name) for name in sorted(names) if _is_model(name) and not _is_checkpoint(name))
    yield from (str(error.filename) for error in closed)


def _is_checkpoint(name: str) -> bool:
    return name.lower().endswith(".weights.h5")  # Keras's name for weights without a model


def _is_model(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)
