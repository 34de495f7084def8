"""From what the user names to model files: files, folders and globs.

Paths stay the strings they are: a report names a file as its user does, and `Path` would rewrite `./model.h5`.
"""

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from archlint.errors import UsageError
from archlint.readers import SUFFIXES

_SKIPPED = frozenset({"__pycache__", "node_modules", "venv"})
"""Folders that hold no model of the user's own; nor do folders whose name begins with a dot."""

_SLASH = re.escape(os.sep + (os.altsep or ""))
_ANY_FOLDERS = re.compile(rf"(?:^|(?<=[{_SLASH}]))\*\*(?:[{_SLASH}]+|$)")

Excluded = Callable[[str, bool], bool]
"""Whether a path (a folder's ends in a slash) is to be passed over; the second argument: the user named it itself."""


def as_named(path: Path) -> str:
    """An absolute path as a user in the current folder names it: from there, if it is below."""
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)


def is_folder(path: str) -> bool:
    """Whether there is a folder at a path; not so of one that is no path at all, where `Path` would raise."""
    return os.path.isdir(path)


def model_files(named: Iterable[str], excluded: Excluded | None = None) -> list[str]:
    """The files to check, as named or found, in that order, folders walked in alphabetical order, nothing twice.

    A file that is named is taken whatever its ending; in folders and globs only the endings of model files count, and
    in folders checkpoints (`.weights.h5`) are passed over. Links to files are followed, links to folders only if they
    are named: others may lead in a circle. A folder that cannot be listed is returned itself, so that reading it says
    why.

    A folder or glob in which there is nothing is returned itself, too, if there is something elsewhere: reading it
    fails, and a folder that was renamed does not go unchecked unseen.

    Nothing is returned if all that was named is excluded: who names it need not know that, as pre-commit does not,
    which names what was changed.

    Raises:
        UsageError: there is nothing to check.
    """
    listed = list(named)
    if "" in listed:
        raise UsageError("one of the paths is empty; give a file, a folder or a glob")
    search = _Search(excluded or (lambda _path, _named: False))
    wanted = [name for name in listed if not search.excludes(name, named=True)]
    found = {name: list(search.expanded(name)) for name in wanted}
    if not any(found.values()) and (wanted or not listed):
        raise UsageError(f"no model file ({', '.join(SUFFIXES)}) in {', '.join(wanted)}{search.advice}")
    different: dict[str, str] = {}
    for path in (path for name in wanted for path in found[name] or search.empty(name)):
        different.setdefault(os.path.realpath(path), path)
    return list(different.values())


@dataclass
class _Search:
    """Looks for model files; knows a path that it was told to pass over, if there was one."""

    excluded: Excluded
    left_out: str | None = None

    @property
    def advice(self) -> str:
        """What to do where nothing was found."""
        if self.left_out is None:
            return "; give a file, a folder or a glob"
        return f" but for what is excluded, such as {self.left_out}; give another path, or change `exclude`"

    def excludes(self, path: str, *, named: bool = False) -> bool:
        """Whether to pass over a path."""
        asked = os.path.join(path, "") if os.path.isdir(path) else path
        if not self.excluded(asked, named):
            return False
        self.left_out = asked
        return True

    def empty(self, name: str) -> list[str]:
        """What stands for a name behind which there is no file: nothing, if what was there is excluded."""
        return [] if _Search(lambda _path, _named: False).has_some(name) else [name]

    def has_some(self, name: str) -> bool:
        """Whether there is a model file behind a name."""
        return next(self.expanded(name), None) is not None

    def expanded(self, name: str) -> Iterator[str]:
        """The files that the user means by a name."""
        if glob.has_magic(name) and not os.path.lexists(name):
            matches = [match for match in sorted(self._matches(name)) if not self.excludes(match)]
            yield from (path for match in matches for path in self.expanded(match) if _is_model(path))
        elif os.path.isdir(name):
            yield from self._within("" if name == os.curdir else name)  # as one writes the files in it
        else:
            yield name

    def _matches(self, pattern: str) -> Iterator[str]:
        """What a glob matches. Python's own `**` follows links to folders, and two that lead in a circle for ever."""
        start, *rest = _ANY_FOLDERS.split(pattern, maxsplit=1)
        if not rest:
            yield from glob.iglob(pattern)
        elif rest == [""]:
            yield from glob.iglob(start or os.curdir)
        else:
            for folder in glob.iglob(start) if start else [""]:
                for root, _ in self._tree(folder):
                    yield from self._matches(os.path.join(glob.escape(root), *rest))

    def _within(self, folder: str) -> Iterator[str]:
        closed: list[OSError] = []
        for root, names in self._tree(folder, closed.append):
            models = (
                os.path.join(root, name) for name in sorted(names) if _is_model(name) and not _is_checkpoint(name)
            )
            yield from (path for path in models if not self.excludes(path))
        yield from (str(error.filename) for error in closed)

    def _tree(self, folder: str, failed: Callable[[OSError], None] | None = None) -> Iterator[tuple[str, list[str]]]:
        """Each folder within, itself first, with the names of the files in it; "" is the current one."""
        for root, folders, names in os.walk(folder or os.curdir, onerror=failed):
            here = root if folder else root[len(os.curdir + os.sep) :]
            folders[:] = sorted(name for name in folders if self._is_searched(os.path.join(here, name)))
            yield here, names

    def _is_searched(self, folder: str) -> bool:
        name = os.path.basename(folder)
        return name not in _SKIPPED and not name.startswith(".") and not self.excludes(folder)


def _is_checkpoint(name: str) -> bool:
    return name.lower().endswith(".weights.h5")  # Keras's name for weights without a model


def _is_model(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)
