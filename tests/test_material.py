"""The page on the material says what was measured, and what archlint still says of the cases."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # where the benchmarks are

from benchmarks.material import lab, page, pictures, record  # noqa: E402
from benchmarks.material.cases import EXPERIMENTS, PASSAGES  # noqa: E402

MEASURED = record.read()
PICTURE_BYTES = 60 * 1024


def test_the_page_is_what_the_record_makes_of_it():
    assert page.PATH.read_text("utf-8") == page.page(PASSAGES, MEASURED)


def test_the_text_goes_by_what_was_measured():
    assert list(page.surprises(EXPERIMENTS.values(), MEASURED)) == []
    assert list(MEASURED) == list(EXPERIMENTS)


def test_every_case_has_a_small_picture_and_every_picture_a_case():
    sizes = {path.stem: path.stat().st_size for path in pictures.FOLDER.glob("*.png")}
    assert set(sizes) == set(EXPERIMENTS)
    assert {slug: size for slug, size in sizes.items() if size > PICTURE_BYTES} == {}


def test_every_picture_is_told_in_words():
    assert re.findall(r"!\[\]", page.PATH.read_text("utf-8")) == []


PREDICTED = [slug for slug, experiment in EXPERIMENTS.items() if experiment.rule or experiment.silent]


@pytest.mark.parametrize("slug", PREDICTED)
def test_archlint_says_of_a_case_what_the_page_tells(slug):
    experiment = EXPERIMENTS[slug]
    codes = {one.code for one in lab.check(experiment)}
    assert experiment.rule is None or experiment.rule in codes
    assert not codes & set(experiment.silent)


@pytest.mark.parametrize(("slug", "claim"), [("bias", "redundant-bias"), ("epochs-few", "helps")])
def test_a_case_that_is_run_again_ends_alike(slug, claim):
    experiment = EXPERIMENTS[slug]
    found = lab.measure(replace(experiment, asks={claim: experiment.asks[claim]}))
    assert found.verdicts[claim].outcome == experiment.asks[claim]
