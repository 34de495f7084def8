"""Patterns for files and for layers.

Files are matched as in a `.gitignore`, from the folder of the configuration that names them: `models/old/` is a folder,
`*.bak.h5` a name anywhere, `/export.onnx` that one file. Layers are matched by their whole path, in which `*` stands
for anything, slashes included, so that `encoder/*` is all of a nested model.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING

from archlint.errors import UsageError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


def file_matches(patterns: Iterable[str], path: str) -> bool:
    """Whether a file, named from the folder of the configuration with `/` between folders, matches some pattern.

    Raises:
        UsageError: a pattern is none.
    """
    return _compiled(tuple(patterns)).match_file(path)


def layer_matches(pattern: str, layer: str) -> bool:
    """Whether a layer's path is the pattern or matches it."""
    return layer == pattern or fnmatchcase(layer, pattern)  # layers of ONNX may have brackets in their names


@lru_cache
def _compiled(patterns: tuple[str, ...]) -> "GitIgnoreSpec":
    from pathspec import GitIgnoreSpec  # here: most runs have no pattern

    try:
        return GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise UsageError(f"one of the patterns {', '.join(patterns)} is none: {error}") from error
