"""Turns a page's examples into facts, by way of a real file, for Keras written by a real Keras.

Python examples are executed: testing a page means running its code, checking a model never does.
"""

import importlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from archlint import facts
from archlint.errors import PageError, ReadError, UsageError
from archlint.evidence import Evidence
from archlint.graph import Model
from archlint.readers import open_model
from archlint.readers.keras import from_attributes
from archlint.rules import onnx_text
from archlint.rules.rule import Example, Rule


class Specimen(NamedTuple):
    """An example as the rules see it: its facts, and those that its file cannot supply, with the reason."""

    example: Example
    connection: Connection
    absent: Mapping[str, str]


def build(rule: Rule, example: Example) -> Specimen:
    """The facts of an example.

    Raises:
        PageError: the example does not run, defines no model, is no ONNX, or archlint cannot read it.
        UsageError: Keras is not installed.
    """
    place = f"{rule.path}:{example.line}"
    try:
        with _model(rule, example, place) as model:
            built = facts.build(model, Evidence(example.target))
            return Specimen(example, built.connection, built.absent)
    except ReadError as error:
        raise PageError(f"{place}: the example cannot be read: {error}") from error


@contextmanager
def _model(rule: Rule, example: Example, place: str) -> Iterator[Model]:
    if example.language == "json":
        yield from_attributes(_attributes(place, example))
        return
    with TemporaryDirectory(prefix="archlint-") as folder:
        path = Path(folder) / f"model.{example.format}"
        if example.format == "onnx":
            onnx_text.save(rule, example, path)
        else:
            _save(place, example, path)
        with open_model(path) as model:
            yield model


def _attributes(place: str, example: Example) -> Mapping[str, Any]:
    try:
        attributes = json.loads(example.code)
    except json.JSONDecodeError as error:
        raise PageError(f"{place}: the example is no JSON: {error}") from error
    if not isinstance(attributes, dict):
        raise PageError(f"{place}: the example must be one JSON object, with model_config in it")
    return attributes


def _save(place: str, example: Example, path: Path) -> None:
    keras = _keras()
    keras.utils.clear_session(free_memory=False)  # automatic names count per session: dense, dense_1 …
    names: dict[str, Any] = {"keras": keras, "layers": keras.layers, "np": importlib.import_module("numpy")}
    try:
        exec(compile(example.code, place, "exec"), names)
        if "model" in names:
            names["model"].save(path)
    except Exception as error:
        raise PageError(f"{place}: the example does not run: {type(error).__name__}: {error}") from error
    if "model" not in names:
        raise PageError(f"{place}: the example does not define `model`")


def _keras() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _silence():
            return importlib.import_module("keras")
    except ImportError as error:
        raise UsageError("testing pages needs Keras; install archlint with its extra `verify`") from error


@contextmanager
def _silence() -> Iterator[None]:
    """No standard error meanwhile: TensorFlow's libraries greet on it, below Python, whatever they are told."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
