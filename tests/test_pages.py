"""Every page of `rules/`: it is a rule, its examples hold, and each of its conditions is needed.

The examples are built once per session, and every rule runs on every example: `snapshots/examples.json` holds which
ones fire, so that a rule which begins to fire on another rule's example is seen. After looking at the difference,
write it anew with `ARCHLINT_UPDATE_SNAPSHOTS=1 pytest tests/test_pages.py`.
"""

import json
import os
from collections.abc import Iterator
from difflib import unified_diff
from functools import cache
from pathlib import Path

import pytest

from archlint.errors import PageError
from archlint.facts.store import marked
from archlint.readers import open_model
from archlint.rules.catalogue import built_in, load, page_files, parse_and_prove
from archlint.rules.proving import PageResult, prove_page, prove_pages
from archlint.rules.rule import Rule

ROOT = Path(__file__).parents[1]
PAGES = page_files(ROOT / "rules")
EXPORTS = sorted((ROOT / "fixtures" / "exports").glob("*.onnx"))
SNAPSHOT = Path(__file__).parent / "snapshots" / "examples.json"

ONLY_ONNX_HAS = {"node", "operand", "tensor", "model.opset", "model.ir_version", "model.target"}
"""Tables and facts that say something of ONNX files alone."""

ABOUT_PYTHON = {"SEC001", "SEC004", "SEC005"}
"""Rules about Python objects that a loader makes of what a file says, which no ONNX file asks for."""

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@cache
def proved(page: Path) -> Rule:
    (rule,) = parse_and_prove([(page, page.read_bytes())])
    return rule


@cache
def result(page: Path) -> PageResult:
    return prove_page(proved(page), tuple(sound_rules()))


def sound_rules() -> Iterator[Rule]:
    """The rules of all pages that are rules; the others fail tests of their own."""
    for page in PAGES:
        try:
            yield proved(page)
        except PageError:
            continue


@every_page
def test_a_page_is_a_proved_rule(page: Path) -> None:
    rule = proved(page)
    assert page.stem == f"{rule.code}-{rule.name}"
    assert "layer.name" in rule.needs or "{layer}" not in rule.message


@every_page
def test_a_page_says_what_its_options_are_for(page: Path) -> None:
    rule = proved(page)
    said = f"{rule.sections['What it does']} {rule.sections['When it does not matter']}"
    assert [name for name in rule.options if f"`{name.replace('_', '-')}`" not in said] == []


def test_the_pages_load_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert built_in() == ROOT / "rules"
    assert len(load()) == len(PAGES)


@every_page
def test_examples_hold_and_each_condition_is_needed(page: Path) -> None:
    assert "\n".join(result(page).failures) == ""


@cache
def missing_in_onnx() -> frozenset[str]:
    """The facts that no ONNX file supplies."""
    return frozenset.intersection(*map(_absent, EXPORTS))


def _absent(path: Path) -> frozenset[str]:
    with open_model(path) as model:
        return frozenset(model.absent)


@every_page
def test_a_page_leaves_out_a_format_only_for_facts_that_it_lacks(page: Path) -> None:
    rule = proved(page)
    if "onnx" not in rule.formats and rule.code not in ABOUT_PYTHON:
        without_data = {*marked("data"), *marked("targets")}  # which no example in ONNX can have
        assert (missing_in_onnx() | without_data) & {*rule.needs}, "ONNX files have all its facts: name onnx in formats"
    if "keras" not in rule.formats:
        needs = {*rule.needs, *(fact.split(".")[0] for fact in rule.needs)}
        assert needs & ONLY_ONNX_HAS, "Keras files have all its facts: name keras in formats"


def test_every_rule_on_every_example_is_as_recorded() -> None:
    fired = json.dumps(dict(_fired()), indent=1) + "\n"
    if os.environ.get("ARCHLINT_UPDATE_SNAPSHOTS"):
        SNAPSHOT.parent.mkdir(exist_ok=True)
        SNAPSHOT.write_text(fired, encoding="utf-8")
    recorded = SNAPSHOT.read_text(encoding="utf-8") if SNAPSHOT.exists() else ""
    difference = unified_diff(recorded.splitlines(), fired.splitlines(), "recorded", "now", n=0, lineterm="")
    assert "\n".join(difference) == "", "after a look, write it anew with ARCHLINT_UPDATE_SNAPSHOTS=1"


def _fired() -> Iterator[tuple[str, str]]:
    """Each example, by page and number among its like, with the codes of the rules that fire on it."""
    for rule in sound_rules():
        counts = {True: 0, False: 0}
        for found in result(Path(rule.path)).examples:
            fires = found.example.fires
            counts[fires] += 1
            yield f"{rule.code} {'fires' if fires else 'silent'} {counts[fires]}", " ".join(found.fired)


PAGE = """\
---
code: TST001
name: wide-layer
severity: advice
stage: stable
formats: [keras]
message: "{layer} has {units} units"
advice: "make it smaller than {layer}"
sources: [measured]
---
# Wide layers

## What it does
Fires on wide dense layers.

## Why
They are wide.

## When it does not matter
Never.

## Fires
A wide layer.
```python
model = keras.Sequential([keras.Input((2,)), layers.Dense(64, name="wide")])
```

## Stays silent
A narrow layer.
```json
{"model_config": {"class_name": "Sequential", "config": [
  {"class_name": "Dense", "config": {"name": "dense", "units": 2, "batch_input_shape": [null, 4]}}
]}, "training_config": null, "keras_version": "2.11.0"}
```

## Check
```sql
SELECT name AS layer, units AS units
FROM layer
WHERE units > 10
```
"""


ONNX = """\
## {section}
A layer of {units} units.
```onnx{target}
<ir_version: 8, opset_import: ["" : 17]>
net (float[N,4] x) => (float[N,{units}] y) <float[4,{units}] w, float[{units}] b> {{ y = Gemm (x, w, b) }}
```
"""
WIDE_ONNX = ONNX.format(section="Fires", units=64, target="")
NARROW_ONNX = ONNX.format(section="Stays silent", units=2, target="")
IN_ONNX = (("## Fires\n", WIDE_ONNX), ("## Stays silent\n", NARROW_ONNX))


class TestProving:
    def prove(self, folder: Path, *changes: tuple[str, str]) -> PageResult:
        page = folder / "TST001-wide-layer.md"
        text = PAGE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        page.write_text(text, encoding="utf-8")
        (found,) = prove_pages([folder], ())
        return found

    def test_a_sound_page_passes(self, tmp_path: Path) -> None:
        found = self.prove(tmp_path)
        assert found.failures == ()
        assert [example.fired for example in found.examples] == [("TST001",), ()]
        assert found.mutants == 1

    @pytest.mark.parametrize(
        ("old", "new", "failure"),
        [
            ("Dense(64", "Dense(8", ":24: TST001 should fire on this example but stays silent"),
            (
                '"units": 2',
                '"units": 20',
                ":30: TST001 should stay silent on this example but says: dense has 20 units",
            ),
            (
                "units > 10\n",
                "units > 10\nAND live\n",
                ":41: no example notices when the condition `live` is taken out",
            ),
            ("model =", "network =", ":24: the example does not define `model`"),
            ("Dense(64", "Dense(-1", ":24: the example does not run: ValueError"),
            ('"config": [', '"config" [', ":30: the example is no JSON"),
            ('"model_config"', '"config"', ":30: the example cannot be read: its model conf"),
            ("units AS units", "length(loss) AS units", "no such column: loss"),
        ],
    )
    def test_a_page_that_breaks_its_promise_fails(self, tmp_path: Path, old: str, new: str, failure: str) -> None:
        (found,) = self.prove(tmp_path, (old, new)).failures
        assert failure in found

    def test_a_page_with_examples_in_both_formats_passes(self, tmp_path: Path) -> None:
        found = self.prove(tmp_path, ("[keras]", "[keras, onnx]"), *IN_ONNX)
        assert found.failures == ()
        assert [(example.example.format, example.fired) for example in found.examples] == [
            ("onnx", ("TST001",)),
            ("keras", ("TST001",)),
            ("onnx", ()),
            ("keras", ()),
        ]

    def test_a_format_that_a_page_names_has_examples_that_fire_and_that_stay_silent(self, tmp_path: Path) -> None:
        assert self.prove(tmp_path, ("[keras]", "[keras, onnx]"), IN_ONNX[0]).failures == (
            f"{tmp_path}/TST001-wide-layer.md: its formats name onnx, but Stays silent has no example of it: add one",
        )
        assert self.prove(tmp_path, ("[keras]", "[keras, onnx]"), IN_ONNX[1]).failures == (
            f"{tmp_path}/TST001-wide-layer.md: its formats name onnx, but Fires has no example of it: add one",
        )

    def test_an_example_in_a_format_that_its_page_does_not_name_fails(self, tmp_path: Path) -> None:
        assert self.prove(tmp_path, IN_ONNX[1]).failures == (
            f"{tmp_path}/TST001-wide-layer.md:30: the example is onnx, which the page's formats do not name",
        )

    def test_an_example_is_checked_for_the_runtime_that_its_block_names(self, tmp_path: Path) -> None:
        condition = "units > 10\n  AND EXISTS (SELECT 1 FROM model WHERE target = 'coreml')\n"
        named = [ONNX.format(section="Fires", units=64, target=" target=coreml")]
        near = [ONNX.format(section="Stays silent", units=64, target=end) for end in ("", " target=nnapi")]
        found = self.prove(
            tmp_path,
            ("units > 10\n", condition),
            ("[keras]", "[keras, onnx]"),
            ("```python", "```python target=coreml"),
            ("```json", "```json target=coreml"),
            ("## Fires\n", named[0]),
            ("## Stays silent\n", near[0] + near[1].partition("\n")[2]),
        )
        assert found.failures == ()

    def test_an_example_is_checked_with_the_options_that_its_block_sets(self, tmp_path: Path) -> None:
        options = ("sources", 'options: {least: {default: 10, description: "what is wide"}}\nsources')
        wide = ("units > 10", "units > :least")
        assert self.prove(tmp_path, options, wide).failures == ()
        (silent,) = self.prove(tmp_path, options, wide, ("```python", "```python least=100")).failures
        assert ":25: TST001 should fire on this example but stays silent" in silent
        (fired,) = self.prove(tmp_path, options, wide, ("```json", "```json least=1")).failures
        assert ":31: TST001 should stay silent on this example but says: dense has 2 units" in fired

    def test_an_option_that_no_example_needs_fails(self, tmp_path: Path) -> None:
        options = 'options: {small: {default: false, description: "also what is small"}}\nsources'
        (failure,) = self.prove(tmp_path, ("sources", options), ("units > 10", "units > 10 OR :small")).failures
        assert ":41: no example notices when the condition `:small` is taken out" in failure

    def test_an_example_that_is_not_checked_shows_nothing(self, tmp_path: Path) -> None:
        found = self.prove(
            tmp_path, ("units > 10\n", "units > 10 AND EXISTS (SELECT 1 FROM output WHERE loss IS NULL)\n")
        )
        assert [":24: TST001 does not check" in failure for failure in found.failures] == [True, False]
        assert [":30: TST001 does not check" in failure for failure in found.failures] == [False, True]

    def test_a_code_that_another_page_has_fails(self, tmp_path: Path) -> None:
        (tmp_path / "TST001-other.md").write_text(PAGE.replace("wide-layer", "other"), encoding="utf-8")
        (tmp_path / "TST001-wide-layer.md").write_text(PAGE, encoding="utf-8")
        for found in prove_pages([tmp_path], ()):
            assert "TST001 is taken by" in found.failures[0]

    def test_a_row_that_does_not_fit_its_page_fails(self, tmp_path: Path) -> None:
        found = self.prove(tmp_path, ('{layer}"\nsources', '{layer:,}"\nsources'))
        assert found.failures == (
            f"{tmp_path}/TST001-wide-layer.md: {{layer:,}} cannot show 'wide' (Cannot specify ',' with 's'.)",
        )

    def test_a_page_that_is_no_rule_is_reported_among_the_others(self, tmp_path: Path) -> None:
        (tmp_path / "TST000-empty.md").write_text("", encoding="utf-8")
        self_made = tmp_path / "TST001-wide-layer.md"
        self_made.write_text(PAGE, encoding="utf-8")
        empty, sound, missing = prove_pages([tmp_path, tmp_path / "TST002-missing.md"], ())
        assert "has no front matter" in empty.failures[0]
        assert sound.failures == ()
        assert "cannot be read: there is no such file" in missing.failures[0]
