"""What was measured, in a file beside: the page and its pictures are made from it and from nothing else."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.material.lab import Measured

PATH = Path(__file__).with_name("record.json")
DIGITS = 4
"""Significant ones, of every number."""


def read() -> dict[str, Measured]:
    """What came of each experiment, by its slug."""
    return msgspec.json.decode(PATH.read_bytes(), type=dict[str, Measured]) if PATH.exists() else {}


def write(measured: Mapping[str, Measured]) -> None:
    """All of it, a line for each experiment."""
    lines = (f"{json.dumps(slug)}: {json.dumps(_rounded(msgspec.to_builtins(one)))}" for slug, one in measured.items())
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value
