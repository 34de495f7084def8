"""A file that is changed while it is read: one clear line, or a report on what was there; no traceback, no hang."""

import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from support import FIXTURES

sys.path.insert(0, str(FIXTURES.parent))

from archlint.evidence import Evidence
from archlint.pipeline import check
from archlint.rules import load
from fixtures.hostile import exchange
from fixtures.hostile.models import sequential, write_h5, write_keras

TIMES = 60
"""Reads of a file that is changed all the while."""

SENTENCE = 600
"""Characters that a sentence about a file never has."""


def truncate(path: Path, content: bytes, chance: random.Random) -> None:
    """Cut the file anywhere, and make it whole again, in its place."""
    os.truncate(path, chance.randrange(len(content)))
    rewrite(path, content, chance)


def rewrite(path: Path, content: bytes, chance: random.Random) -> None:
    """Write the file anew, byte by byte where it is."""
    with path.open("r+b") as file:
        for start in range(0, len(content), 512):
            file.write(content[start : start + 512])
            file.flush()


def scribble(path: Path, content: bytes, chance: random.Random) -> None:
    """Change a few bytes, and change them back."""
    with path.open("r+b", buffering=0) as file:
        for place in (chance.randrange(len(content)) for _ in range(9)):
            file.seek(place)
            file.write(chance.randbytes(4))
    rewrite(path, content, chance)


def replace(path: Path, content: bytes, chance: random.Random) -> None:
    """Put another file in its place, or none for a moment."""
    other = path.with_suffix(".new")
    other.write_bytes(content[: chance.choice([0, 10, len(content) // 2, len(content)])])
    if chance.random() < 0.3:
        path.unlink()
    other.replace(path)


def grow(path: Path, content: bytes, chance: random.Random) -> None:
    """Add to the file, and cut it back."""
    with path.open("ab") as file:
        file.write(chance.randbytes(chance.randrange(1, 9999)))
    os.truncate(path, len(content))


Change = Callable[[Path, bytes, random.Random], None]
CHANGES: tuple[Change, ...] = (truncate, rewrite, scribble, replace, grow)


def onnx(folder: Path) -> Path:
    nodes = [exchange.node("Relu", [f"r{n}" if n else "x"], [f"r{n + 1}"]) for n in range(60)]
    return exchange.write(folder, exchange.model(exchange.graph(*nodes, reads="r60")))


WRITERS: dict[str, Callable[[Path], Path]] = {
    "h5": lambda folder: write_h5(folder, sequential()),
    "keras": lambda folder: write_keras(folder, sequential()),
    "onnx": onnx,
}


def _change_for_ever(change: Change, path: Path, content: bytes) -> None:
    chance = random.Random(7)
    while True:
        change(path, content, chance)


@contextmanager
def changing(change: Change, path: Path) -> Iterator[None]:
    """A process that does nothing but change the file."""
    writer: Any = get_context("fork").Process(
        target=_change_for_ever, args=(change, path, path.read_bytes()), daemon=True
    )
    writer.start()
    try:
        yield
    finally:
        writer.kill()
        writer.join()


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("ending", WRITERS)
def test_a_file_that_changes_while_it_is_read_is_judged_or_refused(ending: str, change: Change, tmp_path: Path) -> None:
    path, rules = WRITERS[ending](tmp_path), load([])[:9]
    with changing(change, path):
        results = [check(path, rules, Evidence()) for _ in range(TIMES)]
    for result in results:
        assert (result.error is None) == (result.status == "checked")
        assert "archlint itself" not in (result.error or "")
        assert "\n" not in (result.error or "")
        assert len(result.error or "") < SENTENCE


def test_a_file_that_is_cut_after_it_was_opened_is_refused(tmp_path: Path) -> None:
    from archlint.errors import ReadError
    from archlint.readers.files import open_file
    from archlint.readers.keras_files import read_h5, read_keras
    from archlint.readers.onnx import read_onnx

    for ending, reader in (("h5", read_h5), ("keras", read_keras), ("onnx", read_onnx)):
        path = WRITERS[ending](tmp_path)
        with open_file(path) as file:
            os.truncate(path, 64)
            with pytest.raises(ReadError):
                reader(file)
