"""`archlint show --signal` and `--plot`, as people run them."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from support import Archlint, Ran, entry, sequential, write_h5
from test_cli import on_terminal, process

from archlint.reports.profile import sparkline

MODELS = Path("fixtures/models")
RESNET = Path("fixtures/applications/ResNet50.keras")
PNG = b"\x89PNG\r\n"
COLUMNS = ["layer", "kind", "rms", "std", "input std", "gain", "gradient", "certainty"]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def opaque(tmp_path: Path) -> Path:
    """A dense layer in front of a custom layer and one behind it."""
    layers = [
        entry("Dense", name="before", units=8, activation="relu", batch_input_shape=[None, 8]),
        entry("Mystery", name="mystery"),
        entry("Dense", name="after", units=8),
    ]
    return write_h5(tmp_path / "opaque.h5", sequential(*layers))


def test_the_profile_has_a_sparkline_per_column_and_a_row_per_layer(archlint: Archlint) -> None:
    lines = archlint("show", MODELS / "clean_selu.keras", "--signal").out.splitlines()
    assert [line[:9].strip() for line in lines[2:5]] == ["rms", "input std", "gradient"]
    header = next(line for line in lines if line.startswith("layer"))
    assert all(column in header for column in COLUMNS)


def test_the_numbers_are_those_of_the_table_signal(archlint: Archlint) -> None:
    shown = archlint("show", RESNET, "--signal", "-f", "json").json
    sql = "SELECT name, rms, gradient, certainty FROM signal JOIN layer ON layer.id = layer ORDER BY layer.id"
    facts = archlint("query", RESNET, sql, "-f", "json").json
    assert set(shown) == {"model", "signal"}
    assert [{key: row[key] for key in facts[0]} for row in shown["signal"]] == facts


def test_in_a_pipe_it_is_plain_and_whole() -> None:
    ran = process("show", RESNET, "--signal")
    assert ran.returncode == 0
    assert "\x1b" not in ran.stdout
    assert sum(line.startswith("conv") for line in ran.stdout.splitlines()) > 150
    assert "◆" in ran.stdout


def test_on_a_terminal_marks_are_coloured_and_no_line_is_wider_than_it() -> None:
    shown = on_terminal("show", MODELS / "clean_cnn.keras", "--signal", columns=80)
    assert "\x1b[" in shown
    plain = on_terminal("show", MODELS / "clean_cnn.keras", "--signal", columns=80, NO_COLOR="1")
    assert max(map(len, plain.splitlines())) <= 80


def test_what_is_not_understood_is_marked(archlint: Archlint, opaque: Path) -> None:
    rows = {row["name"]: row for row in archlint("show", opaque, "--signal", "-f", "json").json["signal"]}
    assert [rows[name]["certainty"] for name in ("before", "mystery")] == ["exact", "unknown"]
    assert rows["mystery"]["rms"] is None
    assert "are not certain (~)" in archlint("show", opaque, "--signal").out


def test_without_the_shape_of_the_inputs_it_says_that_nothing_can_be_predicted(
    archlint: Archlint, tmp_path: Path
) -> None:
    shapeless = write_h5(tmp_path / "shapeless.h5", sequential(entry("Dense", name="dense", units=8)))
    ran = archlint("show", shapeless, "--signal")
    assert ran.code == 0
    assert "nothing can be predicted" in ran.out


def test_a_plot_is_a_picture_and_prints_nothing(archlint: Archlint, tmp_path: Path) -> None:
    picture = tmp_path / "profile.png"
    assert archlint("show", RESNET, "--plot", picture) == Ran(0, "", "")
    assert picture.read_bytes().startswith(PNG)


def test_a_plot_of_what_is_not_understood_is_drawn_all_the_same(
    archlint: Archlint, opaque: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "profile.svg"
    ran = archlint("show", opaque, "--signal", "--plot", picture)
    assert (ran.code, "mystery" in ran.out) == (0, True)
    text = picture.read_text("utf-8")
    assert all(word in text for word in ("unknown", "mystery", "gradient"))


def test_a_plot_with_another_ending_is_refused(archlint: Archlint, tmp_path: Path) -> None:
    target = tmp_path / "model.h5"
    ran = archlint("show", RESNET, "--plot", target)
    assert (ran.code, target.exists()) == (2, False)
    assert "end it in one of .png, .svg, .pdf" in ran.err


def test_a_plot_that_cannot_be_written_is_one_sentence(archlint: Archlint, tmp_path: Path) -> None:
    ran = archlint("show", RESNET, "--plot", tmp_path / "nowhere" / "a.png")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "cannot be written" in ran.err


def test_without_matplotlib_one_sentence_says_how_to_get_it(
    archlint: Archlint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    ran = archlint("show", RESNET, "--plot", tmp_path / "a.png")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "pip install 'archlint[verify]'" in ran.err


SPARKLINES: list[tuple[list[Any], int, str]] = [
    ([], 8, ""),
    ([1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0], 8, "▁▂▃▄▅▆▇█"),
    ([1.0, None, 0.1], 8, "█ ▁"),
    ([0.0, 1e-3, 1.0], 8, "▁▁█"),
    ([1e-4, 1e-2, 1e-1, 1e1], 2, "▁█"),
    ([1.0, 1.02], 8, "▄▅"),
    ([float("inf"), 1.0, 10.0], 8, "▁▁█"),
]


@pytest.mark.parametrize(("values", "most", "expected"), SPARKLINES)
def test_a_sparkline_is_logarithmic_and_does_not_blow_up_noise(
    values: list[float | None], most: int, expected: str
) -> None:
    assert sparkline(values, most) == expected


def test_json_is_strict_json() -> None:
    ran = process("show", RESNET, "--signal", "--format", "json")
    json.loads(ran.stdout, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
