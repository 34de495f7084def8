"""Patterns for files and for layers.

Files are matched as in a `.gitignore`, from the folder of the configuration that names them: `models/old/` is a folder,
`*.bak.h5` a name anywhere, `/export.onnx` that one file, `!keep.h5` an exception from those before it. Layers are
matched by their whole path, in which `*` stands for anything, slashes included: `encoder/*` is all of a nested model.

Patterns may be those of a repository that nobody vouches for. Turned into one regular expression, as is usual,
`**/a/**/a/**/a/**/a/b` takes minutes on a path of 500 folders named `a`; here the time is that of the pattern's length
times the path's.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

_ESCAPED = re.compile(r"\\(.)|\[\^", re.DOTALL)


def file_matches(patterns: Iterable[str], path: str) -> bool:
    """Whether a file, named from the folder of the configuration with `/` between folders, is meant by the patterns.

    Of several patterns that match it the last decides. What is in a folder that is meant is meant, too, and no later
    exception brings it back, as in Git. A path that ends with `/` is a folder.
    """
    parts = path.strip("/").split("/")
    meant: dict[int, bool] = {}
    for pattern in patterns:
        glob = _compiled(pattern)
        for length in glob.matched(parts, is_folder=path.endswith("/")):
            meant[length] = not glob.negated
    return any(meant.values())


def layer_matches(pattern: str, layer: str) -> bool:
    """Whether a layer's path is the pattern or matches it."""
    return layer == pattern or fnmatchcase(layer, pattern)  # layers of ONNX may have brackets in their names


@dataclass(frozen=True, slots=True)
class _Glob:
    """A pattern, folder by folder; `**` stands for any number of them."""

    segments: tuple[str, ...]
    negated: bool
    folders_only: bool

    def matched(self, parts: Sequence[str], *, is_folder: bool) -> set[int]:
        """How many parts long the beginnings of a path are that match: the file itself, and folders that hold it."""
        reached = {0}
        for segment in self.segments:
            if segment == "**":
                reached = set(range(min(reached, default=len(parts)), len(parts) + 1))
            else:
                reached = {at + 1 for at in reached if at < len(parts) and fnmatchcase(parts[at], segment)}
        return reached - {len(parts)} if self.folders_only and not is_folder else reached


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> _Glob:
    negated, folders_only = pattern.startswith("!"), pattern.endswith("/")
    body = re.sub(r"^\./", "/", pattern.removeprefix("!")).removesuffix("/")
    segments = body.removeprefix("/").split("/")
    if "/" not in body:
        segments = ["**", *segments]
    if segments[-1] == "**":
        segments.append("*")  # what is in a folder, not the folder
    return _Glob(tuple(map(_for_fnmatch, segments)), negated, folders_only)


def _for_fnmatch(segment: str) -> str:
    """A segment as the standard library writes it, which has no backslashes and negates sets with `!` alone."""
    return _ESCAPED.sub(lambda found: _literal(found[1]) if found[1] else "[!", segment)


def _literal(character: str) -> str:
    return f"[{character}]" if character in "*?[" else character
