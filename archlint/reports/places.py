"""Where findings are, as other programs want to be told: paths as a repository has them, and identities that stay."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path

from archlint.rules.finding import Finding


def relative(path: str) -> str:
    """The path from the folder that archlint runs in, with `/` between folders; absolute if it leads elsewhere."""
    here = Path.cwd()
    whole = Path(os.path.normpath(here / path))
    return (whole.relative_to(here) if whole.is_relative_to(here) else whole).as_posix()


def digest(*parts: str | int | None) -> str:
    """32 hexadecimal digits that stand for these parts, in every run and on every machine."""
    return blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def identities(findings: Iterable[Finding], *within: str) -> Iterator[str]:
    """For each finding a digest of what it keeps from run to run: `within`, its rule, its layer.

    Not of its message, whose numbers change with the model. Those that agree in all of that are numbered.
    """
    alike: Counter[tuple[str, str | None]] = Counter()
    for finding in findings:
        key = (finding.code, finding.layer)
        alike[key] += 1
        yield digest(*within, *key, alike[key])
