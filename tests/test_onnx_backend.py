"""ONNX's own test models: every operator in every version that the installed onnx has, and a few whole networks."""

import warnings
from pathlib import Path

import onnx
import pytest

from archlint.pipeline import check
from archlint.readers import open_model
from archlint.rules import load

JUDGED = 4
"""Of so many models, one is judged by the rules; all are read."""

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"


@pytest.fixture(scope="module")
def rules():
    return load()


def faults(path, name, rules):
    """What keeps the file from being checked by every rule."""
    report = check(path, rules)
    given_up = [f"{name}: {rule.code} {rule.why}" for rule in report.not_checked if not rule.needs]
    return given_up if report.error is None else [f"{name}: {report.error}"]


def test_every_model_of_a_single_operator_is_read_and_some_are_judged(rules, tmp_path):
    """What rules make of operators depends on few of them, and takes four times as long as reading."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some expected values overflow on purpose
        cases = [case for case in collect_testcases(None) if case.model is not None]
    assert len(cases) > 1_500
    path = tmp_path / "model.onnx"
    found = []
    for number, case in enumerate(cases):
        path.write_bytes(case.model.SerializeToString())
        if number % JUDGED == 0:
            found += faults(path, case.name, rules)
        else:
            with open_model(path) as model:
                assert model.exchange is not None, case.name
    assert found == []


@pytest.mark.parametrize("folder", ["light", "pytorch-converted", "pytorch-operator", "simple"])
def test_every_stored_model_is_checked(folder, rules):
    paths = sorted((DATA / folder).rglob("*.onnx"))
    assert paths
    assert [fault for path in paths for fault in faults(path, path.parent.name, rules)] == []
