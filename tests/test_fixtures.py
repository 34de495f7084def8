"""archlint finds in the models of the material exactly what `fixtures/expected.toml` says, in every format."""

import sys
import tomllib
from pathlib import Path

import pytest

from archlint.pipeline import check
from archlint.rules import load

FIXTURES = Path(__file__).parents[1] / "fixtures"
sys.path.insert(0, str(FIXTURES))

import build  # noqa: E402  # the script beside the models, not a module of the package

EXPECTED = tomllib.loads((FIXTURES / "expected.toml").read_text("utf-8"))
FILES = [(name, suffix) for name, spec in build.MODELS.items() for suffix in spec.formats]


@pytest.fixture(scope="session")
def rules():
    return load()


@pytest.mark.parametrize(("name", "suffix"), FILES, ids=[name + suffix for name, suffix in FILES])
def test_a_fixture_has_exactly_the_findings_that_are_written_down_for_it(name, suffix, rules):
    checked = check(build.path(name, suffix), rules)
    assert checked.error is None
    found = sorted((finding.code, finding.layer or "") for finding in checked.findings)
    assert found == sorted((entry["code"], entry.get("layer", "")) for entry in EXPECTED[name])


def test_every_fixture_has_its_expectations_written_down():
    assert sorted(EXPECTED) == sorted(build.MODELS)
