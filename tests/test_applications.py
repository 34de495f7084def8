"""Shapes, parameters and findings on every architecture of keras.applications.

The files under `fixtures/applications/` are what Keras 3 and tf_keras (Keras 2) write, without the weights; the
expected numbers beside them are Keras's own (`fixtures/applications.py` makes both).
"""

import gzip
import json
from contextlib import closing
from pathlib import Path

import pytest

from archlint.facts import build
from archlint.readers import open_model

APPLICATIONS = Path(__file__).parents[1] / "fixtures" / "applications"
EXPECTED = json.loads(gzip.decompress((APPLICATIONS / "expected.json.gz").read_bytes()))


@pytest.mark.parametrize("name", EXPECTED)
def test_shapes_and_parameters_are_those_that_keras_computes(name):
    expected = EXPECTED[name]
    with open_model(APPLICATIONS / name) as model, closing(build(model)) as facts:
        rows = facts.connection.execute("SELECT name, params, output_shape FROM layer").fetchall()
        (total,) = facts.connection.execute("SELECT params FROM model").fetchone()
    computed = {name: [params, shape] for name, params, shape in rows}
    assert {name: computed.get(name) for name in expected["layers"]} == {
        name: [params, _text(shape)] for name, (params, shape) in expected["layers"].items()
    }
    assert [name for name, known in computed.items() if None in known] == []
    assert total == expected["params"]


def _text(shape):
    return "x".join("?" if size is None else str(size) for size in shape[1:])
