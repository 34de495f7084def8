"""Model files made for tests, and what archlint reads from them."""

import json
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import h5py

from archlint.facts import build
from archlint.graph import Layer, Model
from archlint.readers import open_model

FIXTURES = Path(__file__).parents[1] / "fixtures"

PAGE = """\
---
code: {code}
name: {name}
severity: {severity}
stage: stable
formats: [keras]
message: {message}
advice: "make {{layer}} smaller"
sources: [measured]
---
# Wide layers

## What it does
Fires on wide layers.

## Why
They are wide.

## When it does not matter
Never.

## Fires
A wide layer.
```python
model = keras.Sequential([keras.Input((2,)), layers.Dense(64)])
```

## Stays silent
A narrow layer.
```python
model = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
```

## Check
```sql
{sql}
```
"""
"""A rule page; the braces of its templates are doubled."""

ENDLESS = PAGE.format(
    code="TST001",
    name="endless",
    severity="error",
    message='"{units}"',
    sql=f"SELECT NULL AS layer, count(*) AS units FROM {', '.join(f'layer AS l{number}' for number in range(40))}",
)
"""A rule that gives up on any model of several layers."""

H5_STRINGS = {
    "variable-length ascii": lambda text: (text.encode(), h5py.string_dtype("ascii")),
    "variable-length utf-8": lambda text: (text, h5py.string_dtype("utf-8")),
    "fixed-length ascii": lambda text: (text.encode(), h5py.string_dtype("ascii", len(text.encode()))),
    "fixed-length utf-8": lambda text: (text.encode(), h5py.string_dtype("utf-8", len(text.encode()))),
}
"""The ways an HDF5 attribute holds a text: its value and type, by name."""


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output, read as JSON."""
        return json.loads(self.out)


Archlint = Callable[..., Ran]
"""Runs a command."""


def write_h5(
    path: Path,
    config: Any,
    training: Any = None,
    version: str | None = "2.4.0",
    strings: str = "variable-length ascii",
) -> Path:
    """A whole-model `.h5` file, with the attributes that Keras puts at its root."""
    attributes = {"model_config": config, "training_config": training}
    texts = {name: json.dumps(value) for name, value in attributes.items() if value is not None}
    if version is not None:
        texts["keras_version"] = version
    return write_h5_texts(path, texts, strings)


def write_h5_texts(path: Path, texts: dict[str, str], strings: str = "variable-length ascii") -> Path:
    """An HDF5 file with these texts as attributes of its root."""
    with h5py.File(path, "w") as file:
        file.create_group("model_weights")
        for name, text in texts.items():
            value, kind = H5_STRINGS[strings](text)
            file.attrs.create(name, value, dtype=kind)
    return path


def write_keras(path: Path, config: Any, version: str = "3.15.1") -> Path:
    """A `.keras` archive."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        archive.writestr("model.weights.h5", b"")
    return path


def read(path: Path) -> Model:
    """The neutral model in a file."""
    with open_model(path) as model:
        return model


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query over the facts of a file."""
    with open_model(path) as model, closing(build(model)) as facts:
        return facts.connection.execute(sql).fetchall()


def layer(model: Model, name: str) -> Layer:
    """The layer with this path."""
    return next(layer for layer in model.layers if layer.name == name)


def kinds(model: Model) -> dict[str, str]:
    """The kind of every layer by its path, in order."""
    return {layer.name: layer.kind for layer in model.layers}


def wires(model: Model) -> list[tuple[str, list[str]]]:
    """Every call as the path of its layer and of the layers that made its inputs; `:1` marks a later output."""

    def name(call: int, output: int) -> str:
        return model.layers[model.calls[call].layer].name + (f":{output}" if output else "")

    return [(model.layers[call.layer].name, [name(*tensor) for tensor in call.inputs]) for call in model.calls]


def sequential(*layers: dict[str, Any], **config: Any) -> dict[str, Any]:
    """A serialised Sequential as Keras 2 writes it."""
    return {"class_name": "Sequential", "config": {"name": "sequential", "layers": list(layers), **config}}


def entry(class_name: str, **config: Any) -> dict[str, Any]:
    """A serialised layer."""
    return {"class_name": class_name, "config": config}
