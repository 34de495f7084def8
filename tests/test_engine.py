"""The rules engine: what a page may say, what a query may do, and what comes out."""

import pickle
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import onnx
import pytest
from support import PAGE

from archlint.errors import PageError, QueryError, UsageError
from archlint.rules import catalogue, onnx_text, sandbox
from archlint.rules.catalogue import choose, find, load, parse_and_prove
from archlint.rules.configure import configure
from archlint.rules.document import document
from archlint.rules.engine import run
from archlint.rules.finding import Value
from archlint.rules.mutants import mutants
from archlint.rules.proof import SCHEMA, no_facts
from archlint.rules.rule import SEVERITIES, Rule, Severity
from archlint.rules.sandbox import FUNCTIONS, run_query
from archlint.rules.sql import refusals
from archlint.rules.template import columns, fill
from archlint.targets import Target

WIDE = "SELECT name AS layer, units AS units FROM layer WHERE units > 10"
MESSAGE = '"{layer} has {units:,} units"'


def page(folder: Path, sql: str = WIDE, message: str = MESSAGE, code: str = "TST001", name: str = "wide-layer") -> Path:
    path = folder / f"{code}-{name}.md"
    path.write_text(PAGE.format(severity="advice", code=code, name=name, message=message, sql=sql), encoding="utf-8")
    return path


def rule(folder: Path, *args: str, **kwargs: str) -> Rule:
    path = page(folder, *args, **kwargs)
    return next(parse_and_prove([(path, path.read_bytes())]))


def edited(folder: Path, old: str, new: str) -> Rule:
    path = page(folder)
    text = path.read_text(encoding="utf-8")
    assert old in text
    return next(parse_and_prove([(path, text.replace(old, new).encode())]))


def add(connection: sqlite3.Connection, table: str, **facts: Any) -> None:
    """Adds a row to a table; whatever must be there and is not given is 0 or `-`."""
    needed = {
        name: "-" if kind == "TEXT" else 0
        for _, name, kind, not_null, *_ in connection.execute(f"PRAGMA table_info({table})").fetchall()
        if not_null
    }
    row = needed | facts
    marks = ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


@pytest.fixture
def facts() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.executescript(SCHEMA.read_text(encoding="utf-8"))
    add(connection, "model", format="keras_zip")
    for number, (name, units) in enumerate([("one", 8), ("two", 1024), ("three", 64), ("four", None)]):
        add(connection, "layer", id=number, name=name, kind="dense", units=units, affine=1)
    connection.commit()
    yield connection
    connection.close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that stands for the built-in one."""
    folder = tmp_path / "pages"
    folder.mkdir()
    monkeypatch.setattr(catalogue, "built_in", lambda: folder)
    return folder


class TestPage:
    def test_a_page_becomes_a_rule(self, tmp_path: Path) -> None:
        found = rule(tmp_path)
        assert (found.code, found.name, found.title) == ("TST001", "wide-layer", "Wide layers")
        assert found.sections["Why"] == "They are wide."
        assert found.sections["Check"] == f"```sql\n{WIDE}\n```"
        assert found.markdown.startswith("# Wide layers\n")
        assert found.sql == WIDE + "\n"

    def test_examples_carry_their_sentence_and_line(self, tmp_path: Path) -> None:
        found = rule(tmp_path)
        lines = Path(found.path).read_text(encoding="utf-8").split("\n")
        assert [(example.fires, example.description) for example in found.examples] == [
            (True, "A wide layer."),
            (False, "A narrow layer."),
        ]
        assert [lines[example.line - 1] for example in found.examples] == ["```python", "```python"]
        assert lines[found.sql_line - 1] == WIDE

    def test_an_example_says_what_it_is_written_in_and_for_which_runtime(self, tmp_path: Path) -> None:
        wide, narrow = edited(tmp_path, "A wide layer.\n```python", "A wide layer.\n```onnx target=tensorrt").examples
        assert (wide.language, wide.format, wide.target) == ("onnx", "onnx", Target.tensorrt)
        assert (narrow.language, narrow.format, narrow.target) == ("python", "keras", None)

    def test_an_example_in_onnx_says_whether_its_weights_are_elsewhere(self, tmp_path: Path) -> None:
        for info in ("onnx weights=elsewhere", "onnx target=tensorrt weights=elsewhere"):
            wide, narrow = edited(tmp_path, "A wide layer.\n```python", f"A wide layer.\n```{info}").examples
            assert (wide.elsewhere, narrow.elsewhere) == (True, False)

    def test_windows_line_ends_change_nothing(self, tmp_path: Path) -> None:
        path = page(tmp_path)
        windows = next(parse_and_prove([(path, path.read_bytes().replace(b"\n", b"\r\n"))]))
        assert windows == rule(tmp_path)

    def test_a_heading_inside_an_example_is_code(self, tmp_path: Path) -> None:
        found = edited(tmp_path, "model = keras", "## Why not\nmodel = keras")
        assert found.examples[0].code.startswith("## Why not\n")

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("---\ncode", "code", r":1: the page has no front matter"),
            ("severity: advice", "severity: fatal", r":4: severity: Invalid .*; it must be one of error, warning"),
            ("stage: stable", "stage: soon", r":5: stage: .* stable or preview"),
            ("formats: [keras]", "formats: [torch]", r":6: formats: .* keras, onnx"),
            ("formats: [keras]", "formats: []", r":6: formats: "),
            ("sources: [measured]", "", r":1: .*`sources`; the keys of the front matter are code, name"),
            (
                "stage: stable",
                "stage: stable\noptions: {A: {default: 1, description: x}}",
                r":6: options: .* like min",
            ),
            ("stage: stable", "stage: stable\noptions: {a: {default: 1}}", r":6: options: .*`description`; it must be"),
            ("stage: stable", "stage: stable\noptions: {a: {default: [1], description: x}}", r":6: options: Expected "),
            ("stage: stable", "stage: stable\nlevel: 3", r":1: .*`level`; the keys of the front matter are code"),
            ("code: TST001", "code: T1", r":2: code: .* three capitals"),
            ("code: TST001", "code: TST002", r"must be called TST002-wide-layer.md"),
            ('advice: "make {layer} smaller"', "advice: a: b", r":8: the front matter is no YAML: .*; put texts"),
            ('advice: "make {layer} smaller"', "advice: 3", r":8: advice: .*; it must be one line of text"),
            ("# Wide layers\n", "", r"must begin with the one title"),
            ("## Why\nThey", "# Why\nThey", r"must begin with the one title"),
            ("## Why\n", "", r"the sections are What it does / When .*; they must be What it does / Why / When"),
            ("## Why\n", "## Why\n\n## Why\n", r"in this order"),
            ("They are wide.", "", r":16: the section Why is empty"),
            ("A wide layer.\n", "", r":23: the example has no sentence"),
            ("```python", "```keras", r":24: .* ```python, ```json or ```onnx block, not ```keras; target= .*, nnapi"),
            ("```python", "```onnx target=npu", r"not ```onnx target=npu; target= .* may be one of onnxruntime, tens"),
            ("```python", "```onnx for=nnapi", r"not ```onnx for=nnapi"),
            ("```python", "```python weights=elsewhere", r"not ```python weights=elsewhere; .* weights= after onnx"),
            ("```sql", "```", r"the section Check must hold one block, the ```sql"),
        ],
    )
    def test_a_page_with_a_fault_is_refused(self, tmp_path: Path, old: str, new: str, message: str) -> None:
        with pytest.raises(PageError, match=message):
            edited(tmp_path, old, new)

    def test_a_section_without_example_is_refused(self, tmp_path: Path) -> None:
        block = "```python\nmodel = keras.Sequential([keras.Input((2,)), layers.Dense(2)])\n```\n"
        with pytest.raises(PageError, match=r":28: Stays silent has no example"):
            edited(tmp_path, block, "")

    def test_a_byte_order_mark_changes_nothing(self, tmp_path: Path) -> None:
        path = page(tmp_path)
        assert next(parse_and_prove([(path, b"\xef\xbb\xbf" + path.read_bytes())])) == rule(tmp_path)

    def test_a_page_that_is_not_utf_8_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(PageError, match="is not UTF-8"):
            next(parse_and_prove([(page(tmp_path), b"\xff")]))


class TestProof:
    def test_the_read_set_names_the_facts_that_a_rule_needs(self, tmp_path: Path) -> None:
        assert rule(tmp_path).needs == ("layer.name", "layer.units")

    def test_facts_read_in_subqueries_count(self, tmp_path: Path) -> None:
        sql = "SELECT NULL AS layer, 1 AS units FROM output WHERE EXISTS (SELECT 1 FROM metric WHERE metric.name = 'x')"
        assert rule(tmp_path, sql, '"{units}"', name="metric-x").needs == ("metric.name",)

    @pytest.mark.parametrize(
        ("condition", "instead"),
        [
            ('layer.kind = "dense"', "plain name"),
            ("layer.`kind` = 'dense'", "plain name"),
            ("layer.[kind] = 'dense'", "plain name"),
            ("layer.kind <> 'dense'", "write IS NOT"),
            ("layer.kind != 'dense'", "write IS NOT"),
            ("layer.kind not /* really */ in ('dense')", "NOT EXISTS"),
            ("units BETWEEN 1 AND 2", "the two comparisons"),
            ("units > 1 LIMIT 3", "select every row"),
            ("units > ?", "an option is written :name"),
            ("units > @min_units", "an option is written :name"),
            ("units > $min_units", "an option is written :name"),
        ],
    )
    def test_sql_that_misleads_is_refused_with_what_to_write(
        self, tmp_path: Path, condition: str, instead: str
    ) -> None:
        sql = f"SELECT name AS layer, units AS units FROM layer\nWHERE {condition}"
        with pytest.raises(PageError, match=rf":37: .*{instead}"):
            rule(tmp_path, sql)

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT 'a <> b != \"c\" NOT IN BETWEEN LIMIT'",
            'SELECT 1 -- a <> b NOT IN "c"\n',
            "SELECT 1 /* BETWEEN, LIMIT \n != */",
            "SELECT ':a ? @b $c' FROM layer -- :a?",
            "SELECT 'it''s' || ' <> ' FROM layer WHERE kind IN ('a') AND NOT affine",
        ],
    )
    def test_texts_and_comments_may_say_anything(self, sql: str) -> None:
        assert not list(refusals(sql))

    @pytest.mark.parametrize(
        ("sql", "message"),
        [
            ("SELECT nam AS layer FROM layer", "no such column: nam; did you mean name?"),
            ("SELECT name AS layer FROM layr", "no such table: layr; did you mean layer"),
            ("SELECT name FROM", "syntax error|incomplete"),
            ("SELECT 1 AS layer; SELECT 2", "one statement"),
            ("-- nothing", "there is no query"),
            ("SELECT name, units FROM layer", "selects no `layer`"),
            ("SELECT name AS layer, units, units FROM layer", "selects `units` twice"),
            ("SELECT name AS layer, max(units) FROM layer", r"selects `max\(units\)` without a name"),
        ],
    )
    def test_a_query_that_is_no_rule_is_refused(self, tmp_path: Path, sql: str, message: str) -> None:
        with pytest.raises(PageError, match=rf":36: .*({message})"):
            rule(tmp_path, sql)

    @pytest.mark.parametrize(
        ("template", "message"),
        [
            ("{layer} has {width} units", r"names {width}, which the query does not select; it selects layer, units"),
            ("{layer.__class__}", r"{layer.__class__} is no column name"),
            ("{layer[0]}", r"{layer\[0\]} is no column name"),
            ("{}", "is no column name"),
            ("{0}", "is no column name"),
            ("{layer!r}", r"write {layer}"),
            ("{units:999999999}", r"unknown format"),
            ("{units:{layer}}", r"unknown format"),
            ("{units", "expected '}'"),
            ("units}", "Single '}'"),
        ],
    )
    def test_a_template_is_plain_names_and_formats(self, tmp_path: Path, template: str, message: str) -> None:
        with pytest.raises(PageError, match=message):
            rule(tmp_path, WIDE, f"'{template}'")


class TestTemplate:
    def test_values_are_formatted(self) -> None:
        row: dict[str, Value] = {"layer": "a/b", "params": 1234567, "gain": 0.01234, "share": 0.5, "unknown": None}
        text = "{{{layer}}} {params:,} {gain:.2g} {share:.0%} {unknown:,}"
        assert columns(text) == ("layer", "params", "gain", "share", "unknown")
        assert fill(text, row) == "{a/b} 1,234,567 0.012 50% ?"

    def test_a_value_is_not_a_template(self) -> None:
        assert fill("{layer}", {"layer": "{units!r}"}) == "{units!r}"

    def test_a_value_that_does_not_go_with_its_format_is_named(self) -> None:
        with pytest.raises(ValueError, match=r"{units:,} cannot show 'many'"):
            fill("{units:,}", {"units": "many"})


class TestSandbox:
    @pytest.mark.parametrize(
        ("sql", "message"),
        [
            ("ATTACH ':memory:' AS other", "only SELECT"),
            ("PRAGMA user_version", "only SELECT"),
            ("DELETE FROM layer", "only SELECT"),
            ("INSERT INTO layer (id) VALUES (9)", "only SELECT"),
            ("CREATE TABLE mine (id)", "only SELECT"),
            ("DROP TABLE layer", "only SELECT"),
            ("BEGIN", "only SELECT"),
            ("VACUUM", "only SELECT"),
            ("VACUUM INTO '/nowhere/file'", "only SELECT"),
            ("EXPLAIN DELETE FROM layer", "only SELECT"),
            ("SELECT load_extension('x')", "load_extension is not allowed"),
            ("SELECT randomblob(1000000000)", "randomblob is not allowed"),
            ("SELECT zeroblob(1000000000)", "zeroblob is not allowed"),
            ("SELECT json('1')", "json is not allowed"),
            ("SELECT 1 FROM json_each('[1]')", "only SELECT"),
            ("SELECT sql FROM sqlite_master", "sqlite_master is no table of facts; there are model, layer"),
            ("SELECT count(*) FROM sqlite_schema", "is no table of facts"),
            ("SELECT name FROM pragma_database_list", "is no table of facts|only SELECT"),
            ("SELECT count(*) FROM pragma_table_info('layer')", "is no table of facts"),
            ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n", "WITH RECURSIVE"),
            ("WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n", "WITH RECURSIVE"),
            ("SELECT 1; DROP TABLE layer", "one statement"),
            ("SELECT 1 /*" + "x" * 200_000 + "*/", "too large"),
            ("SELECT '\0'", "null character"),
            ("", "there is no query"),
        ],
    )
    def test_a_query_may_only_read_facts(self, facts: sqlite3.Connection, sql: str, message: str) -> None:
        with pytest.raises(QueryError, match=message):
            run_query(facts, sql)
        assert facts.execute("SELECT count(*) FROM layer").fetchone() == (4,)

    def test_a_query_of_a_user_may_say_what_a_page_may_not(self, facts: sqlite3.Connection) -> None:
        sql = "SELECT name, units FROM layer WHERE units <> 8 AND name LIKE 't%' ORDER BY units DESC LIMIT 1"
        assert run_query(facts, sql)[:2] == (("name", "units"), [("two", 1024)])

    def test_a_named_subquery_may_be_counted(self, facts: sqlite3.Connection) -> None:
        assert run_query(facts, "WITH l AS MATERIALIZED (SELECT id FROM layer) SELECT count(*) FROM l").rows == [(4,)]

    def test_every_function_of_the_list_exists(self) -> None:
        with no_facts() as empty:
            for name in FUNCTIONS:
                arguments = ["1", "'a', 'b'", "1, 2, 3", "'a', 'b', 'c'"]
                assert any(_runs(empty, f"SELECT {name}({values})") for values in arguments), name

    def test_a_query_that_does_not_end_is_interrupted(
        self, facts: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sandbox, "STEPS", 1_000_000)
        with pytest.raises(QueryError, match="more than 1,000,000 steps"):
            run_query(facts, f"SELECT count(*) FROM {many_layers(20)}")

    def test_steps_that_last_are_interrupted_as_well(
        self, facts: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sandbox, "SECONDS", 0.2)
        long = f"replace('{'a' * 220}', 'a', '{'a' * 220}')"
        slow = f"SELECT sum(instr({long} || l1.name, substr({long}, 1, 24000 + l2.id) || 'b')) FROM {many_layers(20)}"
        with pytest.raises(QueryError, match=r"or 0\.2 seconds"):
            run_query(facts, slow)

    def test_a_query_that_returns_too_much_is_stopped(self, facts: sqlite3.Connection) -> None:
        with pytest.raises(QueryError, match="more than 10,000 rows"):
            run_query(facts, f"SELECT 1 FROM {many_layers(20)}")

    def test_a_text_cannot_grow_without_bound(self, facts: sqlite3.Connection) -> None:
        grown = "'" + "a" * 100 + "'"
        for _ in range(4):
            grown = f"replace({grown}, 'a', '{'a' * 100}')"
        with pytest.raises(QueryError, match="too big"):
            run_query(facts, f"SELECT length({grown})")

    def test_the_connection_is_free_again_afterwards(self, facts: sqlite3.Connection) -> None:
        run_query(facts, "SELECT 1")
        facts.execute("CREATE TABLE mine (id)")
        assert facts.execute("SELECT length(zeroblob(200000))").fetchone() == (200_000,)


def many_layers(times: int) -> str:
    """A join that returns 4 to the power of `times` rows."""
    return ", ".join(f"layer AS l{number}" for number in range(1, times + 1))


def _runs(empty: sandbox.Sandbox, sql: str) -> bool:
    try:
        return bool(empty.query(sql).rows)
    except QueryError:
        return False


class TestRun:
    def test_a_row_becomes_a_finding(self, tmp_path: Path, facts: sqlite3.Connection) -> None:
        report = run([rule(tmp_path)], facts, {})
        assert [finding.message for finding in report.findings] == ["two has 1,024 units", "three has 64 units"]
        first = report.findings[0]
        assert (first.code, first.name, first.severity, first.layer) == ("TST001", "wide-layer", "advice", "two")
        assert (first.advice, first.fix, first.evidence) == ("make two smaller", None, {"units": 1024})

    def test_the_same_row_twice_is_one_finding(self, tmp_path: Path, facts: sqlite3.Connection) -> None:
        twice = rule(tmp_path, f"{WIDE} UNION ALL {WIDE}")
        assert len(run([twice], facts, {}).findings) == 2

    def test_unknown_values_are_question_marks(self, tmp_path: Path, facts: sqlite3.Connection) -> None:
        unknown = rule(tmp_path, "SELECT name AS layer, units AS units FROM layer WHERE units IS NULL")
        assert run([unknown], facts, {}).findings[0].message == "four has ? units"

    def test_a_finding_may_be_about_the_whole_model(self, tmp_path: Path, facts: sqlite3.Connection) -> None:
        whole = rule(tmp_path, "SELECT NULL AS layer, sum(units) AS units FROM layer", '"{units} units"')
        assert run([whole], facts, {}).findings[0].layer is None

    def test_a_row_may_grade_itself(self, tmp_path: Path, facts: sqlite3.Connection) -> None:
        graded = "CASE WHEN units > 100 THEN 'error' ELSE 'warning' END AS severity"
        found = run([rule(tmp_path, WIDE.replace("FROM", f", {graded} FROM"))], facts, {}).findings
        assert [(finding.severity, finding.evidence) for finding in found] == [
            ("error", {"units": 1024}),
            ("warning", {"units": 64}),
        ]

    def test_an_unknown_grade_is_a_fault_of_the_page(self, tmp_path: Path, facts: sqlite3.Connection) -> None:
        graded = rule(tmp_path, WIDE.replace("FROM", ", 'bad' AS severity FROM"))
        with pytest.raises(PageError, match=r":36: the query grades 'bad'; say one of error, warning, advice"):
            run([graded], facts, {})

    def test_a_value_that_a_template_cannot_show_is_a_fault_of_the_page(
        self, tmp_path: Path, facts: sqlite3.Connection
    ) -> None:
        with pytest.raises(PageError, match=r"wide-layer.md: {layer:,} cannot show 'two'"):
            run([rule(tmp_path, WIDE, '"{layer:,}"')], facts, {})

    def test_findings_are_sorted_by_severity_then_code(self, tmp_path: Path, facts: sqlite3.Connection) -> None:
        rules = [
            msgspec.structs.replace(rule(tmp_path), code=code, severity=severity)
            for code, severity in [
                ("TST003", "advice"),
                ("TST002", "advice"),
                ("TST004", "error"),
                ("TST001", "warning"),
            ]
        ]
        found = [(finding.severity, finding.code, finding.layer) for finding in run(rules, facts, {}).findings]
        assert found == sorted(found, key=lambda key: (SEVERITIES.index(key[0]), key[1]))
        assert found[0] == ("error", "TST004", "two")

    def test_a_rule_that_lacks_its_facts_says_so(self, tmp_path: Path, facts: sqlite3.Connection) -> None:
        report = run([rule(tmp_path)], facts, {"layer.units": "the file has no shapes", "model.loss": "not compiled"})
        assert not report.findings
        (skipped,) = report.not_checked
        assert (skipped.code, skipped.needs, skipped.why) == ("TST001", ("layer.units",), "the file has no shapes")

    @pytest.mark.parametrize(
        ("format", "formats", "fires"),
        [
            ("keras_h5", ("keras",), True),
            ("keras_zip", ("onnx", "keras"), True),
            ("onnx", ("keras", "onnx"), True),
            ("onnx", ("keras",), False),
            ("keras_zip", ("onnx",), False),
        ],
    )
    def test_a_rule_runs_on_the_formats_that_its_page_names(
        self, tmp_path: Path, facts: sqlite3.Connection, format: str, formats: tuple[str, ...], fires: bool
    ) -> None:
        facts.execute("UPDATE model SET format = ?", (format,))
        report = run([msgspec.structs.replace(rule(tmp_path), formats=formats)], facts, {})
        assert (bool(report.findings), report.not_checked) == (fires, ())

    def test_a_rule_for_other_formats_says_what_the_file_lacks(self, tmp_path: Path, facts: sqlite3.Connection) -> None:
        facts.execute("UPDATE model SET format = 'onnx'")
        report = run([rule(tmp_path)], facts, {"layer.units": "an ONNX file has none"})
        assert [(lacking.needs, lacking.why) for lacking in report.not_checked] == [
            (("layer.units",), "an ONNX file has none")
        ]

    def test_a_rule_that_takes_too_long_says_so(
        self, tmp_path: Path, facts: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sandbox, "STEPS", 1_000_000)
        slow = rule(tmp_path, f"SELECT NULL AS layer, count(*) AS units FROM {many_layers(20)}", '"{units}"')
        quick = msgspec.structs.replace(rule(tmp_path), code="TST002")
        report = run([slow, quick], facts, {})
        assert [(skipped.code, skipped.why) for skipped in report.not_checked] == [
            ("TST001", "the query takes more than 1,000,000 steps or 10 seconds")
        ]
        assert {finding.code for finding in report.findings} == {"TST002"}


def taken_out(condition: str) -> list[str]:
    return [mutant.condition for mutant in mutants(f"SELECT id FROM layer WHERE {condition}")]


class TestMutants:
    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            ("affine", ["affine"]),
            ("affine AND units > 1", ["affine", "units > 1"]),
            ("affine OR norm", ["affine", "norm"]),
            ("affine AND norm OR live", ["affine AND norm", "affine", "norm", "live"]),
            ("affine AND (norm OR live)", ["affine", "(norm OR live)", "norm", "live"]),
            (
                "((affine) AND ((norm OR live)))",
                ["((affine) AND ((norm OR live)))", "(affine)", "((norm OR live))", "norm", "live"],
            ),
            ("NOT (affine AND norm)", ["NOT (affine AND norm)", "affine", "norm"]),
            ("NOT affine AND kind IS NOT 'and'", ["NOT affine", "kind IS NOT 'and'"]),
            ("kind = 'a AND b' AND affine", ["kind = 'a AND b'", "affine"]),
            ("affine -- not AND\n AND norm /* OR */", ["affine", "norm"]),
            ("CASE WHEN affine AND norm THEN live OR gate ELSE 0 END AND merge", None),
            ("kind IN ('a', 'b') AND coalesce(affine AND norm, 0)", None),
            ("affine AND id = 3", ["affine", "id = 3"]),
            ("affine ORDER BY id", ["affine"]),
            ("affine GROUP BY kind HAVING count(*) > 1 AND kind = 'or'", ["affine", "count(*) > 1", "kind = 'or'"]),
        ],
    )
    def test_each_condition_is_taken_out_once(self, condition: str, expected: list[str] | None) -> None:
        special = {
            "CASE": ["CASE WHEN affine AND norm THEN live OR gate ELSE 0 END", "merge"],
            "kind": ["kind IN ('a', 'b')", "coalesce(affine AND norm, 0)", "affine", "norm"],
        }
        assert taken_out(condition) == (special[condition.split()[0]] if expected is None else expected)

    def test_conditions_of_joins_and_subqueries_are_taken_out(self) -> None:
        sql = """
            SELECT a.name AS layer FROM layer AS a
            LEFT JOIN link ON link.src = a.id AND link.sole
            JOIN layer AS b ON b.id = link.dst AND b.norm
            WHERE NOT EXISTS (SELECT 1 FROM edge WHERE edge.src = a.id AND (edge.sole OR edge.slot > 0))
              AND a.units = (SELECT max(units) FROM layer WHERE live)
        """
        exists = "NOT EXISTS (SELECT 1 FROM edge WHERE edge.src = a.id AND (edge.sole OR edge.slot > 0))"
        largest = "a.units = (SELECT max(units) FROM layer WHERE live)"
        inner = ["(edge.sole OR edge.slot > 0)", "edge.sole", "edge.slot > 0"]
        assert [mutant.condition for mutant in mutants(sql)] == ["link.sole", "b.norm", exists, largest, *inner, "live"]

    def test_equations_that_join_tables_are_exempt_but_as_alternatives(self) -> None:
        assert taken_out("layer.id = layer.chain AND layer.units = layer.features") == ["layer.units = layer.features"]
        assert taken_out("layer.id = layer.chain OR layer.id = layer.stack") == [
            "layer.id = layer.chain",
            "layer.id = layer.stack",
        ]

    def test_a_column_called_like_a_keyword_ends_no_clause(self) -> None:
        assert taken_out("a.left = 1 AND a.end = 2") == ["a.left = 1", "a.end = 2"]

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT count(*) AS n FROM layer HAVING count(*) > 1",
            "SELECT kind FROM layer GROUP BY kind HAVING max(units) > 1 OR min(units) > 1",
            "SELECT sum(units) FILTER (WHERE affine AND live) AS units FROM layer WHERE affine -- all of them",
            "WITH wide AS (SELECT id FROM layer WHERE units > 1 AND live) SELECT id FROM wide WHERE id > 1",
            "SELECT id FROM layer WHERE affine UNION SELECT id FROM layer WHERE norm OR live",
            "SELECT a.id FROM layer AS a, layer AS b ON a.id = b.id AND a.live, edge WHERE (a.live)",
            "SELECT id FROM layer WHERE (id, units) = (1, 2) AND EXISTS (SELECT (1 AND 2) FROM edge WHERE src = id)",
            "SELECT id FROM layer WHERE CASE kind WHEN 'case' THEN (affine AND live) END AND kind LIKE 'a' ESCAPE 'b'",
            "SELECT id FROM layer WHERE affine -- the last\n",
        ],
    )
    def test_a_mutant_compiles_and_differs_by_its_condition(self, sql: str) -> None:
        found = list(mutants(sql))
        assert found
        with no_facts() as empty:
            for mutant in found:
                assert empty.query(mutant.sql).columns == empty.query(sql).columns
                assert " ".join(sql[mutant.start :].split()).startswith(mutant.condition)

    def test_a_mutant_does_without_its_condition(self, facts: sqlite3.Connection) -> None:
        first, second = mutants("SELECT name FROM layer WHERE units > 10 AND units < 100")
        assert run_query(facts, first.sql).rows == [("one",), ("three",)]
        assert run_query(facts, second.sql).rows == [("two",), ("three",)]
        either, other = mutants("SELECT name FROM layer WHERE units = 8 OR units = 64")
        assert run_query(facts, either.sql).rows == [("three",)]
        assert run_query(facts, other.sql).rows == [("one",)]


SETTABLE = "SELECT name AS layer, units AS units, :min_units AS least FROM layer WHERE units > :min_units"
NAMED = SETTABLE + " AND name IS NOT :named"
MIN_UNITS = "min_units: {default: 10, minimum: 1, description: how many units are wide}"


def settable(folder: Path, options: str = MIN_UNITS, sql: str = SETTABLE, example: str = "```python") -> Rule:
    """A rule with options; `example` is the head of its first block of code."""
    path = page(folder, sql)
    text = path.read_text(encoding="utf-8").replace("sources:", f"options:\n  {options}\nsources:")
    return next(parse_and_prove([(path, text.replace("```python", example, 1).encode())]))


def wide_layers(found: Rule, facts: sqlite3.Connection) -> list[str | None]:
    return [finding.layer for finding in run([found], facts, {}).findings]


class TestOptions:
    def test_a_query_gets_the_default_of_an_option(self, tmp_path: Path, facts: sqlite3.Connection) -> None:
        report = run([settable(tmp_path)], facts, {})
        assert [(finding.layer, finding.evidence["least"]) for finding in report.findings] == [
            ("two", 10),
            ("three", 10),
        ]

    @pytest.mark.parametrize("rule_", ["TST001", "tst001", "wide-layer"])
    @pytest.mark.parametrize("option", ["min-units", "min_units"])
    def test_a_query_gets_what_the_user_set(
        self, tmp_path: Path, facts: sqlite3.Connection, rule_: str, option: str
    ) -> None:
        (found,) = configure([settable(tmp_path)], {rule_: {option: 64}}, {})
        assert wide_layers(found, facts) == ["two"]

    def test_settings_survive_the_way_to_another_process_and_the_cache(self, tmp_path: Path) -> None:
        (found,) = configure([settable(tmp_path)], {"TST001": {"min-units": 64}}, {"TST001": "error"})
        assert pickle.loads(pickle.dumps(found)) == found
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=Rule) == found
        assert (found.parameters(), found.severity) == ({"min_units": 64}, "error")

    @pytest.mark.parametrize(
        ("default", "given", "got"),
        [("10", 3, 3), ("0.5", 3, 3.0), ("0.5", 0.25, 0.25), ("true", False, False), ("tanh", "relu", "relu")],
    )
    def test_the_type_of_the_default_decides(self, tmp_path: Path, default: str, given: object, got: object) -> None:
        rules = [settable(tmp_path, f"min_units: {{default: {default}, description: x}}")]
        (found,) = configure(rules, {"TST001": {"min-units": given}}, {})
        assert [(value, type(value)) for value in found.parameters().values()] == [(got, type(got))]

    @pytest.mark.parametrize(
        ("option", "given", "expected"),
        [
            ("default: 10", "3", "a whole number, not '3'"),
            ("default: 10", 3.0, "a whole number, not 3.0"),
            ("default: 10", True, "a whole number, not True"),
            ("default: 10", 2**63, "a whole number, not 9223372036854775808"),
            ("default: 10", [3], r"a whole number, not \[3\]"),
            ("default: 10, minimum: 1", 0, "a whole number of at least 1, not 0"),
            ("default: 0.5, minimum: 0, maximum: 1", 1.5, "a number from 0 to 1, not 1.5"),
            ("default: 0.5, maximum: 0.9", 1, "a number of at most 0.9, not 1"),
            ("default: 0.5", float("nan"), "a number, not nan"),
            ("default: 0.5", float("-inf"), "a number, not -inf"),
            ("default: 0.5", False, "a number, not False"),
            ("default: true", 1, "true or false, not 1"),
            ("default: tanh", 1, "a text, not 1"),
        ],
    )
    def test_a_value_that_does_not_fit_is_refused(
        self, tmp_path: Path, option: str, given: object, expected: str
    ) -> None:
        rules = [settable(tmp_path, f"min_units: {{{option}, description: x}}")]
        message = f"^the option min-units of TST001 wide-layer must be {expected}$"
        with pytest.raises(UsageError, match=message):
            configure(rules, {"wide-layer": {"min-units": given}}, {})

    def test_an_option_that_a_rule_does_not_have_is_refused_with_those_that_it_has(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"^TST001 wide-layer has no option 'units'; its options are min-units$"):
            configure([settable(tmp_path)], {"TST001": {"units": 3}}, {})
        with pytest.raises(UsageError, match=r"^TST001 wide-layer has no option 'units'; it has no options$"):
            configure([rule(tmp_path)], {"TST001": {"units": 3}}, {})

    def test_options_of_a_rule_that_is_not_there_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="there is no rule 'wide-layers'; did you mean wide-layer"):
            configure([settable(tmp_path)], {"wide-layers": {"min-units": 3}}, {})

    @pytest.mark.parametrize(
        ("options", "sql", "message"),
        [
            (MIN_UNITS, SETTABLE.replace(">", ">\n:max_units OR units >"), r":39: `:max_units` is no option: describe"),
            (MIN_UNITS, WIDE, r"the query does not ask for the option min_units: write :min_units, or drop it"),
            (MIN_UNITS, WIDE + " -- :min_units", r"the query does not ask for the option min_units"),
        ],
    )
    def test_options_and_parameters_are_the_same(self, tmp_path: Path, options: str, sql: str, message: str) -> None:
        with pytest.raises(PageError, match=message):
            settable(tmp_path, options, sql)

    @pytest.mark.parametrize(
        ("option", "message"),
        [
            (
                "default: 0, minimum: 1",
                r":9: options: the default must be a whole number of at least 1, not 0; it must",
            ),
            ("default: 1e-3", r":9: options: YAML reads 1e-3 as text: write the number as 0.001 or 1.0e-3"),
        ],
    )
    def test_a_default_that_no_user_could_set_is_refused(self, tmp_path: Path, option: str, message: str) -> None:
        with pytest.raises(PageError, match=message):
            settable(tmp_path, f"min_units: {{{option}, description: x}}")

    def test_the_mutants_of_a_query_keep_its_options(self) -> None:
        assert taken_out("units > :min_units AND affine") == ["units > :min_units", "affine"]

    def test_an_example_may_set_options(self, tmp_path: Path) -> None:
        wide, narrow = settable(tmp_path, example="```python min-units=64").examples
        assert (wide.values, narrow.values) == ({"min_units": 64}, {})

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ("max-units=64", r"not ```python max-units=64; .* last come options that the front matter describes"),
            ("min-units=0", r"the option min-units=0 cannot be set: must be a whole number of at least 1, not 0$"),
            ("min-units=few", r"the option min-units=few cannot be set: "),
        ],
    )
    def test_an_example_with_a_setting_that_does_not_fit_is_refused(
        self, tmp_path: Path, setting: str, message: str
    ) -> None:
        with pytest.raises(PageError, match=rf":26: .*{message}"):
            settable(tmp_path, example=f"```python {setting}")


class TestSeverities:
    @pytest.mark.parametrize(
        ("severities", "expected"),
        [
            ({}, "advice"),
            ({"TST001": "error"}, "error"),
            ({"wide-layer": "warning"}, "warning"),
            ({"TST": "error", "wide-*": "warning"}, "warning"),
            ({"wide-*": "warning", "TST": "error"}, "error"),
            ({"WIDE-layer": "error", "TST": "warning", "*": "advice"}, "error"),
            ({"TST001": "error", "wide-layer": "warning"}, "warning"),
            ({"OTH": "error"}, "advice"),
        ],
    )
    def test_the_most_specific_selector_sets_the_severity(
        self, tmp_path: Path, facts: sqlite3.Connection, severities: dict[str, Severity], expected: str
    ) -> None:
        rules = [rule(tmp_path), rule(tmp_path, code="OTH001", name="other")]
        configured = configure(rules, {}, severities)
        found = [finding for finding in run(configured, facts, {}).findings if finding.code == "TST001"]
        assert {finding.severity for finding in found} == {expected}

    def test_a_severity_of_the_user_holds_for_rows_that_the_query_grades(
        self, tmp_path: Path, facts: sqlite3.Connection
    ) -> None:
        graded = rule(
            tmp_path, WIDE.replace("units AS units", "units, iif(units > 99, 'error', 'warning') AS severity")
        )
        assert [finding.severity for finding in run([graded], facts, {}).findings] == ["error", "warning"]
        (configured,) = configure([graded], {}, {"TST": "advice"})
        assert [finding.severity for finding in run([configured], facts, {}).findings] == ["advice", "advice"]

    def test_a_selector_that_names_no_rule_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no rule is selected by 'wide'"):
            configure([rule(tmp_path)], {}, {"wide": "error"})


class TestPreview:
    def rules(self, folder: Path) -> list[Rule]:
        stable = rule(folder, code="LOS001", name="softmax-one-unit")
        new = rule(folder, code="LOS002", name="brand-new")
        return [stable, msgspec.structs.replace(new, stage="preview")]

    @pytest.mark.parametrize("select", [[], ["LOS"], ["LOS*"], ["*-*"]])
    def test_rules_in_preview_run_only_if_asked_for(self, tmp_path: Path, select: list[str]) -> None:
        rules = self.rules(tmp_path)
        assert [chosen.code for chosen in choose(rules, select)] == ["LOS001"]
        assert [chosen.code for chosen in choose(rules, select, preview=True)] == ["LOS001", "LOS002"]
        assert [chosen.code for chosen in choose(rules, select, ["LOS002"])] == ["LOS001"]
        assert [chosen.code for chosen in choose(rules, select, ["brand-new"], preview=True)] == ["LOS001"]

    @pytest.mark.parametrize("selector", ["LOS002", "los002", "brand-new", "brand-*"])
    def test_selecting_rules_in_preview_alone_is_an_error_that_says_what_to_do(
        self, tmp_path: Path, selector: str
    ) -> None:
        rules = self.rules(tmp_path)
        message = (
            rf"^'{selector.replace('*', '.')}' selects only rules in preview: pass --preview, or set preview = true$"
        )
        with pytest.raises(UsageError, match=message):
            choose(rules, ["LOS001", selector])
        assert [chosen.code for chosen in choose(rules, [selector], preview=True)] == ["LOS002"]


class TestDocument:
    def test_a_page_is_printed_with_its_front_matter_in_words(self, tmp_path: Path) -> None:
        text = document(rule(tmp_path))
        assert text.startswith("# Wide layers\n\n**TST001 wide-layer** · advice · stable · keras\n\n## What it does\n")
        assert text.endswith(f"\n\n## Check\n\n```sql\n{WIDE}\n```\n\n## Sources\n\n- measured\n")
        assert "Options" not in text

    def test_options_are_a_table_ahead_of_the_examples(self, tmp_path: Path) -> None:
        text = document(settable(tmp_path, MIN_UNITS + '\n  named: {default: "", description: one | two}', NAMED))
        assert (
            "## Options\n\n| option | default | what it is |\n|---|---|---|\n"
            "| `min-units` | `10` | how many units are wide |\n"
            '| `named` | `""` | one \\| two |\n\n'
            "Set under `options.wide-layer` in `archlint.toml`, or under `tool.archlint` in `pyproject.toml`.\n\n"
            "## Fires\n"
        ) in text

    def test_a_page_in_preview_says_how_it_runs(self, tmp_path: Path) -> None:
        text = document(edited(tmp_path, "stage: stable", "stage: preview"))
        assert "· preview ·" in text
        assert "In preview: it runs with `--preview` only, and may still change in any release." in text


ONNX = """\
<ir_version: 8, opset_import: ["" : 17]>
net (float[N,2] x) => (float[N,64] y)
<float[2,64] "head.weight", float[64] bias, int8[64] zeros, float[2] scale = {3, 4}, float[N,64] sum>
{
  scaled = Mul (x, scale)
  sum = MatMul (scaled, "head.weight")
  y = Add (sum, bias)
}
"""


class TestOnnxText:
    def save(self, folder: Path, text: str = ONNX) -> onnx.ModelProto:
        found = edited(folder, "model = keras.Sequential([keras.Input((2,)), layers.Dense(64)])\n", text)
        onnx_text.save(found, found.examples[0], folder / "model.onnx")
        return onnx.load(folder / "model.onnx")

    def test_a_declared_value_that_no_node_makes_is_a_weight(self, tmp_path: Path) -> None:
        model = self.save(tmp_path)
        onnx.checker.check_model(model, full_check=True)
        weights = {weight.name: onnx.numpy_helper.to_array(weight) for weight in model.graph.initializer}
        assert {name: (values.dtype.name, values.shape) for name, values in weights.items()} == {
            "head.weight": ("float32", (2, 64)),
            "bias": ("float32", (64,)),
            "zeros": ("int8", (64,)),
            "scale": ("float32", (2,)),
        }
        assert weights["scale"].tolist() == [3, 4]
        assert weights["bias"].min() > 0
        assert 0.05 < weights["head.weight"].std() < 0.2

    def test_a_weight_may_be_an_input_too(self, tmp_path: Path) -> None:
        model = self.save(tmp_path, ONNX.replace("x)", "x, float[64] bias)"))
        assert [value.name for value in model.graph.input] == ["x", "bias"]
        assert "bias" in {weight.name for weight in model.graph.initializer}

    def test_the_weights_are_the_same_every_time(self, tmp_path: Path) -> None:
        assert self.save(tmp_path) == self.save(tmp_path)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            (
                "MatMul (",
                "MatMul ",
                r":30: the example is no ONNX in its text syntax: Expected character . not found$",
            ),
            ("ir_version: 8,", "ir_version: 8;", r":25: the example is no ONNX"),
            ("float[64] bias", "float[M] bias", r":24: the weight bias must be declared with numbers for its sizes"),
        ],
    )
    def test_a_fault_in_the_text_is_named_with_its_line(self, tmp_path: Path, old: str, new: str, message: str) -> None:
        with pytest.raises(PageError, match=rf"wide-layer\.md{message}"):
            self.save(tmp_path, ONNX.replace(old, new))


class TestCatalogue:
    def test_rules_of_all_folders_are_loaded_in_the_order_of_their_codes(self, pages: Path, tmp_path: Path) -> None:
        page(pages, code="TST002", name="second")
        own = tmp_path / "own"
        own.mkdir()
        page(own, code="TST001", name="first")
        assert [loaded.code for loaded in load([own])] == ["TST001", "TST002"]
        assert [loaded.code for loaded in load()] == ["TST002"]

    def test_a_folder_given_twice_is_one(self, pages: Path) -> None:
        page(pages)
        assert len(load([pages / ".." / pages.name])) == 1

    @pytest.mark.parametrize(("code", "name"), [("TST001", "other"), ("TST002", "wide-layer")])
    def test_a_code_or_name_belongs_to_one_page(self, pages: Path, code: str, name: str) -> None:
        page(pages)
        page(pages, code=code, name=name)
        with pytest.raises(PageError, match=r"(TST001|wide-layer) is taken by .*TST001-.*md: choose another one"):
            load()

    @pytest.mark.usefixtures("pages")
    def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="nowhere does not exist"):
            load([tmp_path / "nowhere"])

    def test_a_warm_load_parses_nothing(self, pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        page(pages)
        cold = load()
        monkeypatch.setattr(catalogue, "parse_and_prove", None)
        assert load() == cold

    def test_a_changed_page_is_read_again(self, pages: Path) -> None:
        path = page(pages)
        load()
        path.write_text(path.read_text(encoding="utf-8").replace("They are wide.", "So wide."), encoding="utf-8")
        assert load()[0].sections["Why"] == "So wide."

    @pytest.mark.parametrize("content", [b"", b"\xc1", b"rubbish", b"\x93\xa3"])
    def test_a_damaged_cache_is_ignored(self, pages: Path, cache: Path, content: bytes) -> None:
        page(pages)
        rules = load()
        (kept,) = (cache / "archlint").iterdir()
        kept.write_bytes(content)
        assert load() == rules

    def test_a_cache_that_cannot_be_written_is_ignored(self, pages: Path, cache: Path) -> None:
        page(pages)
        cache.write_text("a file where the folder should be", encoding="utf-8")
        assert len(load()) == 1

    def test_a_user_without_home_is_served_without_cache(self, pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def homeless() -> Path:
            raise RuntimeError("Could not determine home directory.")

        page(pages)
        monkeypatch.setattr(Path, "home", homeless)
        assert len(load()) == 1

    def test_a_rule_is_found_by_code_or_name(self, tmp_path: Path) -> None:
        rules = [rule(tmp_path)]
        for word in ("TST001", "tst001", "wide-layer", "WIDE-layer"):
            assert find(rules, word) == rules[0]
        with pytest.raises(UsageError, match="there is no rule 'wide-layers'; did you mean wide-layer"):
            find(rules, "wide-layers")
        with pytest.raises(UsageError, match="write a code like NRM001"):
            find(rules, "xyz")

    @pytest.mark.parametrize(
        ("select", "ignore", "expected"),
        [
            ([], [], ["LOS001", "LOS010", "NRM001"]),
            (["LOS"], [], ["LOS001", "LOS010"]),
            (["los01"], [], ["LOS010"]),
            (["bias-*"], [], ["NRM001"]),
            (["BIAS-before-norm", "LOS001"], [], ["LOS001", "NRM001"]),
            ([], ["LOS"], ["NRM001"]),
            (["LOS"], ["*1"], ["LOS010"]),
        ],
    )
    def test_rules_are_chosen_by_code_prefix_name_or_glob(
        self, tmp_path: Path, select: list[str], ignore: list[str], expected: list[str]
    ) -> None:
        names = {"LOS001": "softmax-one-unit", "LOS010": "accuracy", "NRM001": "bias-before-norm"}
        rules = [rule(tmp_path, code=code, name=name) for code, name in names.items()]
        assert [chosen.code for chosen in choose(rules, select, ignore)] == expected

    def test_a_selector_that_names_nothing_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no rule is selected by 'wide'"):
            choose([rule(tmp_path)], ignore=["wide"])

    def test_importing_the_rules_imports_no_parser(self) -> None:
        code = "import sys, archlint.rules; print({'yaml', 'markdown_it', 'rich', 'numpy'} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("ln(exp(2))", 2.0),
        ("log(1000)", 3.0),
        ("log(2, 8)", 3.0),
        ("log2(8)", 3.0),
        ("log10(0.01)", -2.0),
        ("sqrt(9)", 3.0),
        ("pow(2, 10)", 1024.0),
        ("ceil(2.1)", 3),
        ("floor(2.9)", 2),
        ("ln(0)", None),
        ("sqrt(NULL)", None),
    ],
)
def test_queries_have_mathematical_functions_whatever_sqlite_was_built_with(call, value):
    with closing(sqlite3.connect(":memory:")) as connection:
        assert run_query(connection, f"SELECT {call}").rows == [(pytest.approx(value),)]


def test_two_pages_with_one_query_need_the_same_facts(tmp_path: Path) -> None:
    paths = [page(tmp_path), page(tmp_path, code="TST002", name="wide-again")]
    first, second = parse_and_prove([(path, path.read_bytes()) for path in paths])
    assert first.needs == second.needs == ("layer.name", "layer.units")


def test_a_rule_that_finds_too_much_keeps_what_it_found_and_says_so(tmp_path: Path, facts: sqlite3.Connection) -> None:
    for number in range(10_001):
        add(facts, "layer", id=10 + number, name=f"w{number}", units=64)
    report = run([rule(tmp_path)], facts, {})
    assert len(report.findings) == 10_000
    assert [(unjudged.code, unjudged.needs) for unjudged in report.not_checked] == [("TST001", ())]
