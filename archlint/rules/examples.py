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
from typing import TYPE_CHECKING, Any, NamedTuple

from archlint import facts
from archlint.errors import PageError, ReadError, UsageError
from archlint.evidence import Evidence
from archlint.graph import Model
from archlint.readers import open_model
from archlint.readers.keras import from_attributes
from archlint.rules import onnx_text
from archlint.rules.rule import Example, Rule

if TYPE_CHECKING:
    from archlint.dataset import Dataset


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
        with _model(rule, example, place) as (model, data):
            built = facts.build(model, Evidence(example.target, data=data))
            return Specimen(example, built.connection, built.absent)
    except ReadError as error:
        raise PageError(f"{place}: the example cannot be read: {error}") from error


@contextmanager
def _model(rule: Rule, example: Example, place: str) -> "Iterator[tuple[Model, Dataset | None]]":
    """The model of an example, and the data that it is trained with, if the example has any."""
    if example.language == "json":
        yield from_attributes(_attributes(place, example)), None
        return
    with TemporaryDirectory(prefix="archlint-") as folder:
        path, data = Path(folder) / f"model.{example.format}", Path(folder) / "train.npz"
        if example.format == "onnx":
            onnx_text.save(rule, example, path)
        else:
            _save(place, example, path, data)
        with open_model(path) as model:
            yield model, _data(place, data) if data.exists() else None


def _data(place: str, path: Path) -> "Dataset":
    from archlint.dataset import load

    try:
        return load(path)
    except UsageError as error:
        raise PageError(f"{place}: the data of the example cannot be read: {error}") from error


def _attributes(place: str, example: Example) -> Mapping[str, Any]:
    try:
        attributes = json.loads(example.code)
    except json.JSONDecodeError as error:
        raise PageError(f"{place}: the example is no JSON: {error}") from error
    if not isinstance(attributes, dict):
        raise PageError(f"{place}: the example must be one JSON object, with model_config in it")
    return attributes


def _save(place: str, example: Example, path: Path, data: Path) -> None:
    """Runs an example; writes its `model`, and `x` and `y` if it makes any that are data."""
    keras, numpy = _keras(), importlib.import_module("numpy")
    keras.utils.clear_session(free_memory=False)  # automatic names count per session: dense, dense_1 …
    names: dict[str, Any] = {"keras": keras, "layers": keras.layers, "np": numpy}
    try:
        exec(compile(example.code, place, "exec"), names)
        if "model" in names:
            names["model"].save(path)
        if arrays := {name: made for name in ("x", "y") if isinstance(made := names.get(name), numpy.ndarray)}:
            numpy.savez(data, **arrays)
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
