"""The formats for other programs: valid by their own schemas, steady, and proof against hostile names."""

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unicodedata import category
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
import xmlschema
from jsonschema import Draft4Validator
from support import FIXTURES, PAGE, Archlint, Ran, entry, sequential, write_h5

from archlint.cli.outputs import Format
from archlint.reports import Checked, gitlab, junit, sarif, summarise
from archlint.reports.contract import Stale, Suppressed, Unused
from archlint.rules import Rule, load
from archlint.rules.finding import Finding, NotChecked

SCHEMAS = Path(__file__).parent / "schemas"
FAULTY, CLEAN = FIXTURES / "models/faulty.h5", FIXTURES / "models/clean_mlp.h5"
EXPORT = FIXTURES / "exports/cnn.torch-train.onnx"


@pytest.fixture(scope="session")
def rules() -> tuple[Rule, ...]:
    return load()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with models in it, in which archlint runs."""
    (tmp_path / "models").mkdir()
    for model in (FAULTY, CLEAN, EXPORT):
        (tmp_path / "models" / model.name).write_bytes(model.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def finding(code: str = "LOS001", layer: str | None = "head", **fields: Any) -> Finding:
    words = {
        "name": "softmax-one-unit",
        "severity": "error",
        "message": "it is wrong",
        "advice": "mend it",
        "fix": None,
    }
    return Finding(code=code, layer=layer, evidence={}, **(words | fields))


def checked(*findings: Finding, path: str = "model.h5", **fields: Any) -> Checked:
    return Checked(path=path, status="checked", format="keras_h5", findings=findings, **fields)


def log(rules: tuple[Rule, ...], *files: Checked, **fields: Any) -> dict[str, Any]:
    """The one run of a SARIF report on these files, which is valid."""
    report = summarise(files, len(rules), "0.1.0", **fields)
    return sarif_run("".join(sarif.render(report, rules)))


def sarif_run(text: str) -> dict[str, Any]:
    """The one run of a SARIF report, which must be valid by the schema and within GitHub's limits."""
    document = json.loads(text)
    schema = json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
    Draft4Validator(schema).validate(document)
    [run] = document["runs"]
    for rule in run["tool"]["driver"]["rules"]:
        assert len(rule["id"]) <= 255
        assert len(rule["name"]) <= 255
        assert 0 < len(rule["shortDescription"]["text"]) <= 1024
        assert 0 < len(rule["fullDescription"]["text"]) <= 1024
        assert rule["help"]["text"]
        assert len(rule["properties"]["tags"]) <= 10
    for result in run["results"]:
        [location] = result["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"]
        assert result["message"]["text"]
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    return run


def junit_cases(text: str) -> dict[str, ElementTree.Element]:
    """The test cases of a JUnit report by name; it must be valid by the schema of Jenkins, and count them right."""
    xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd").validate(text)
    root = ElementTree.fromstring(text)
    for counter in (root, root[0]):
        for counted, element in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
            assert int(counter.attrib[counted]) == len(root.findall(f".//{element}"))
    return {case.attrib["name"]: case for case in root.iter("testcase")}


def issues(text: str) -> list[dict[str, Any]]:
    """The issues of a GitLab report, of the form that GitLab documents."""
    found: list[dict[str, Any]] = json.loads(text)
    for issue in found:
        assert issue.keys() == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert issue["location"]["lines"] == {"begin": 1}
        assert not issue["location"]["path"].startswith("./")
    assert len({issue["fingerprint"] for issue in found}) == len(found)
    return found


# SARIF


def test_sarif_is_valid_and_has_every_finding(archlint: Archlint, repository: Path) -> None:
    run = sarif_run(archlint("check", "models", "-f", "sarif").out)
    found = [
        (file["path"], one["code"], one["layer"])
        for file in archlint("check", "models", "-f", "json").json["files"]
        for one in file["findings"]
    ]
    assert len(found) == 10
    assert [(uri(result), result["ruleId"], layer(result)) for result in run["results"]] == found


def uri(result: dict[str, Any]) -> str:
    text: str = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    return text


def layer(result: dict[str, Any]) -> str | None:
    places = result["locations"][0].get("logicalLocations", [{}])
    name: str | None = places[0].get("fullyQualifiedName")
    return name


def test_sarif_names_a_file_without_a_region_and_the_layer_in_place_and_message(
    archlint: Archlint, repository: Path
) -> None:
    run = sarif_run(archlint("check", "models/faulty.h5", "-f", "sarif", "--select", "LOS001").out)
    [result] = run["results"]
    assert result["locations"] == [
        {
            "physicalLocation": {"artifactLocation": {"uri": "models/faulty.h5"}},
            "logicalLocations": [{"name": "dense_2", "fullyQualifiedName": "dense_2", "kind": "layer"}],
        }
    ]
    assert "dense_2" in result["message"]["text"]
    assert "use a sigmoid" in result["message"]["text"]


def test_sarif_is_one_analysis_of_one_tool(archlint: Archlint, repository: Path) -> None:
    run = sarif_run(archlint("check", "models/clean_mlp.h5", "-f", "sarif").out)
    assert run["automationDetails"] == {"id": "archlint/"}
    assert run["tool"]["driver"]["name"] == "archlint"
    assert run["results"] == []


@pytest.mark.parametrize(("severity", "level"), [("error", "error"), ("warning", "warning"), ("advice", "note")])
def test_sarif_levels_are_the_severities(rules: tuple[Rule, ...], severity: str, level: str) -> None:
    run = log(rules, checked(finding(severity=severity)))
    assert run["results"][0]["level"] == level
    described = {rule["id"]: rule["defaultConfiguration"]["level"] for rule in run["tool"]["driver"]["rules"]}
    assert level in {described[rule.code] for rule in rules if rule.severity == severity}


def test_sarif_describes_the_rules_that_ran(archlint: Archlint, repository: Path) -> None:
    run = sarif_run(archlint("check", "models/faulty.h5", "-f", "sarif", "--select", "LOS001,NRM001").out)
    head, norm = run["tool"]["driver"]["rules"]
    assert (head["id"], head["name"], norm["name"]) == ("LOS001", "softmax-one-unit", "bias-before-norm")
    assert norm["shortDescription"]["text"] == "Bias in front of batch normalization"
    assert "## Why\nThe bias adds one number" in norm["help"]["markdown"]
    assert "archlint rule bias-before-norm" in norm["help"]["text"]
    assert norm["properties"]["sources"] == ["003_2fea97fb18e492ae 11.1.3", "Ioffe & Szegedy 2015, section 3.2"]


def prints(run: dict[str, Any]) -> list[str]:
    return [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]


def test_sarif_fingerprints_stay_when_the_numbers_of_a_model_change(rules: tuple[Rule, ...]) -> None:
    before = prints(log(rules, checked(finding(message="it has 8 units"))))
    after = prints(log(rules, checked(finding(message="it has 9 units"), path="renamed.h5")))
    assert before == after == ["3480b6c54a0b8ad328c924f98da04317"]


def test_sarif_fingerprints_tell_the_findings_of_a_file_apart(rules: tuple[Rule, ...]) -> None:
    alike = (finding(), finding(), finding(layer=None), finding(layer="other"), finding("LOS002"))
    found = prints(log(rules, checked(*alike)))
    assert len(set(found)) == len(alike)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("models/a b#1?.h5", "models/a%20b%231%3F.h5"),
        ("./models//old/../é.h5", "models/%C3%A9.h5"),
        ("models/100%.h5", "models/100%25.h5"),
        ("/elsewhere/a b.h5", "file:///elsewhere/a%20b.h5"),
    ],
)
def test_sarif_addresses_are_relative_and_quoted(
    rules: tuple[Rule, ...], repository: Path, given: str, expected: str
) -> None:
    [result] = log(rules, checked(finding(), path=given))["results"]
    assert uri(result) == expected


def test_a_path_from_the_root_is_reported_as_the_repository_has_it(archlint: Archlint, repository: Path) -> None:
    whole = repository / "models/faulty.h5"
    run = sarif_run(archlint("check", whole, "-f", "sarif").out)
    assert {uri(result) for result in run["results"]} == {"models/faulty.h5"}
    assert {issue["location"]["path"] for issue in issues(archlint("check", whole, "-f", "gitlab").out)} == {
        "models/faulty.h5"
    }
    assert [*junit_cases(archlint("check", whole, "-f", "junit").out)] == ["models/faulty.h5"]


def notes(run: dict[str, Any], kind: str = "toolExecutionNotifications") -> list[tuple[str, str]]:
    return [(note["level"], note["message"]["text"]) for note in run["invocations"][0][kind]]


def test_sarif_tells_of_a_file_that_could_not_be_read(archlint: Archlint, repository: Path) -> None:
    run = sarif_run(archlint("check", "models/faulty.h5", "missing.h5", "-f", "sarif").out)
    assert run["invocations"][0]["executionSuccessful"] is False
    assert ("error", "missing.h5: there is no such file; check the path") in notes(run)
    assert len(run["results"]) == 7


def test_sarif_tells_of_a_rule_that_gave_up(rules: tuple[Rule, ...]) -> None:
    tired = NotChecked(code="LOS001", name="softmax-one-unit", needs=(), why="it took too long")
    run = log(rules, checked(not_checked=(tired,)))
    assert run["invocations"][0]["executionSuccessful"] is False
    assert notes(run) == [("error", "model.h5: softmax-one-unit gave up: it took too long")]


def test_sarif_notes_once_what_no_file_could_tell(archlint: Archlint, repository: Path) -> None:
    (repository / "models/again.onnx").write_bytes(EXPORT.read_bytes())
    run = sarif_run(archlint("check", "models", "-f", "sarif").out)
    assert run["invocations"][0]["executionSuccessful"] is True
    said = notes(run)
    assert {level for level, _ in said} == {"note"}
    assert len(said) == len(set(said))
    assert any(text.startswith("selu-initializer was not checked in 2 files: an ONNX file") for _, text in said)
    assert not any("no training data" in text for _, text in said)


IGNORED = Suppressed(finding=finding(layer="old"), by="ignore", why="kept for the old service")
KNOWN = Suppressed(finding=finding(layer="known"), by="baseline")


def test_sarif_marks_what_is_suppressed_and_why(rules: tuple[Rule, ...]) -> None:
    new, old = log(rules, checked(finding(), suppressed=(IGNORED,)))["results"]
    assert "suppressions" not in new
    assert old["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "kept for the old service"}
    ]
    assert "baselineState" not in new | old


def test_sarif_tells_new_from_old_where_there_is_a_baseline(rules: tuple[Rule, ...]) -> None:
    results = log(rules, checked(finding(), suppressed=(IGNORED, KNOWN)))["results"]
    assert [(layer(result), result["baselineState"]) for result in results] == [
        ("head", "new"),
        ("old", "new"),
        ("known", "unchanged"),
    ]
    assert results[2]["suppressions"][0]["justification"] == "by the baseline"


STALE = Stale(baseline="base.json", rule="LOS001", file="model.h5", layer="gone")
UNUSED = Unused(config="archlint.toml", rule="LOS", file="*.h5", layer="*", why="legacy")


def test_sarif_reports_entries_that_hide_nothing_as_faults_of_the_configuration(rules: tuple[Rule, ...]) -> None:
    run = log(rules, checked(finding()), stale=[STALE], unused=[UNUSED])
    assert run["results"][0]["baselineState"] == "new"
    stale, unused = notes(run, "toolConfigurationNotifications")
    assert stale[0] == "error"
    assert re.search("LOS001 in model.h5, at gone; run `archlint baseline", stale[1])
    assert unused == ("warning", "unused entry: LOS in *.h5 (legacy); take it out")


def test_a_link_in_a_name_is_no_link_in_sarif(rules: tuple[Rule, ...]) -> None:
    [result] = log(rules, checked(finding(layer="[click](https://evil.example)")))["results"]
    assert "](" not in result["message"]["text"].replace("\\](", "")


# GitLab


def test_gitlab_gets_an_issue_for_each_finding(archlint: Archlint, repository: Path) -> None:
    found = issues(archlint("check", "models", "-f", "gitlab").out)
    known = [
        (file["path"], one["name"])
        for file in archlint("check", "models", "-f", "json").json["files"]
        for one in file["findings"]
    ]
    assert [(issue["location"]["path"], issue["check_name"]) for issue in found] == known
    assert found[-1]["description"].count("; fix: ") == 1


def gitlab_issues(rules: tuple[Rule, ...], *files: Checked, **fields: Any) -> list[dict[str, Any]]:
    return issues("".join(gitlab.render(summarise(files, len(rules), "0.1.0", **fields), rules)))


def test_gitlab_severities_rank_like_ours_and_failures_above_them(rules: tuple[Rule, ...]) -> None:
    tired = NotChecked(code="LOS001", name="softmax-one-unit", needs=(), why="it took too long")
    files = (
        checked(finding(severity="error"), finding(severity="warning"), finding(severity="advice")),
        checked(path="tired.h5", not_checked=(tired,)),
        Checked.failed("broken.h5", "it is no model"),
    )
    found = [(issue["severity"], issue["description"]) for issue in gitlab_issues(rules, *files)]
    assert [severity for severity, _ in found] == ["critical", "major", "info", "blocker", "blocker"]
    assert found[3:] == [("blocker", "softmax-one-unit gave up: it took too long"), ("blocker", "it is no model")]


def test_gitlab_leaves_out_what_is_suppressed_and_tells_of_idle_entries(rules: tuple[Rule, ...]) -> None:
    found = gitlab_issues(rules, checked(suppressed=(IGNORED, KNOWN)), stale=[STALE], unused=[UNUSED])
    assert [(issue["check_name"], issue["location"]["path"]) for issue in found] == [
        ("stale-entry", "base.json"),
        ("unused-entry", "archlint.toml"),
    ]


def test_gitlab_fingerprints_belong_to_file_rule_and_layer(rules: tuple[Rule, ...]) -> None:
    def prints(*files: Checked) -> list[str]:
        return [issue["fingerprint"] for issue in gitlab_issues(rules, *files)]

    both = prints(checked(finding(message="8 units")), checked(finding(), path="other.h5"))
    assert len(set(both)) == 2
    assert prints(checked(finding(message="9 units"), finding(layer="tail")))[0] == both[0]


# JUnit


def test_junit_has_a_case_for_each_file(archlint: Archlint, repository: Path) -> None:
    cases = junit_cases(archlint("check", "models", "missing.h5", "-f", "junit").out)
    assert [*cases] == ["models/clean_mlp.h5", "models/cnn.torch-train.onnx", "models/faulty.h5", "missing.h5"]
    assert {case.attrib["classname"] for case in cases.values()} == {"archlint"}
    assert cases["models/clean_mlp.h5"].find("failure") is None
    broken = cases["missing.h5"].find("error")
    assert broken is not None
    assert broken.text == "there is no such file; check the path"


def test_junit_fails_by_errors_and_warnings_and_only_mentions_advice(archlint: Archlint, repository: Path) -> None:
    case = junit_cases(archlint("check", "models/faulty.h5", "-f", "junit").out)["models/faulty.h5"]
    [failure] = case.findall("failure")
    lines = (failure.text or "").split("\n")
    assert [line.split(" ")[:2] for line in lines][0::3] == [["error", "LOS001"], ["warning", "OPT002"]]
    assert failure.attrib["message"].startswith("error LOS001 softmax-one-unit: dense_2 takes")
    assert failure.attrib["message"].endswith("(+3 more)")
    [output] = case.findall("system-out")
    assert {line.split(" ")[0] for line in (output.text or "").split("\n")} == {"advice"}


def junit_report(rules: tuple[Rule, ...], *files: Checked, **fields: Any) -> str:
    return "".join(junit.render(summarise(files, len(rules), "0.1.0", **fields), rules))


def test_junit_passes_what_is_suppressed_and_says_so(rules: tuple[Rule, ...]) -> None:
    case = junit_cases(junit_report(rules, checked(suppressed=(IGNORED, KNOWN))))["model.h5"]
    assert [child.tag for child in case] == ["system-out"]
    assert (case[0].text or "").split("\n") == [
        "suppressed kept for the old service: error LOS001 softmax-one-unit: old: it is wrong; fix: mend it",
        "suppressed by the baseline: error LOS001 softmax-one-unit: known: it is wrong; fix: mend it",
    ]


def test_junit_has_an_error_where_a_rule_gave_up_with_what_was_found(rules: tuple[Rule, ...]) -> None:
    tired = NotChecked(code="LOS002", name="some-rule", needs=(), why="it took too long")
    [error] = junit_cases(junit_report(rules, checked(finding(), not_checked=(tired,))))["model.h5"]
    assert error.tag == "error"
    assert [line.split(":")[0] for line in (error.text or "").split("\n")] == [
        "some-rule gave up",
        "error LOS001 softmax-one-unit",
    ]


def test_junit_fails_by_a_stale_baseline_and_mentions_unused_entries(rules: tuple[Rule, ...]) -> None:
    text = junit_report(rules, checked(), stale=[STALE, STALE], unused=[UNUSED])
    cases = junit_cases(text)
    assert [*cases] == ["model.h5", "base.json"]
    assert (cases["base.json"][0].text or "").count("stale entry: LOS001 in model.h5, at gone") == 2
    said = ElementTree.fromstring(text).findtext("testsuite/system-out")
    assert said == "unused entry: LOS in *.h5 (legacy); take it out"


# All formats

EVIL = (
    "new\nline\r\n::error::owned",
    "::error file=a::owned",
    "##[error]owned",
    "##vso[task.setvariable variable=PATH]owned",
    "\u3164\xad\U000e0065\U000e0076",
    "\x1b[2J\x9b2J\x07\x00\x7f",
    "\u202ereversed\u2066",
    "\ud800 alone \udfff",
    "]]><script>alert(1)</script>",
    "\"'&<b>`|$(id)",
    "[click](https://evil.example)",
    "![see](https://evil.example/a.png)",
    "@everyone #1 javascript:alert(1)",
    "{0} {{ }} %0A%25 %s",
    "\ufffe\uffff",
    "x" * 1_000,
)
OWN_RULE = PAGE.format(
    code="ORG001",
    name="wide-layer",
    severity="warning",
    message='"{layer} has {units} units"',
    sql="SELECT layer.name AS layer, layer.units AS units FROM layer WHERE layer.units > 50",
)


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Models with hostile names in hostile files, one of which is none, and the options that check them."""
    first = {"batch_input_shape": [None, 4]}
    layers = [entry("Dense", name=name, units=64, **(first if name == EVIL[0] else {})) for name in EVIL]
    folder = tmp_path / "a\n::error::b \x1b[2J"
    folder.mkdir()
    write_h5(folder / "]]>\"'&<b>[c](d)|`.h5", sequential(*layers, name=EVIL[3]), version="2\x1b]0;owned\x07")
    Path(os.fsdecode(bytes(folder) + b"/\xe8\xff.h5")).write_text("no model")
    (tmp_path / "ORG001-wide-layer.md").write_text(OWN_RULE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return ("check", folder.name, "--rules", "ORG001-wide-layer.md", "--select", "ORG001")


@pytest.mark.parametrize("format", [*Format])
def test_no_name_puts_a_control_character_into_a_report(
    archlint: Archlint, hostile: tuple[str, ...], format: Format
) -> None:
    ran = archlint(*hostile, "-f", format)
    assert ran.code == 2
    for sign in set(ran.out + ran.err) - {"\n"}:
        assert category(sign) not in ("Cc", "Cf", "Cs", "Zl", "Zp"), ascii(sign)


@pytest.mark.parametrize("format", [*Format])
def test_no_name_gives_orders_to_the_runner_of_github(
    archlint: Archlint, hostile: tuple[str, ...], format: Format
) -> None:
    out = archlint(*hostile, "-f", format).out
    assert not re.search(r"##[\w.]*\[", out)
    commands = r"(error|warning|notice) file=[^:]*,title=[^:]*::(?!owned)|(end)?group::"
    assert not re.search(rf"^\s*::(?!{commands})", out, re.MULTILINE)


@pytest.mark.parametrize("format", [*Format])
def test_a_report_has_the_same_bytes_each_time(archlint: Archlint, hostile: tuple[str, ...], format: Format) -> None:
    assert archlint(*hostile, "-f", format) == archlint(*hostile, "-f", format)


def test_hostile_names_leave_documents_whole(archlint: Archlint, hostile: tuple[str, ...]) -> None:
    reports = {format: archlint(*hostile, "-f", format) for format in Format}
    run = sarif_run(reports[Format.sarif].out)
    assert len(run["results"]) == len(EVIL)
    assert {unquote(uri(result)) for result in run["results"]} == {"a\n::error::b \x1b[2J/]]>\"'&<b>[c](d)|`.h5"}
    assert len(issues(reports[Format.gitlab].out)) == len(EVIL) + 1
    assert len(junit_cases(reports[Format.junit].out)) == 2
    assert len(reports[Format.json].json["files"]) == 2
    assert [json.loads(line)["status"] for line in reports[Format.json_lines].out.splitlines()[:2]]
    assert not {"script", "img"} & set(tags(reports[Format.html]))


def tags(ran: Ran) -> list[str]:
    """The elements of a page."""
    reader = Tags()
    reader.feed(ran.out)
    return reader.found


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, _attributes: object) -> None:
        self.found.append(tag)


def test_no_sentence_is_without_end(rules: tuple[Rule, ...]) -> None:
    file = checked(finding(layer="Q" * 10_000, message="it is wrong", advice="Z" * 10_000))
    [result] = log(rules, file)["results"]
    [issue] = gitlab_issues(rules, file)
    [failure] = junit_cases(junit_report(rules, file))["model.h5"]
    for text in (result["message"]["text"], issue["description"], failure.text or ""):
        assert text.count("Q") == text.count("Z") == 300


@pytest.mark.parametrize("name", ["sarif", "gitlab", "junit"])
def test_a_report_can_stand_beside_another_in_a_file(archlint: Archlint, repository: Path, name: str) -> None:
    ran = archlint("check", "models", "-f", f"{name}={name}.out", "-f", "concise")
    assert "LOS001" in ran.out
    assert (repository / f"{name}.out").read_text(encoding="utf-8") == archlint("check", "models", "-f", name).out
