"""Reports for people: the terminal, annotations on GitHub, Markdown, web pages, notebooks and the picture."""

import io
import re
import runpy
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from msgspec.structs import replace
from rich.console import Console
from support import PAGE, Archlint, entry, sequential, write_h5

from archlint.reports import Checked, Report, full, github, html, markdown, summarise, text
from archlint.reports.contract import About, Stale, Suppressed, Unused
from archlint.rules import load
from archlint.rules.finding import Finding, NotChecked

ROOT = Path(__file__).parents[1]
FAULTY, CLEAN = Path("fixtures/models/faulty.h5"), Path("fixtures/models/clean_mlp.h5")
RESNET = Path("fixtures/applications/ResNet50.keras")
EXPORT = Path("fixtures/exports/cnn.torch.onnx")

HOSTILE = (
    "@team",
    "::stop-commands::x",
    "a\n::error::b",
    "##[add-mask]c",
    "%0A::error::d",
    "a|b\\|![x](http://e.example/x.png)",
    "`x` **b** <img src=x onerror=alert(1)>",
    "https://e.example www.e.example a@e.example #12 o/r#1",
    "$x$ ~~a~~ [l](http://e.example) &lt; _a_ \\",
    "</summary></details></main><script>",
    "[x]: http://e.example",
    "```\n# h",
)
"""Names that would like to be more than names."""


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the root of the repository, with no wishes for colour or width."""
    monkeypatch.chdir(ROOT)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM"):
        monkeypatch.delenv(name, raising=False)


def finding(layer: str | None = "dense", severity: str = "warning", code: str = "DRP003", **changes: str) -> Finding:
    return replace(
        Finding(
            code=code,
            name="dropout-rate",
            severity=severity,
            layer=layer,
            message=f"{layer} drops 90%",
            advice=f"lower the rate of {layer}",
            fix=f"{layer}(0.2)",
            evidence={},
        ),
        **changes,
    )


def checked(*findings: Finding, path: str = "model.h5", **changes: object) -> Checked:
    about = About(name="m", producer="keras", producer_version="3.15.1", layers=3, stage="training")
    file = Checked(path=path, status="checked", format="keras_h5", model=about, rules=98, findings=findings)
    return replace(file, **changes)


def reported(*files: Checked, **changes: object) -> Report:
    return replace(summarise(files, 98, "0.1.0"), **changes)


HOSTILE_REPORT = reported(
    *(checked(finding(name, message=f"{name} and {name}"), path=f"{name}.h5") for name in HOSTILE),
    *(Checked.failed(name, f"{name} is no model") for name in HOSTILE),
    unused=[Unused(config=name, rule=name, file=name, layer=name, why=name) for name in HOSTILE],
    stale=[Stale(baseline=name, rule=name, file=name, layer=name, renamed=name) for name in HOSTILE],
)

OUTDATED = reported(
    checked(),
    unused=[Unused(config="archlint.toml", rule="DRP", file="old/*.h5", layer="*", why="legacy")],
    stale=[
        Stale(baseline="known.json", rule="dropout-rate", file="a.h5", layer="drop", renamed="drop_1"),
        Stale(baseline="known.json", rule="learning-rate", file="b.h5", layer=None),
    ],
)


def printed(report: Report, width: int = 100, **how: bool) -> str:
    """What the terminal shows."""
    stream = io.StringIO()
    text.write(full.render(report, width, **how), stream)
    return stream.getvalue()


# The terminal


def test_what_onnx_files_cannot_tell_is_one_line(archlint: Archlint) -> None:
    lines = archlint("check", EXPORT).out.splitlines()
    said = [line for line in lines if line.startswith("not checked: ")]
    assert [re.sub(r"\d+", "N", line) for line in said] == [
        "not checked: N rules lack facts that this file does not hold; -v names them"
    ]
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ((EXPORT, CLEAN), "that 1 of 2 files does not hold;"),
        ((EXPORT, EXPORT.with_name("mlp.torch.onnx"), CLEAN), "that 2 of 3 files do not hold;"),
        ((EXPORT, EXPORT.with_name("mlp.torch.onnx")), "that these files do not hold;"),
        ((CLEAN.with_name("leaky_relu.h5"), CLEAN), "rules in 1 file: the file carries no training configuration"),
    ],
)
def test_it_is_said_how_many_files_could_not_tell(archlint: Archlint, files: tuple[Path, ...], expected: str) -> None:
    assert expected in " ".join(archlint("check", *files).out.split())


def test_the_verbose_report_names_each_rule_that_lacked_facts_with_the_reason(archlint: Archlint) -> None:
    said = " ".join(archlint("check", EXPORT, "-v").out.split())
    lacking = archlint("check", EXPORT, "-f", "json").json["files"][0]["not_checked"]
    assert [rule["code"] for rule in lacking if rule["code"] not in said] == []
    assert "no training configuration; needs " in said


def own_rule(folder: Path, sql: str) -> Path:
    """A page with this query."""
    page = PAGE.format(code="ORG001", name="wide-layer", severity="warning", message='"{layer} is wide"', sql=sql)
    (folder / "ORG001-wide-layer.md").write_text(page, "utf-8")
    return folder


@pytest.mark.parametrize(
    "options",
    [(), ("-q",), ("-v",), ("--statistics",), *(("-f", name) for name in ("concise", "github", "markdown", "html"))],
)
def test_a_rule_that_gave_up_is_always_named(archlint: Archlint, tmp_path: Path, options: tuple[str, ...]) -> None:
    sql = "SELECT a.name || b.name || c.name AS layer FROM layer AS a, layer AS b, layer AS c"
    ran = archlint("check", RESNET, "--rules", own_rule(tmp_path, sql), "--select", "ORG", "--fail-on=never", *options)
    assert ran.code == 2
    assert "wide-layer" in ran.out
    assert "places and stopped there" in " ".join(ran.out.split())
    assert "nothing found" not in ran.out


def test_findings_that_are_suppressed_are_counted() -> None:
    known = Suppressed(finding=finding(), by="baseline")
    assert (
        printed(reported(checked(suppressed=(known,)))) == "1 file checked with 98 rules: nothing found, 1 suppressed\n"
    )
    both = reported(checked(finding(), suppressed=(known, known)))
    assert printed(both).endswith(": 1 warning, 2 suppressed\n")


def test_the_verbose_report_says_what_is_suppressed_and_why() -> None:
    hidden = (
        Suppressed(finding=finding("old"), by="ignore", why="legacy export"),
        Suppressed(finding=finding("older"), by="ignore", why="legacy export"),
        Suppressed(finding=finding("known"), by="baseline"),
    )
    block = """\
warning  dropout-rate  DRP003  suppressed
         at    2 layers: old, older
         why   legacy export

warning  dropout-rate  DRP003  suppressed
         at    known
         why   by the baseline
"""
    report = reported(checked(suppressed=hidden))
    assert block in printed(report, verbose=True)
    assert "legacy" not in printed(report)


@pytest.mark.parametrize("how", [{}, {"quiet": True}, {"verbose": True}])
def test_entries_that_have_outlived_their_findings_are_listed_with_what_to_do(how: dict[str, bool]) -> None:
    expected = """\
archlint.toml

warning  unused
               DRP in old/*.h5 (legacy)
         fix   take out what hid nothing

known.json

  error  stale
               dropout-rate in a.h5, at drop: it is now drop_1
               learning-rate in b.h5
         fix   run `archlint baseline --prune -o known.json`
"""
    assert expected in printed(OUTDATED, **how)


def test_only_the_first_of_many_stale_entries_are_listed_unless_all_are_asked_for() -> None:
    stale = tuple(Stale(baseline="known.json", rule="dropout-rate", file=f"{n}.h5", layer="drop") for n in range(1000))
    brief = printed(reported(checked(), stale=stale))
    assert (brief.count("dropout-rate"), "               … +990\n" in brief) == (10, True)
    assert printed(reported(checked(), stale=stale), verbose=True).count("dropout-rate") == 1000


def test_the_report_on_a_thousand_files_shows_those_with_findings() -> None:
    files = [checked(path=f"{number}.h5") for number in range(1000)]
    files[500] = checked(finding(), path="500.h5")
    lines = printed(reported(*files)).splitlines()
    assert [lines[0], lines[-1], len(lines)] == [
        "500.h5  keras 3.15.1, 3 layers",
        "1,000 files checked with 98 rules: 1 warning",
        10,
    ]


@pytest.mark.parametrize("width", range(40, 111, 5))
def test_the_report_is_no_wider_than_the_terminal(
    archlint: Archlint, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = archlint("check", FAULTY, RESNET, EXPORT, "missing.h5").out.splitlines()
    assert [line for line in lines if len(line) > width and len(line.split()) > 1] == []


def test_a_name_gives_no_orders_to_the_runner_that_reads_the_log(archlint: Archlint, tmp_path: Path) -> None:
    layers = [entry("Dense", name="::stop-commands::x", units=1, activation="softmax", batch_input_shape=[None, 4])]
    path = write_h5(tmp_path / "m.h5", sequential(*layers, entry("Dropout", name="##[stop-commands]y", rate=0.95)))
    for format in ("full", "concise", "github"):
        assert orders(archlint("check", path, "-f", format).out) <= {"error", "warning", "notice"}


def test_rich_prints_a_report_as_the_terminal_shows_it() -> None:
    report = reported(checked(finding()), Checked.failed("missing.h5", "there is no such file"))
    console = Console(file=io.StringIO(), width=100)
    console.print(full.rich_text(report, 100))
    lines = console.file.getvalue().splitlines()
    assert [line.rstrip() for line in lines] == printed(report).splitlines()


# GitHub's annotations


def orders(log: str) -> set[str]:
    """The commands that GitHub's runner takes from a log."""
    current = re.findall(r"^\s*::([\w-]+)[^\n]*?::", log, re.MULTILINE)
    return {*current, *re.findall(r"##\[([\w-]+)", log)}


def annotations(log: str) -> list[tuple[str, dict[str, str], str]]:
    """Each annotation as the runner understands it: its level, properties and text."""
    found = re.findall(r"^::(error|warning|notice) (.*?)::(.*)$", log, re.MULTILINE)
    return [(level, properties(given), decoded(said)) for level, given, said in found]


def properties(given: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in given.split(",")]
    return {name: decoded(value) for name, _, value in pairs}


def decoded(text: str) -> str:
    codes = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}
    return re.sub("|".join(codes), lambda code: codes[code[0]], text)


def test_a_rule_that_fires_in_a_file_is_one_annotation_and_the_gravest_come_first(archlint: Archlint) -> None:
    ran = archlint("check", FAULTY, "-f", "github")
    found = annotations(ran.out)
    assert [level for level, *_ in found] == ["error", "warning", "warning", "warning", "notice", "notice"]
    assert found[0] == (
        "error",
        {"file": str(FAULTY), "title": "softmax-one-unit (LOS001) at dense_2"},
        "dense_2 takes a softmax over 1 unit: its value is 1 for every input\n"
        "fix: use a sigmoid in dense_2, or give it one unit per class\n"
        'layers.Dense(1, activation="sigmoid")',
    )
    assert found[-1][1]["title"] == "bias-before-norm (NRM001) at 2 layers: conv2d, conv2d_1"
    assert re.fullmatch(
        r"1 file checked with \d+ of \d+ rules: 1 error, 3 warnings, 3 advice", ran.out.splitlines()[-1]
    )


def test_files_that_could_not_be_checked_are_annotated_as_errors_before_all_findings(archlint: Archlint) -> None:
    first, *_ = annotations(archlint("check", FAULTY, "missing.h5", "-f", "github").out)
    assert first == (
        "error",
        {"file": "missing.h5", "title": "archlint could not check this file"},
        "there is no such file; check the path",
    )


def test_what_github_would_not_show_is_counted_and_stands_in_the_log() -> None:
    severities = ("error", "warning", "advice")
    files = [checked(*(finding(severity=one) for one in severities), path=f"{n}.h5") for n in range(12)]
    log = "".join(github.render(reported(*files), ()))
    levels = [level for level, *_ in annotations(log)]
    assert [levels.count(level) for level in ("error", "warning", "notice")] == [10, 10, 10]
    assert annotations(log)[-1][2] == "GitHub shows the first annotations only; 7 more are in the log of this step"
    folded = re.search("^::group::7 more\n(.*)^::endgroup::\n", log, re.MULTILINE | re.DOTALL)[1].splitlines()
    assert folded[0] == (
        "10.h5: error: dropout-rate (DRP003) at dense: dense drops 90%; fix: lower the rate of dense; dense(0.2)"
    )
    assert len(folded) == 7


def test_a_name_in_an_annotation_stays_where_it_is_and_what_it_is() -> None:
    log = "".join(github.render(HOSTILE_REPORT, ()))
    assert orders(log) == {"error", "warning", "notice", "group", "endgroup"}
    assert all(set(given) <= {"file", "title"} for _, given, _ in annotations(log))
    sole = reported(checked(finding("a,b:c%0A", message="50%, a:b")))
    assert annotations("".join(github.render(sole, ())))[0][1:] == (
        {"file": "model.h5", "title": "dropout-rate (DRP003) at a,b:c%0A"},
        "50%, a:b\nfix: lower the rate of a,b:c%0A\na,b:c%0A(0.2)",
    )


def test_outdated_entries_are_annotated_and_suppressed_findings_are_not() -> None:
    hidden = checked(suppressed=(Suppressed(finding=finding("secret"), by="baseline"),))
    log = "".join(github.render(replace(OUTDATED, files=(hidden,)), ()))
    assert [(level, given["file"]) for level, given, _ in annotations(log)] == [
        ("error", "known.json"),
        ("error", "known.json"),
        ("warning", "archlint.toml"),
    ]
    assert "run `archlint baseline --prune -o known.json`" in annotations(log)[0][2]
    assert "secret" not in log


# Markdown


def tokens(source: str) -> list[str]:
    """The kinds of everything that a renderer sees in some Markdown."""
    found = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(source)
    return [token.type for block in found for token in (block, *(block.children or ()))]


def test_the_markdown_has_the_verdict_a_table_and_the_findings_of_each_file(archlint: Archlint) -> None:
    said = archlint("check", CLEAN, FAULTY, "missing.h5", "-f", "markdown").out
    shown = re.sub("&#(\\d+);", lambda code: chr(int(code[1])), said)
    assert shown.startswith("## archlint: 1 file failed, 1 error, 3 warnings, 3 advice\n\n2 files checked with ")
    table = """\
| file | found |
|---|---|
| <code>missing.h5</code> | failed: there is no such file; check the path |
| <code>fixtures/models/faulty.h5</code> | 1 error, 3 warnings, 3 advice |
| 1 other file | nothing |
"""
    assert table in shown
    assert (
        "<details><summary><code>fixtures/models/faulty.h5</code> keras 3.15.1, 14 layers, untrained</summary>" in shown
    )
    item = (
        "- **error** softmax-one-unit (LOS001) at <code>dense_2</code><br>"
        "dense\\_2 takes a softmax over 1 unit: its value is 1 for every input<br>"
        "fix: use a sigmoid in dense\\_2, or give it one unit per class<br>"
        '<code>layers.Dense(1, activation="sigmoid")</code>\n'
    )
    assert item in shown


def test_the_markdown_on_a_clean_model_is_two_lines(archlint: Archlint) -> None:
    said = archlint("check", CLEAN, "-f", "markdown").out
    assert re.fullmatch(r"## archlint: nothing found\n\n1 file checked with \d+ of \d+ rules\.\n\n", said)


def test_the_markdown_says_what_was_suppressed_outdated_and_not_checked() -> None:
    lacking = (
        NotChecked(code="LOS001", name="a", needs=("model.loss",), why="there is no loss"),
        NotChecked(code="LOS002", name="b", needs=("model.clipnorm",), why="there is no optimizer"),
    )
    file = checked(suppressed=(Suppressed(finding=finding(), by="baseline"),), not_checked=lacking)
    said = "".join(markdown.render(reported(file, unused=OUTDATED.unused, stale=OUTDATED.stale), ()))
    assert "1 file checked with 98 rules, 1 finding suppressed.\n" in said
    assert "DRP in old/\\*.h5 (legacy)" in said
    assert "dropout-rate in a.h5, at drop: it is now drop\\_1" in said
    assert "<summary>Not checked: 2 rules lack facts that this file does not hold</summary>" in said
    assert "- LOS001: there is no loss\n- LOS002: there is no optimizer\n" in said


def test_a_name_in_markdown_is_only_a_name() -> None:
    said = "".join(markdown.render(HOSTILE_REPORT, ()))
    assert not {"link_open", "image", "em_open", "s_open", "code_inline", "fence", "hr", "code_block"} & set(
        tokens(said)
    )
    assert set(re.findall("<[^>]*>", said)) == {
        *("<details>", "</details>", "<summary>", "</summary>", "<code>", "</code>", "<br>", "<span>", "</span>")
    }
    assert not re.search(r"[@#]\w|://|www\.|\$[^<]", re.sub(r"&#\d+;", " ", said))
    assert tokens(said).count("tr_open") == 1 + 2 * len(HOSTILE)


def test_code_in_markdown_is_shown_exactly() -> None:
    for name in HOSTILE:
        shown = HTMLText.of(MarkdownIt("commonmark", {"html": True}).render(markdown.code(name)))
        assert shown.strip() == text.safe_text(name)


def test_markdown_fits_into_a_comment_and_says_how_much_did_not() -> None:
    names = [f"{'_' * 200}{number}" for number in range(100)]
    many = reported(*(checked(*(finding(name, code=f"DRP{n:03}") for n in range(9)), path=name) for name in names))
    said = "".join(markdown.render(many, ()))
    assert markdown.LONGEST * 0.9 < len(said) <= markdown.LONGEST
    assert said.count("<details") == said.count("</details>")
    left = int(re.search(r"\*\*Not shown: (\d+) more\*\*", said)[1])
    assert left + said.count("- **warning**") == 900
    rows = int(re.search(r"\| (\d+) more files \| findings, too \|", said)[1])
    assert rows + said.count("| 9 warnings |") == 100


def test_the_worst_files_come_first_in_markdown() -> None:
    files = (
        checked(finding(severity="advice"), path="advice"),
        checked(finding(), finding("b"), path="warnings"),
        checked(finding(severity="error"), path="error"),
        Checked.failed("failed", "it is no model"),
    )
    said = "".join(markdown.render(reported(*files), ()))
    assert re.findall(r"^\| <code>(.*)</code>", said, re.MULTILINE) == ["failed", "error", "warnings", "advice"]


# Web pages and notebooks


class HTMLText(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, set[str]] = {}
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, set()).add(value or "")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @classmethod
    def of(cls, page: str) -> str:
        """The text alone."""
        return "".join(cls(page).texts)


def test_a_page_shows_findings_and_explains_the_rules_that_fired(archlint: Archlint) -> None:
    page = archlint("check", FAULTY, RESNET, CLEAN, "missing.h5", "-f", "html").out
    shown = HTMLText.of(page)
    for part in (
        "1 file failed, 1 error, 3 warnings, 56 advice",
        "dense_2 takes a softmax over 1 unit: its value is 1 for every input",
        'layers.Dense(1, activation="sigmoid")',
        "there is no such file; check the path",
        "at 53 layers: conv1_conv, conv2_block1_1_conv, conv2_block1_0_conv, … +50",
        "conv5_block3_3_conv",
        "1 file without findings",
        "A softmax divides by the sum over its axis.",
    ):
        assert part in shown
    anchors = set(re.findall('<section id="([A-Z0-9]+)">', page))
    assert anchors == {"ACT006", "DRP003", "DRP006", "LOS001", "NRM001", "OPT002"}
    assert {f"#{code}" for code in anchors} == HTMLText(page).attributes["href"]


def test_a_page_stands_alone_and_its_policy_allows_nothing_but_its_style(archlint: Archlint) -> None:
    page = archlint("check", FAULTY, "-f", "html").out
    parsed = HTMLText(page)
    assert not {"script", "link", "img", "iframe", "base", "form", "object"} & set(parsed.tags)
    assert "src" not in parsed.attributes
    assert "url(" not in page
    (style,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert policy in parsed.attributes["content"]


@pytest.mark.parametrize("draw", [html.fragment, lambda report: "".join(html.render(report, ()))])
def test_a_name_in_a_page_is_only_text(draw) -> None:
    page = draw(HOSTILE_REPORT)
    parsed = HTMLText(page)
    assert not {"script", "img"} & set(parsed.tags)
    assert set(parsed.attributes) <= {"class", "charset", "content", "http-equiv", "lang", "name"}
    assert [name for name in HOSTILE if text.safe_text(name) not in "".join(parsed.texts)] == []


def test_the_page_of_a_strangers_rule_can_neither_run_nor_load_anything() -> None:
    (rule,) = (rule for rule in load(()) if rule.code == "DRP003")
    sections = {**rule.sections, "Why": "<script>x</script> ![p](http://e.example/x.png) [l](javascript:x)"}
    page = HTMLText("".join(html.render(reported(checked(finding())), [replace(rule, sections=sections)])))
    assert not {"script", "img"} & set(page.tags)
    assert not [link for link in page.attributes["href"] if link.startswith("javascript")]


def test_a_page_says_what_was_suppressed_outdated_and_not_checked() -> None:
    lacking = NotChecked(code="LOS001", name="a", needs=("model.loss",), why="there is no loss")
    hidden = Suppressed(finding=finding("old"), by="ignore", why="legacy")
    report = reported(
        checked(suppressed=(hidden,), not_checked=(lacking,)), unused=OUTDATED.unused, stale=OUTDATED.stale
    )
    shown = HTMLText.of(html.fragment(report))
    for part in (
        "98 rules, 1 finding suppressed",
        "warning dropout-rate at old: legacy",
        "archlint.toml: DRP in old/*.h5 (legacy)",
        "known.json: dropout-rate in a.h5, at drop: it is now drop_1",
        "run archlint baseline --prune -o known.json",
        "not checked: 1 rule: there is no loss",
    ):
        assert part in shown


def test_a_fragment_is_a_part_of_a_page() -> None:
    assert not {"html", "head", "body", "a"} & set(HTMLText(html.fragment(reported(checked(finding())))).tags)


# The picture


def test_the_picture_is_what_check_prints_and_loads_nothing() -> None:
    drawn = runpy.run_path("docs/picture.py")["picture"]()
    assert drawn == Path("docs/faulty.svg").read_text("utf-8"), "run `python docs/picture.py`"
    assert re.findall(r"[a-z]+://[^\s\"]+", drawn) == ["http://www.w3.org/2000/svg"]
    assert "softmax-one-unit" in drawn
