"""Silence on what is known to be good: no errors, and no warning that is not explained here."""

from pathlib import Path

import pytest

from archlint.check import check
from archlint.rules import load

APPLICATIONS = sorted((Path(__file__).parents[1] / "fixtures" / "applications").glob("*.*"))
MODELS = [path for path in APPLICATIONS if path.suffix in (".h5", ".keras")]

JUSTIFIED = {
    # tf_keras builds ResNet-RS with bn_momentum=0.0 (the default in resnet_rs.py), so training would leave the running
    # statistics of the very last batch behind: true, and harmful to whoever trains it.
    "ResNetRS50.tfkeras.h5": {"NRM006"},
}


@pytest.fixture(scope="session")
def rules():
    return load()


@pytest.mark.parametrize("path", MODELS, ids=[path.name for path in MODELS])
def test_a_well_known_architecture_has_no_finding_but_advice_and_what_is_justified(path, rules):
    checked = check(path, rules)
    assert checked.error is None
    grave = {finding.code for finding in checked.findings if finding.severity != "advice"}
    assert grave == JUSTIFIED.get(path.name, set())


def test_the_known_good_models_are_of_at_least_twelve_families():
    families = {path.name.split(".")[0].rstrip("0123456789BSMLXV") for path in MODELS}
    assert len(families) >= 12
