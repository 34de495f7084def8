"""Rule pages, baselines and training data of strangers end in one sentence, soon, and in little memory."""

import io
import json
import os
import shutil
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from support import FIXTURES, PAGE, Archlint, Ran

from archlint import baseline
from archlint.dataset import arrays, load, memory, parquet_file
from archlint.dataset.statistics import Features
from archlint.errors import UsageError
from archlint.limits import FRONT_MATTER_BYTES, PAGE_BYTES
from archlint.rules import catalogue, sandbox

NAME = "TST001-wide-layer.md"
JOIN = ", ".join(f"layer AS l{number}" for number in range(14))
WIDE = "SELECT name AS layer, units FROM layer"
LONG = f"SELECT NULL AS layer, printf('%49000s', l13.id || l12.id || l11.id || l10.id || l9.id) AS units FROM {JOIN}"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model and a folder of pages that its configuration names; archlint's own are left out, as they take time."""
    (tmp_path / "none").mkdir()
    (tmp_path / "pages").mkdir()
    shutil.copy(FIXTURES / "models" / "clean_mlp.h5", tmp_path / "model.h5")
    (tmp_path / "archlint.toml").write_text('rules = ["pages"]\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(catalogue, "built_in", lambda: tmp_path / "none")
    return tmp_path


def page(folder: Path, sql: str = WIDE, message: str = "wide", code: str = "TST001", name: str = "wide-layer") -> str:
    text = PAGE.format(code=code, name=name, severity="warning", message=json.dumps(message), sql=sql)
    (folder / "pages" / f"{code}-{name}.md").write_text(text, "utf-8")
    return text


def refusal(ran: Ran) -> str:
    """The one line of a command that could not run."""
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "archlint itself" not in ran.err
    return ran.err


def unfinished(ran: Ran) -> str:
    """Why the rule on the page did not come to an end."""
    (file,) = ran.json["files"]
    (rule,) = file["not_checked"]
    assert ran.code == 2
    return str(rule["why"])


# Pages


@pytest.mark.parametrize(
    ("front", "line", "why"),
    [
        ("- " * 5000 + "x", 2, "is nested more than 10 deep; flatten it"),
        ("code:\n  " + "[" * 5000, 3, "is nested more than 10 deep; flatten it"),
        ("code: " + "{a: " * 3000, 2, "is nested more than 10 deep; flatten it"),
        ("a: &a [x]\nb: [*a, *a]", 3, "has an alias (*) or a tag (!); write the value itself"),
        ("a: !!python/name:os.system x", 2, "has an alias (*) or a tag (!); write the value itself"),
        ('message: "\\e[31m"', 2, "has an escape that is a control or an invisible character; write plain text"),
        ("code: " + "9" * 5000, 1, "is no YAML: Exceeds the limit (4300 digits) for integer string conversion"),
        ("code: 2024-99-99", 1, "is no YAML: month must be in 1..12"),
        ("code: 1" + ":59" * 400 + ".5", 1, "is no YAML: int too large to convert to float"),
        ("- " * 10_000, 1, f"is longer than {FRONT_MATTER_BYTES:,} characters; shorten it"),
    ],
    ids=["sequences", "flow", "mappings", "alias", "tag", "escape", "digits", "date", "sexagesimal", "length"],
)
def test_a_front_matter_that_brings_parsers_to_grief_is_refused(
    archlint: Archlint, project: Path, front: str, line: int, why: str
) -> None:
    (project / "pages" / NAME).write_text(f"---\n{front}\n---\n# T\n", "utf-8")
    said = refusal(archlint("check", "model.h5"))
    assert said.startswith(f"archlint: pages/{NAME}:{line}: the front matter {why}")


@pytest.mark.parametrize("text", ["\x1b[31m", "\x07", "\x9b31m", "\u202e", "\u200b", "\U000e0041", "&#x202e;"])
@pytest.mark.parametrize("command", [("check", "model.h5"), ("rules",), ("rule", "TST001"), ("test", "pages")])
def test_a_page_with_characters_that_act_is_refused(
    archlint: Archlint, project: Path, text: str, command: tuple[str, ...]
) -> None:
    (project / "pages" / NAME).write_text(page(project).replace("They are wide.", f"They are {text}wide."), "utf-8")
    ran = archlint(*command)
    assert ran.code in (1, 2)
    assert f"pages/{NAME}:17: the page has a control or an invisible character; write plain text" in ran.out + ran.err
    assert text not in ran.out + ran.err


@pytest.mark.parametrize("line", ["::error::x", "  ::set-env name=a::b", "a ##[group]b"])
def test_a_page_that_gives_orders_to_a_runner_is_refused(archlint: Archlint, project: Path, line: str) -> None:
    (project / "pages" / NAME).write_text(page(project).replace("They are wide.", f"So:\n{line}"), "utf-8")
    said = refusal(archlint("rule", "TST001"))
    assert f"pages/{NAME}:18: this is an order to GitHub's runner; write it without `::`" in said


@pytest.mark.parametrize("place", ["pages", "pages/TST001-wide-layer.md"])
def test_a_page_that_is_a_pipe_is_never_waited_on(archlint: Archlint, project: Path, place: str) -> None:
    os.mkfifo(project / "pages" / NAME)
    said = refusal(archlint("check", "model.h5", "--rules", place))
    assert said == f"archlint: pages/{NAME}: the page is no regular file; give a rule page or a folder of them\n"
    tested = archlint("test", "pages")
    assert (tested.code, "the page is no regular file" in tested.out) == (1, True)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("/dev/zero", "the page is no regular file"),
        ("a\\u0000b", "there is no rule page and no folder of them at "),
        ("a" * 300, "there is no rule page and no folder of them at "),
        ("circle", "there is no rule page and no folder of them at "),
        ("long", f"the page is longer than {PAGE_BYTES // 1024} KiB; shorten it"),
    ],
    ids=["device", "null", "name", "circle", "long"],
)
def test_a_place_without_pages_is_one_sentence(archlint: Archlint, project: Path, place: str, why: str) -> None:
    (project / "circle").symlink_to("circle")
    with (project / "long").open("wb") as stream:
        stream.truncate(2**40)
    (project / "archlint.toml").write_text(f'rules = ["{place}"]\n')
    assert why in refusal(archlint("check", "model.h5"))


def test_there_are_only_so_many_pages(archlint: Archlint, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "PAGES", 1)
    page(project)
    page(project, code="TST002", name="wider-layer")
    assert "there are more than 1 rule pages" in refusal(archlint("check", "model.h5"))


def test_proving_pages_has_one_deadline(archlint: Archlint, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "PROOF_SECONDS", 0)
    page(project)
    page(project, code="TST002", name="wider-layer")
    said = refusal(archlint("check", "model.h5"))
    assert said == (
        "archlint: pages/TST002-wider-layer.md: proving other pages took 0 s; name fewer, or simpler ones\n"
    )


# Queries


def alone(project: Path, code: str) -> "subprocess.CompletedProcess[str]":
    """A check in a process of its own, as SQLite's limit of memory stays with the process."""
    return subprocess.run(
        [
            sys.executable,
            "-c",
            dedent(code) + "from archlint.cli import main; main()",
            *"check model.h5 -f json".split(),
        ],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(FIXTURES.parent), "SQLITE_TMPDIR": str(project / "nowhere")},
        capture_output=True,
        text=True,
        timeout=60,
    )


SMALL = """
    from archlint.rules import sandbox
    sandbox.QUERY_HEAP = 2**25
"""


def test_what_a_query_sorts_is_neither_written_to_files_nor_without_limit(project: Path) -> None:
    page(project, f"{LONG} ORDER BY units DESC")
    ran = alone(project, SMALL)
    (file,) = json.loads(ran.stdout)["files"]
    assert "the query takes more than 32 MiB of memory" in {rule["why"] for rule in file["not_checked"]}
    assert (ran.returncode, ran.stderr) == (2, "")


def test_a_query_that_unfolds_without_end_is_refused(project: Path) -> None:
    tables = ", ".join(f"c{n} AS (SELECT p.x FROM c{n - 1} AS p, c{n - 1} AS q)" for n in range(1, 40))
    page(project, f"WITH c0 AS (SELECT 1 AS x), {tables} SELECT NULL AS layer, x AS units FROM c39")
    ran = alone(project, SMALL)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == f"archlint: pages/{NAME}:36: the query takes more than 32 MiB of memory\n"


def test_an_answer_that_would_fill_the_memory_is_given_up(
    archlint: Archlint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "ANSWER_BYTES", 2**20)
    page(project, LONG)
    assert unfinished(archlint("check", "model.h5", "-f", "json")) == "the query returns more than 1 MiB"


def test_messages_that_would_fill_the_memory_are_given_up(archlint: Archlint, project: Path) -> None:
    page(project, LONG.replace("49000", "490"), "{units}" * 100)
    assert "it stopped there" in unfinished(archlint("check", "model.h5", "-f", "json"))


def test_a_message_is_one_line_of_bearable_length(archlint: Archlint, project: Path) -> None:
    page(project, message="{units}" * 200)
    assert "Expected `str` of length <= 1000; it must be one line of text" in refusal(archlint("check", "model.h5"))


def test_a_query_has_only_so_many_columns(archlint: Archlint, project: Path) -> None:
    page(project, f"SELECT NULL AS layer, 1 AS units, {', '.join(f'1 AS c{number}' for number in range(200))}")
    assert f"pages/{NAME}:36: too many columns in result set" in refusal(archlint("check", "model.h5"))


# Baselines


def accepted(project: Path, count: int) -> None:
    entry = {"rule": "TST001", "name": "wide-layer", "layer": None, "count": 1}
    held = {"schema": 1, "findings": [{**entry, "file": f"{number}.h5"} for number in range(count)]}
    (project / "b.json").write_text(json.dumps(held), "utf-8")
    page(project)


def test_a_baseline_has_only_so_many_entries(
    archlint: Archlint, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline, "BASELINE_ENTRIES", 3)
    accepted(project, 4)
    said = refusal(archlint("check", "model.h5", "--baseline", "b.json"))
    assert said == "archlint: the baseline b.json has more than 3 entries; split it by folders of models\n"


@pytest.mark.parametrize(("format", "more"), [("concise", "stale entries: 20 more; run `"), ("html", "<li>… +20</li>")])
def test_of_many_stale_entries_the_first_ones_are_listed(
    archlint: Archlint, project: Path, format: str, more: str
) -> None:
    accepted(project, 120)
    ran = archlint("check", ".", "--baseline", "b.json", "-f", format)
    assert (ran.code, more in ran.out) == (2, True)
    assert "99.h5" in ran.out
    assert "100.h5" not in ran.out


# Training data


def archive(
    path: Path, shape: tuple[int, ...], kind: str = "<f8", *, by_columns: bool = False, header: str = ""
) -> Path:
    """An array that says how large it is, and holds nothing."""
    made = io.BytesIO()
    np.lib.format.write_array_header_2_0(made, {"descr": kind, "fortran_order": by_columns, "shape": shape})
    said = made.getvalue()
    if header:
        said = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.npy", said)
    return path


@pytest.mark.parametrize(
    ("shape", "kind", "by_columns", "why"),
    [
        ((3, 2**24), "<f8", False, "the last axis of x has 16,777,216 places, each of which is a feature; give fewer"),
        ((3, 2**24), "<f2", False, "the last axis of x has 16,777,216 places, each of which is a feature; give fewer"),
        ((2, 2**25), "<f8", False, "one sample of x has 33,554,432 values; give samples of up to 16,777,216"),
        ((2, 2**24 + 1, 1), "<f8", True, "one sample of x has 16,777,217 values; give samples of up to 16,777,216"),
        ((40, 2**20), "<f8", True, "x is stored column by column; save np.ascontiguousarray(x) instead"),
    ],
    ids=["width", "half floats", "sample", "sample by columns", "columns"],
)
def test_an_array_that_would_fill_the_memory_is_refused_by_its_header(
    tmp_path: Path, shape: tuple[int, ...], kind: str, by_columns: bool, why: str
) -> None:
    path = archive(tmp_path / "t.npz", shape, kind, by_columns=by_columns)
    with pytest.raises(UsageError) as refused:
        load(path)
    assert str(refused.value).startswith(f"--data {path}: {why}")


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_sample_beyond_all_blocks_is_looked_at_in_parts(
    tmp_path: Path, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "BLOCK", 1000)
    scans = np.random.default_rng(3).normal(size=(3, 41, 43, 5)).astype("float32")
    np.savez(tmp_path / "t.npz", x=np.asarray(scans, order=order))  # type: ignore[call-overload] # a text, not a literal
    whole = load(tmp_path / "t.npz").inputs.whole
    expected = Features.of(scans.astype(np.float64))
    assert whole
    assert whole.features
    for name in ("count", "mean", "std", "low", "high", "missing", "whole"):
        assert getattr(whole.features, name).tolist() == pytest.approx(getattr(expected, name).tolist())


def test_a_sample_beyond_all_blocks_takes_little_memory(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "t.npz", x=np.zeros((2, 2**10, 2**11, 2), "float16"))
    tracemalloc.start()
    load(tmp_path / "t.npz")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**25


def test_there_are_only_so_many_arrays(tmp_path: Path) -> None:
    memory.write(tmp_path / "t.npz", {f"x_{number}": np.zeros(1) for number in range(101)})
    with pytest.raises(UsageError, match="it holds 101 arrays for inputs and outputs; give up to 100"):
        load(tmp_path / "t.npz")


def test_a_header_that_python_warns_of_is_one_sentence(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (1if 1else 2, 4), }\n"
    with pytest.raises(UsageError, match="one of its arrays is damaged"):
        load(archive(tmp_path / "t.npz", (), header=text))
    assert not recwarn.list


def test_a_table_has_only_so_many_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",".join(f"a{number}" for number in range(70_000)) + "\n")
    with pytest.raises(UsageError, match="it has 70,000 columns; give up to 65,536"):
        load(tmp_path / "t.csv", ["a0"])


def saved(path: Path, columns: dict[str, object]) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(columns), path, compression="zstd")
    return path


def test_a_text_that_is_in_every_row_is_held_once(tmp_path: Path) -> None:
    dictionary = pytest.importorskip("pyarrow").array(["a" * 2**20, "b"]).dictionary_encode()
    words = dictionary.take(pytest.importorskip("pyarrow").array([0, 1] * 5000))
    path = saved(tmp_path / "t.parquet", {"a": [*range(10_000)], "kind": words})
    tracemalloc.start()
    target = load(path, ["kind"]).targets.whole
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert target
    assert target.targets
    assert len(target.targets.labels or ()) == 2
    assert peak < 2**25


@pytest.mark.parametrize(
    ("limit", "why"),
    [
        ("FREELY", "it unpacks to far more than its own size; save it again"),
        ("TEXT", "its column 'kind' has more than"),
    ],
)
def test_a_parquet_table_that_would_fill_the_memory_is_refused_by_what_it_says_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, why: str
) -> None:
    monkeypatch.setattr(parquet_file, limit, 2**12)
    path = saved(tmp_path / "t.parquet", {"a": [1, 2], "kind": ["a" * 2**20, "b"]})
    with pytest.raises(UsageError, match=why):
        load(path, ["kind"])


def test_lists_in_a_parquet_table_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "t.parquet", {"kind": [1, 2], "a": [[1], [2]]})
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes(20) + content[24:])  # of the first column, of which nothing can be read
    with pytest.raises(UsageError, match="the column 'a' holds list<"):
        load(path, ["kind"])
