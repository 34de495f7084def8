"""Training data, given with --data: it is read once, told apart, matched with the model, and judged."""

import csv
import io
import json
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import FIXTURES, entry, sequential, write_h5

from archlint import cli, dataset
from archlint.dataset import arrays, csv_file, statistics, table
from archlint.dataset.statistics import Features, Targets

Run = Callable[..., tuple[int, str, str]]
Ask = Callable[..., list[dict[str, Any]]]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4))
Y = RNG.integers(0, 3, 50)
NAMES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cache: Path, tmp_path: Path) -> Run:
    """Runs a command in this process, in a folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["archlint", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        return (code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


@pytest.fixture
def ask(run: Run) -> Ask:
    """The rows of a query about a model and its data."""

    def ask(sql: str, *options: object, model: object = "model.h5") -> list[dict[str, Any]]:
        code, out, err = run("query", model, sql, "-f", "json", *options)
        assert code == 0, err
        rows: list[dict[str, Any]] = json.loads(out)
        return rows

    return ask


def mlp(
    path: Path,
    inputs: int | tuple[int, ...] = 4,
    units: int = 3,
    activation: str = "softmax",
    loss: str | None = "sparse_categorical_crossentropy",
) -> Path:
    """A dense network, or a convolution over maps, as Keras 2 saves it."""
    shape = [None, *((inputs,) if isinstance(inputs, int) else inputs)]
    hidden = (
        entry("Dense", name="hidden", units=8, activation="tanh", batch_input_shape=shape)
        if len(shape) == 2
        else entry("Conv2D", name="hidden", filters=8, kernel_size=[3, 3], batch_input_shape=shape)
    )
    flat = [] if len(shape) == 2 else [entry("Flatten", name="flat")]
    head = entry("Dense", name="head", units=units, activation=activation)
    training = {"loss": loss, "optimizer_config": {"class_name": "Adam", "config": {"learning_rate": 0.001}}}
    return write_h5(path, sequential(hidden, *flat, head), training if loss else None)


def branches(path: Path) -> Path:
    """Two inputs, `size` of one value and `place` of two, and two outputs, `price` and `kind`."""

    def reads(*names: str) -> list[Any]:
        return [[[name, 0, 0, {}] for name in names]]

    def layer(class_name: str, name: str, *inputs: str, **config: Any) -> dict[str, Any]:
        nodes = reads(*inputs) if inputs else []
        return {"class_name": class_name, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}

    config = {
        "name": "branches",
        "layers": [
            layer("InputLayer", "size", batch_input_shape=[None, 1]),
            layer("InputLayer", "place", batch_input_shape=[None, 2]),
            layer("Concatenate", "both", "size", "place"),
            layer("Dense", "price", "both", units=1, activation="linear"),
            layer("Dense", "kind", "both", units=3, activation="softmax"),
        ],
        "input_layers": [["size", 0, 0], ["place", 0, 0]],
        "output_layers": [["price", 0, 0], ["kind", 0, 0]],
    }
    losses = {"price": "mse", "kind": "sparse_categorical_crossentropy"}
    training = {"loss": losses, "optimizer_config": {"class_name": "Adam", "config": {"learning_rate": 0.001}}}
    return write_h5(path, {"class_name": "Functional", "config": config}, training)


def write_csv(path: Path, rows: Any, header: Any = (*NAMES, "kind"), **settings: Any) -> Path:
    with path.open("w", newline="", encoding=settings.pop("encoding", "utf-8")) as file:
        writer = csv.writer(file, **settings)
        writer.writerows([header, *rows])
    return path


def write_parquet(path: Path, columns: dict[str, Any]) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path)
    return path


def rows() -> list[list[Any]]:
    return [[*values, label] for values, label in zip(X.tolist(), Y.tolist(), strict=True)]


def given(folder: Path, kind: str) -> list[object]:
    """The options that give X and Y in a file of some kind."""
    path = folder / f"train.{kind}"
    if kind == "npz":
        np.savez(path, x=X, y=Y)
        return ["--data", path]
    if kind == "csv":
        write_csv(path, rows())
    else:
        write_parquet(path, {**dict(zip(NAMES, X.T, strict=True)), "kind": Y})
    return ["--data", path, "--target", "kind"]


# What the data shows


@pytest.mark.parametrize("kind", ["npz", "csv", "parquet"])
def test_the_same_data_shows_the_same_in_every_format(ask: Ask, tmp_path: Path, kind: str) -> None:
    mlp(tmp_path / "model.h5")
    options = given(tmp_path, kind)
    features = ask("SELECT * FROM feature ORDER BY number", *options)
    assert [feature["name"] for feature in features] == ([None] * 4 if kind == "npz" else list(NAMES))
    for column, expected in (("mean", X.mean(0)), ("std", X.std(0)), ("low", X.min(0)), ("high", X.max(0))):
        assert [feature[column] for feature in features] == pytest.approx(expected.tolist())
    assert ask("SELECT * FROM target", *options) == [
        {"output": 0, "kind": "labels", "width": 1, "classes": 3, "low": 0.0, "high": 2.0, "missing": 0}
    ]
    assert ask("SELECT * FROM data", *options) == [
        {"name": f"train.{kind}", "samples": 50, "seen": 50, "validation": None, "tabular": int(kind != "npz")}
    ]
    assert ask("SELECT samples FROM model", *options) == [{"samples": 50}]


def test_facts_hold_the_data(run: Run, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5")
    tables = json.loads(run("facts", "model.h5", *given(tmp_path, "csv"))[1])
    assert [len(tables[name]) for name in ("data", "feature", "target")] == [1, 4, 1]


@pytest.mark.parametrize(
    ("y", "units", "expected"),
    [
        (Y, 3, ("labels", 1, 3)),
        (Y[:, None], 3, ("labels", 1, 3)),
        (np.eye(3)[Y], 3, ("one_hot", 3, 3)),
        (np.eye(4)[Y], 4, ("one_hot", 4, 3)),
        (RNG.integers(0, 2, (50, 3)), 3, ("multi_hot", 3, None)),
        (RNG.dirichlet(np.ones(3), 50).astype("float16"), 3, ("distribution", 3, None)),
        (X[:, :3], 3, ("real", 3, None)),
        (X[:, 0], 1, ("real", 1, None)),
        (Y, 1, ("labels", 1, 3)),
        (Y > 1, 1, ("labels", 1, 2)),
        (np.array(["no", "yes"])[Y % 2], 1, ("labels", 1, 2)),
    ],
    ids="labels column one_hot unused multi_hot distribution real number counts truth texts".split(),
)
def test_targets_are_told_apart(ask: Ask, tmp_path: Path, y: Any, units: int, expected: tuple[Any, ...]) -> None:
    mlp(tmp_path / "model.h5", units=units)
    np.savez(tmp_path / "train.npz", x=X, y=y)
    (found,) = ask("SELECT kind, width, classes FROM target", "--data", "train.npz")
    assert tuple(found.values()) == expected


def test_what_is_missing_is_counted_and_left_out_of_the_rest(ask: Ask, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5", inputs=2, units=1)
    write_csv(tmp_path / "t.csv", [[1, "", 0], [3, "NA", 1], ["nan", 2.5, "?"]], ("a", "b", "c"))
    options = ("--data", "t.csv", "--target", "c")
    assert ask("SELECT name, mean, low, high, missing, whole FROM feature", *options) == [
        {"name": "a", "mean": 2.0, "low": 1.0, "high": 3.0, "missing": 1, "whole": 1},
        {"name": "b", "mean": 2.5, "low": 2.5, "high": 2.5, "missing": 2, "whole": 0},
    ]
    assert ask("SELECT kind, classes, missing FROM target", *options) == [
        {"kind": "labels", "classes": 2, "missing": 1}
    ]


def test_a_feature_of_nothing_but_gaps_has_no_statistics(ask: Ask, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5", inputs=1)
    np.savez(tmp_path / "train.npz", x=np.full((5, 1), np.inf))
    assert ask("SELECT mean, std, low, high, missing FROM feature", "--data", "train.npz") == [
        {"mean": None, "std": None, "low": None, "high": None, "missing": 5}
    ]


def test_numbers_too_large_to_be_squared_have_no_deviation(
    ask: Ask, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    mlp(tmp_path / "model.h5", inputs=1)
    np.savez(tmp_path / "train.npz", x=np.array([[1e300], [-1e300]]))
    assert ask("SELECT std, high FROM feature", "--data", "train.npz") == [{"std": None, "high": 1e300}]
    assert [str(warning.message) for warning in recwarn] == []


def test_texts_in_a_target_are_classes(ask: Ask, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5", inputs=1)
    kinds = [[1, "setosa"], [2, "virginica"], [3, ""], [4, "setosa"], [5, "7"]]
    write_csv(tmp_path / "t.csv", kinds, ("a", "kind"))
    expected = [{"kind": "labels", "classes": 3, "low": 0.0, "high": 2.0, "missing": 1}]
    sql = "SELECT kind, classes, low, high, missing FROM target"
    assert ask(sql, "--data", "t.csv", "--target", "kind") == expected
    write_parquet(tmp_path / "t.parquet", {"a": [1, 2, 3, 4, 5], "kind": [kind or None for _, kind in kinds]})
    assert ask(sql, "--data", "t.parquet", "--target", "kind") == expected


def test_whole_numbers_among_texts_keep_all_their_digits(
    monkeypatch: pytest.MonkeyPatch, ask: Ask, tmp_path: Path
) -> None:
    mlp(tmp_path / "model.h5", inputs=1)
    monkeypatch.setattr(table, "BLOCK", 4)  # two rows: the first block is all numbers
    write_csv(tmp_path / "t.csv", [[1, 1000001], [2, 1000002], [3, "old"], [4, 1000001]], ("a", "kind"))
    assert ask("SELECT classes FROM target", "--data", "t.csv", "--target", "kind") == [{"classes": 3}]


def test_validation_groups_and_test_data_are_known_for_what_they_are(ask: Ask, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5")
    np.savez(tmp_path / "t.npz", x_train=X, y_train=Y, x_val=X[:7], y_val=Y[:7], groups=Y, x_test=X[:3], y_test=Y[:3])
    assert ask("SELECT samples, validation FROM data", "--data", "t.npz") == [{"samples": 50, "validation": 7}]


def test_channels_of_a_map_are_features(ask: Ask, tmp_path: Path) -> None:
    images = RNG.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    mlp(tmp_path / "model.h5", inputs=(8, 8, 3))
    np.savez(tmp_path / "t.npz", x=images, y=Y[:6])
    found = ask("SELECT mean, whole FROM feature", "--data", "t.npz")
    assert [row["mean"] for row in found] == pytest.approx(images.mean((0, 1, 2)).tolist())
    assert all(row["whole"] for row in found)


def test_the_columns_of_a_table_may_be_the_pixels_of_a_map(ask: Ask, tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (6, 48))
    mlp(tmp_path / "model.h5", inputs=(4, 4, 3))
    header = (*(f"p{number}" for number in range(48)), "digit")
    write_csv(tmp_path / "t.csv", [[*row, 1] for row in pixels.tolist()], header)
    found = ask("SELECT name, mean, std FROM feature", "--data", "t.csv", "--target", "digit")
    channels = pixels.reshape(-1, 3)
    assert [row["mean"] for row in found] == pytest.approx(channels.mean(0).tolist())
    assert [row["std"] for row in found] == pytest.approx(channels.std(0).tolist())
    assert {row["name"] for row in found} == {None}


@pytest.mark.parametrize("order", ["C", "F"])
def test_statistics_do_not_depend_on_the_blocks(
    monkeypatch: pytest.MonkeyPatch, ask: Ask, tmp_path: Path, order: Any
) -> None:
    mlp(tmp_path / "model.h5")
    np.savez_compressed(tmp_path / "t.npz", x=np.asarray(X + 1000, order=order), y=Y)
    sql = "SELECT mean, std, low, high FROM feature"
    whole = ask(sql, "--data", "t.npz")
    monkeypatch.setattr(arrays, "BLOCK", 13)
    for one, other in zip(whole, ask(sql, "--data", "t.npz"), strict=True):
        assert one == pytest.approx(other)


def test_statistics_of_blocks_go_together() -> None:
    left, right = Features.of(X[:20]), Features.of(X[20:])
    assert left.merged(right).std.tolist() == pytest.approx(X.std(0).tolist())
    joined = Targets.of(Y[:9, None] * 1.0).merged(Targets.of(Y[9:, None] * 1.0))
    assert (joined.labels, joined.whole, joined.binary) == ({0, 1, 2}, True, False)


# Several inputs and outputs


@pytest.mark.parametrize("names", [("x_0", "x_1", "y_0", "y_1"), ("size", "place", "price", "kind")])
def test_arrays_find_their_inputs_and_outputs_by_number_or_name(
    ask: Ask, tmp_path: Path, names: tuple[str, ...]
) -> None:
    branches(tmp_path / "model.h5")
    np.savez(tmp_path / "t.npz", **dict(zip(names, (X[:, :1], X[:, 1:3], X[:, 3], Y), strict=True)))
    found = ask("SELECT layer.name AS name, mean FROM feature JOIN layer ON layer.id = layer", "--data", "t.npz")
    assert [row["name"] for row in found] == ["size", "place", "place"]
    assert [row["mean"] for row in found] == pytest.approx(X[:, :3].mean(0).tolist())
    assert ask("SELECT output, kind FROM target", "--data", "t.npz") == [
        {"output": 0, "kind": "real"},
        {"output": 1, "kind": "labels"},
    ]


def test_arrays_that_are_for_nobody_are_left_alone(ask: Ask, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5")
    np.savez(tmp_path / "t.npz", x=X, ids=np.arange(50))
    assert ask("SELECT count(*) AS features FROM feature", "--data", "t.npz") == [{"features": 4}]


def test_columns_find_the_inputs_and_outputs_of_their_names(run: Run, ask: Ask, tmp_path: Path) -> None:
    branches(tmp_path / "model.h5")
    write_csv(tmp_path / "t.csv", [[1, 2.5, 1], [2, 3.5, 0]], ("size", "price", "kind"))
    options = ("--data", "t.csv", "--target", "price", "--target", "kind")
    code, out, _ = run("check", "model.h5", *options)
    assert (
        code,
        "t.csv has no column for its input place; for several inputs (size, place) give a table"
        in " ".join(out.split()),
    ) == (2, True)


def test_several_target_columns_are_one_target_of_several_values(ask: Ask, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5", inputs=1, units=2, activation="linear", loss="mse")
    write_csv(tmp_path / "t.csv", [[1, 2.5, 1], [2, 3.5, 0]], ("size", "price", "age"))
    options = ("--data", "t.csv", "--target", "price", "--target", "age")
    assert ask("SELECT kind, width, low, high FROM target", *options) == [
        {"kind": "real", "width": 2, "low": 0.0, "high": 3.5}
    ]


# Tables as they come


@pytest.mark.parametrize(
    "settings",
    [
        {"delimiter": ";"},
        {"delimiter": "\t"},
        {"delimiter": "|"},
        {"quoting": csv.QUOTE_ALL},
        {"encoding": "utf-8-sig"},
        {"encoding": "utf-16"},
        {"lineterminator": "\n\n"},
        {"lineterminator": "\r\n"},
    ],
    ids=str,
)
def test_a_table_is_read_however_it_was_written(ask: Ask, tmp_path: Path, settings: dict[str, Any]) -> None:
    mlp(tmp_path / "model.h5")
    write_csv(tmp_path / "t.csv", rows(), **settings)
    found = ask("SELECT name, mean FROM feature", "--data", "t.csv", "--target", "kind")
    assert [row["name"] for row in found] == list(NAMES)
    assert [row["mean"] for row in found] == pytest.approx(X.mean(0).tolist())


def test_names_may_hold_what_separates_columns(ask: Ask, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5", inputs=2)
    write_csv(tmp_path / "t.csv", [[1, 2, 0], [3, 4, 1]], ("a;b;c;d", " e ", "kind"))
    found = ask("SELECT name FROM feature", "--data", "t.csv", "--target", "kind")
    assert [row["name"] for row in found] == ["a;b;c;d", "e"]


@pytest.mark.parametrize("nameless", ["", "Unnamed: 0"])
def test_the_numbers_of_rows_are_no_feature(ask: Ask, tmp_path: Path, nameless: str) -> None:
    mlp(tmp_path / "model.h5", inputs=1)
    write_csv(tmp_path / "t.csv", [[0, 1.5, 0], [1, 2.5, 1]], (nameless, "a", "kind"))
    assert ask("SELECT name FROM feature", "--data", "t.csv", "--target", "kind") == [{"name": "a"}]


def test_true_and_false_are_numbers(ask: Ask, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5", inputs=1, units=1)
    write_csv(tmp_path / "t.csv", [["True", "false"], ["FALSE", "true"]], ("a", "kind"))
    assert ask("SELECT low, high FROM feature", "--data", "t.csv", "--target", "kind") == [{"low": 0.0, "high": 1.0}]
    write_parquet(tmp_path / "t.parquet", {"a": [True, False], "kind": [1, None]})
    assert ask("SELECT low, missing FROM target", "--data", "t.parquet", "--target", "kind") == [
        {"low": 1.0, "missing": 1}
    ]


def test_a_table_may_come_through_a_pipe(tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5")
    text = write_csv(tmp_path / "t.csv", rows()).read_text("utf-8")
    command = [sys.executable, "-m", "archlint", "query", "model.h5", "SELECT samples FROM data", "-f", "json"]
    options = ["--data", "/dev/stdin", "--target", "kind"]
    root = Path(__file__).parents[1]
    ran = subprocess.run(
        [*command, *options], input=text, cwd=tmp_path, env={"PYTHONPATH": str(root)}, text=True, capture_output=True
    )
    assert json.loads(ran.stdout or ran.stderr) == [{"samples": 50}]


def test_of_a_long_table_the_first_rows_are_read_and_the_others_counted(
    monkeypatch: pytest.MonkeyPatch, run: Run, ask: Ask, tmp_path: Path
) -> None:
    mlp(tmp_path / "model.h5")
    monkeypatch.setattr(table, "CELLS", 100)
    for kind in ("csv", "parquet"):
        options = given(tmp_path, kind)
        assert ask("SELECT samples, seen FROM data", *options) == [{"samples": 50, "seen": 20}]
        assert ask("SELECT classes FROM target", *options) == [{"classes": None}]
        out = run("check", "model.h5", *options)[1]
        assert f"training data: train.{kind}, 50 samples, of which the first 20 were looked at" in out


def test_of_a_large_array_the_first_samples_are_read(monkeypatch: pytest.MonkeyPatch, ask: Ask, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5")
    monkeypatch.setattr(arrays, "VALUES", 40)
    assert ask("SELECT samples, seen FROM data", *given(tmp_path, "npz")) == [{"samples": 50, "seen": 10}]


# What is wrong with the data, in one sentence

DAMAGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "it is empty; save the data again"),
    "blank": (lambda path: path.write_text("\n \n"), "it is empty; save the data again"),
    "one array": (lambda path: np.save(path.open("wb"), X), "it holds one array; save np.savez('train.npz', x=x, y=y)"),
    "pickle": (
        lambda path: path.write_bytes(b"\x80\x04\x95"),
        "it is a Python pickle, which archlint never opens; save np.savez('train.npz', x=x, y=y)",
    ),
    "gzip": (lambda path: path.write_bytes(b"\x1f\x8b\x08"), "it is gzip-compressed; unpack it first (gunzip)"),
    "hdf5": (
        lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n"),
        "it is HDF5, the format of models; save np.savez('train.npz', x=x, y=y)",
    ),
    "lfs": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
        "it is a Git LFS pointer, not the data itself; run `git lfs pull`",
    ),
    "binary": (
        lambda path: path.write_bytes(b"abc\x00def"),
        "it is neither .npz nor .parquet nor text; give one of these or a .csv",
    ),
    "parquet": (
        lambda path: path.write_bytes(b"PAR1 and then nothing"),
        "it is no sound .parquet file (",
    ),
    "latin-1": (
        lambda path: path.write_bytes("größe,kind\n1,2\n".encode("latin-1")),
        "it is not UTF-8 (invalid start byte); save it as UTF-8",
    ),
    "no target": (
        lambda path: write_csv(path, [[1, 2]], ("size", "kind")),
        "name the column that is to be learned: --target COLUMN; there are size, kind",
    ),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_file_that_is_no_training_data_is_one_sentence(run: Run, tmp_path: Path, case: str) -> None:
    write, expected = DAMAGED[case]
    mlp(tmp_path / "model.h5")
    write(tmp_path / "data")
    code, out, err = run("check", "model.h5", "--data", "data")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"archlint: --data data: {expected}")


def test_a_file_that_is_not_there_is_one_sentence(run: Run, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5")
    assert run("check", "model.h5", "--data", "no.csv")[2] == (
        "archlint: --data no.csv cannot be read: No such file or directory\n"
    )
    assert run("check", "model.h5", "--data", ".")[2] == "archlint: --data . cannot be read: Is a directory\n"


TABLES = {
    "no such column": ("a,kind\n1,2\n", "there is no column 'kinds'; did you mean kind?", "kinds"),
    "nothing like it": ("a,kind\n1,2\n", "there is no column 'zzz'; there are a, kind", "zzz"),
    "only the target": ("kind\n1\n", "it has no column besides 'kind', so there is nothing to learn from", "kind"),
    "twice": ("a,a,kind\n1,2,3\n", "2 of its columns are called 'a'; rename them", "kind"),
    "no rows": ("a,kind\n", "it has a header but no rows; save the data again", "kind"),
    "no header": (
        "1.5,2,3\n2,3,4\n",
        "its first line holds only numbers (1.5, 2, 3 …), so the columns have no names; add a header",
        "kind",
    ),
    "ragged": (
        "a,kind\n1,2\n1,2,3\n",
        "around line 3 a row has 3 fields, but the header 2; look for a missing quote or delimiter",
        "kind",
    ),
    "texts": (
        "a,kind\n1,2\nred,3\n",
        "the column 'a' holds text ('red'), and models read numbers; "
        "save the table as your training code encodes it, or without that column",
        "kind",
    ),
    "a field without end": (f"a,kind\n1,{'x' * 140_000}\n", "it is no table of text (field larger than", "kind"),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_table_that_cannot_be_used_is_one_sentence(run: Run, tmp_path: Path, case: str) -> None:
    text, expected, column = TABLES[case]
    mlp(tmp_path / "model.h5")
    (tmp_path / "t.csv").write_text(text)
    code, out, err = run("check", "model.h5", "--data", "t.csv", "--target", column)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"archlint: --data t.csv: {expected}")


def test_texts_and_lists_in_a_parquet_table_are_named(run: Run, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5")
    write_parquet(tmp_path / "t.parquet", {"a": ["red"], "kind": [1]})
    options = ("--data", "t.parquet", "--target", "kind")
    assert "the column 'a' holds text ('red')" in run("check", "model.h5", *options)[2]
    write_parquet(tmp_path / "t.parquet", {"a": [[1, 2]], "kind": [1]})
    assert "the column 'a' holds list<" in run("check", "model.h5", *options)[2]


ARCHIVES: dict[str, tuple[dict[str, Any], str]] = {
    "lengths": (
        {"x": X, "y": Y[:49]},
        "x holds 50 samples (50x4), but y 49 (49); they must be as many",
    ),
    "no samples": ({"x": X[:0], "y": Y[:0]}, "x holds no values (0x4); save np.savez('train.npz', x=x, y=y)"),
    "no input": ({"y": Y}, "it holds y, but nothing for the input; save np.savez('train.npz', x=x, y=y)"),
    "gaps": ({"x_0": X, "x_2": X}, "its arrays x_… must be numbered from 0, without gaps: x_0, x_1, …"),
    "validation": (
        {"x": X, "x_val": X[:3], "y_val": Y[:4]},
        "its validation arrays hold 3 and 4 samples; save np.savez('train.npz', x=x, y=y)",
    ),
    "dates": (
        {"x": np.array(["2020-01-01"], "datetime64[D]")},
        "the array x holds datetime64[D], no numbers; save it as float32 or int64",
    ),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_arrays_that_cannot_be_used_are_one_sentence(run: Run, tmp_path: Path, case: str) -> None:
    held, expected = ARCHIVES[case]
    mlp(tmp_path / "model.h5")
    np.savez(tmp_path / "t.npz", **held)
    code, out, err = run("check", "model.h5", "--data", "t.npz")
    assert (code, out, err) == (2, "", f"archlint: --data t.npz: {expected}\n")


class Payload:
    """An object that leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_arrays_of_objects_are_never_unpickled(run: Run, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5")
    np.savez(tmp_path / "t.npz", x=np.array([Payload(tmp_path / "mark")], dtype=object), y=Y[:1])
    err = run("check", "model.h5", "--data", "t.npz")[2]
    assert err == (
        "archlint: --data t.npz: the array x holds Python objects, which are pickled, and archlint never unpickles; "
        "make it an array of numbers: np.asarray(x, dtype='float32')\n"
    )
    assert not (tmp_path / "mark").exists()


def test_an_archive_without_arrays_or_with_half_an_array_is_one_sentence(run: Run, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5")
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    assert "it is a zip archive without arrays; save np.savez" in run("check", "model.h5", "--data", "t.npz")[2]
    whole = io.BytesIO()
    np.save(whole, X)
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        archive.writestr("x.npy", whole.getvalue()[:-8])
    assert "the array x ends before its 50 samples do" in run("check", "model.h5", "--data", "t.npz")[2]
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        archive.writestr("x.npy", b"no array")
    assert "one of its arrays is damaged (" in run("check", "model.h5", "--data", "t.npz")[2]


def header(shape: tuple[int, ...], kind: str = "<f4") -> bytes:
    """The start of an array that goes on otherwise than it says."""
    made = io.BytesIO()
    np.lib.format.write_array_header_2_0(made, {"descr": kind, "fortran_order": False, "shape": shape})
    return made.getvalue()


@pytest.mark.parametrize(
    ("member", "content", "packing", "expected"),
    [
        ("x.npy", header((1, 10**12)), zipfile.ZIP_STORED, "one sample of x has 1,000,000,000,000 values; give"),
        ("x.npy", header((1,) * 70) + bytes(4), zipfile.ZIP_STORED, "the array x is damaged (maximum supported"),
        ("y.npy", header((50,), "<U0"), zipfile.ZIP_STORED, "the array y is damaged (itemsize cannot be zero"),
        ("x.npy", b"\x93NUMPY\x02\x00" + b"\xff" * 99, zipfile.ZIP_DEFLATED, "one of its arrays is damaged ("),
        ("x.npy", header((50, 4)), zipfile.ZIP_LZMA, "its arrays are packed in a way that NumPy does not know; save"),
    ],
    ids=["sample", "axes", "texts", "header", "packing"],
)
def test_an_array_that_no_numpy_wrote_is_one_sentence(
    run: Run, tmp_path: Path, member: str, content: bytes, packing: int, expected: str
) -> None:
    mlp(tmp_path / "model.h5")
    np.savez(tmp_path / "t.npz", **({} if member == "x.npy" else {"x": X}))
    with zipfile.ZipFile(tmp_path / "t.npz", "a", packing) as archive:
        archive.writestr(member, content)
    code, out, err = run("check", "model.h5", "--data", "t.npz")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"archlint: --data t.npz: {expected}")


def test_a_header_is_not_unpacked_further_than_a_shape_can_reach(run: Run, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5")
    with zipfile.ZipFile(tmp_path / "t.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x02\x00" + (2**26).to_bytes(4, "little") + b" " * 2**26)
    tracemalloc.start()
    assert "one of its arrays is damaged (" in run("check", "model.h5", "--data", "t.npz")[2]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**24


def test_an_array_is_numbered_by_few_digits(ask: Ask, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5")
    np.savez(tmp_path / "t.npz", **{"x": X, f"y_{'9' * 5000}": Y})
    assert ask("SELECT count(*) AS targets FROM target", "--data", "t.npz") == [{"targets": 0}]


def test_of_many_arrays_or_columns_the_first_ones_are_listed(run: Run, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5")
    np.savez(tmp_path / "t.npz", **{f"y_{number}": Y for number in range(99)})
    assert "it holds y_0, y_1," in (err := run("check", "model.h5", "--data", "t.npz")[2])
    assert "y_29 … +69, but nothing for the input" in err
    write_csv(tmp_path / "t.csv", [range(99)], [f"c{number}" for number in range(99)])
    assert "c28, c29 … +69\n" in run("check", "model.h5", "--data", "t.csv")[2]


def test_a_line_without_end_is_not_read_to_it(monkeypatch: pytest.MonkeyPatch, run: Run, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5")
    monkeypatch.setattr(csv_file, "LINE", 1000)
    (tmp_path / "t.csv").write_text("a,kind\n" + "1," * 2000)
    assert run("check", "model.h5", "--data", "t.csv", "--target", "kind")[2] == (
        "archlint: --data t.csv: it has a line longer than any table's; save it as .csv, a line for each sample\n"
    )


@pytest.mark.parametrize("kind", ["npz", "csv"])
def test_too_many_texts_are_no_classes(monkeypatch: pytest.MonkeyPatch, ask: Ask, tmp_path: Path, kind: str) -> None:
    mlp(tmp_path / "model.h5", inputs=1, units=1)
    monkeypatch.setattr(statistics, "LABELS", 20)
    texts = [f"text {number}" for number in range(50)]
    np.savez(tmp_path / "t.npz", x=X[:, :1], y=np.array(texts))
    write_csv(tmp_path / "t.csv", zip(range(50), texts, strict=True), ("a", "kind"))
    options = ("--data", f"t.{kind}", *(("--target", "kind") if kind == "csv" else ()))
    assert ask("SELECT classes FROM target", *options) == [{"classes": None}]


def test_a_parquet_table_without_columns_is_one_sentence(run: Run, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5")
    write_parquet(tmp_path / "t.parquet", {})
    err = run("check", "model.h5", "--data", "t.parquet", "--target", "kind")[2]
    assert err == "archlint: --data t.parquet: it has no columns; save the data again\n"


def test_parquet_without_pyarrow_is_one_sentence(monkeypatch: pytest.MonkeyPatch, run: Run, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5")
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert run("check", "model.h5", "--data", "t.parquet")[2] == (
        "archlint: --data t.parquet: reading .parquet needs pyarrow; install archlint with its extra `data`\n"
    )


# Data that does not fit the model


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (
            {"x": RNG.normal(size=(50, 5)), "y": Y},
            "x in t.npz is 50x5, samples first, but its input input reads Nx4",
        ),
        (
            {"x": RNG.normal(size=(50, 4, 4)), "y": Y},
            "x in t.npz is 50x4x4, samples first, but its input input reads Nx4",
        ),
        (
            {"x": X, "y": X},
            "y in t.npz is 50x4, samples first, but its output head puts out Nx3",
        ),
        (
            {"x": X, "y": X[:, 0]},
            "y in t.npz is 50, samples first, but its output head puts out Nx3",
        ),
    ],
    ids=["features", "rank", "targets", "numbers for labels"],
)
def test_data_of_another_shape_fails_the_file_and_names_both(
    run: Run, tmp_path: Path, held: dict[str, Any], expected: str
) -> None:
    mlp(tmp_path / "model.h5")
    np.savez(tmp_path / "t.npz", **held)
    code, out, _ = run("check", "model.h5", "--data", "t.npz", "-f", "json")
    (file,) = json.loads(out)["files"]
    assert (code, file["status"]) == (2, "failed")
    start, end = file["error"].split(": ", 1)[0], file["error"].split("; ")[-1]
    assert (start, end) == ("the training data does not fit it", "give the data that it is trained with")
    assert expected in file["error"]


def test_a_table_of_another_width_is_described_by_its_columns(run: Run, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5", inputs=7)
    out = " ".join(run("check", "model.h5", *given(tmp_path, "csv"))[1].split())
    assert "the table without kind in train.csv is 50x4, samples first, but its input" in out


def test_what_lacks_for_an_input_or_output_is_said_with_what_there_is(run: Run, tmp_path: Path) -> None:
    branches(tmp_path / "model.h5")
    np.savez(tmp_path / "t.npz", x_0=X[:, :1], y=Y)
    out = " ".join(run("check", "model.h5", "--data", "t.npz")[1].split())
    assert "t.npz holds x_0, y, but nothing for its input place; name the arrays x_0, x_1, … or size, place" in out
    np.savez(tmp_path / "t.npz", x_0=X[:, :1], x_1=X[:, :2], price=X[:, 0])
    out = " ".join(run("check", "model.h5", "--data", "t.npz")[1].split())
    assert "but nothing for its output kind; name the arrays y_0, y_1, … or price, kind" in out


def test_a_last_axis_of_one_may_be_there_or_not(ask: Ask, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5", inputs=(8, 8, 1), units=1)
    for shape in ((6, 8, 8), (6, 8, 8, 1)):
        np.savez(tmp_path / "t.npz", x=np.ones(shape), y=np.ones((6, 1)))
        assert ask("SELECT mean FROM feature", "--data", "t.npz") == [{"mean": 1.0}]


def test_the_files_that_the_data_fits_are_checked_all_the_same(run: Run, tmp_path: Path) -> None:
    mlp(tmp_path / "good.h5")
    mlp(tmp_path / "other.h5", inputs=9)
    code, out, _ = run("check", "good.h5", "other.h5", *given(tmp_path, "npz"), "-f", "json")
    assert (code, [file["status"] for file in json.loads(out)["files"]]) == (2, ["checked", "failed"])


def test_the_data_is_read_once_for_all_models(monkeypatch: pytest.MonkeyPatch, run: Run, tmp_path: Path) -> None:
    calls: list[Path] = []
    real = dataset.load

    def counted(path: Path, *arguments: Any) -> Any:
        calls.append(path)
        return real(path, *arguments)

    monkeypatch.setattr(dataset, "load", counted)
    for name in ("a.h5", "b.h5", "c.h5"):
        mlp(tmp_path / name)
    assert run("check", "a.h5", "b.h5", "c.h5", *given(tmp_path, "npz"))[0] == 0
    assert len(calls) == 1


# --target names runtimes and columns


def test_a_runtime_and_a_column_are_told_apart(ask: Ask, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5")
    options = [*given(tmp_path, "csv"), "--target", "coreml"]
    assert ask("SELECT target, samples FROM model", *options) == [{"target": "coreml", "samples": 50}]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            ("--target", "tensort"),
            "--target tensort is no runtime; there are onnxruntime, tensorrt, coreml, nnapi; "
            "to name the column that a model learns, give its table with --data",
        ),
        (
            ("--target", "nnapi", "--target", "coreml"),
            "--target names nnapi and coreml; check the model for one runtime at a time",
        ),
        (
            ("--data", "train.npz", "--target", "kind"),
            "--data train.npz: an .npz file has no columns, so --target kind names nothing in it; "
            "its targets are the array y",
        ),
    ],
)
def test_targets_that_make_no_sense_are_one_sentence(
    run: Run, tmp_path: Path, options: tuple[str, ...], expected: str
) -> None:
    mlp(tmp_path / "model.h5")
    given(tmp_path, "npz")
    assert run("check", "model.h5", *options) == (2, "", f"archlint: {expected}\n")


# What the report says


def test_the_report_names_the_data(run: Run, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5")
    options = given(tmp_path, "npz")
    expected = {"name": "train.npz", "samples": 50, "seen": 50, "validation": None}
    assert json.loads(run("check", "model.h5", *options, "-f", "json")[1])["data"] == expected
    assert json.loads(run("check", "model.h5", *options, "-f", "json-lines")[1].splitlines()[-1])["data"] == expected
    assert "training data: train.npz, 50 samples\n" in run("check", "model.h5", *options)[1]
    assert "training data" in run("check", "model.h5", *options, "-f", "concise")[2]
    assert "data" not in json.loads(run("check", "model.h5", "-f", "json")[1])


def test_without_data_or_targets_rules_about_them_are_not_checked(run: Run, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5")

    def reasons(*options: object) -> dict[str, str]:
        (file,) = json.loads(run("check", "model.h5", *options, "-f", "json")[1])["files"]
        return {entry["code"]: entry["why"] for entry in file["not_checked"]}

    assert reasons()["LOS011"] == reasons()["NRM008"] == "no training data was given; name it with --data"
    np.savez(tmp_path / "t.npz", x=X)
    found = reasons("--data", "t.npz")
    assert ("NRM008" in found, found["LOS011"]) == (
        False,
        "the training data holds no targets (only x); save them as y",
    )
    assert not {"NRM008", "LOS011", "LOS012", "ACT005"} & reasons(*given(tmp_path, "npz")).keys()


def found(run: Run, *options: object) -> dict[str, tuple[str, str]]:
    """Severity and message of each finding, by its code."""
    (file,) = json.loads(run("check", "model.h5", *options, "-f", "json")[1])["files"]
    assert file["error"] is None
    return {finding["code"]: (finding["severity"], finding["message"]) for finding in file["findings"]}


@pytest.mark.parametrize(("kind", "severity"), [("npz", "error"), ("csv", "warning")])
def test_labels_counted_from_one_are_found(run: Run, tmp_path: Path, kind: str, severity: str) -> None:
    mlp(tmp_path / "model.h5")
    np.savez(tmp_path / "t.npz", x=X, y=Y + 1)
    write_csv(tmp_path / "t.csv", [[*row, label + 1] for *row, label in rows()])
    options = ("--data", f"t.{kind}", *(("--target", "kind") if kind == "csv" else ()))
    assert found(run, *options)["LOS011"] == (
        severity,
        "head with sparse_categorical_crossentropy can only learn targets from 0 to 2, "
        "but those of the training data go from 1 to 3",
    )


def test_a_table_with_more_classes_than_units_is_an_error(run: Run, tmp_path: Path) -> None:
    kinds = ["setosa", "virginica", "versicolor", "none of them", "not seen"]
    write_csv(tmp_path / "t.csv", [[*row, kinds[number % 5]] for number, (*row, _) in enumerate(rows())])
    options = ("--data", "t.csv", "--target", "kind")
    mlp(tmp_path / "model.h5", loss="categorical_crossentropy")
    assert found(run, *options) == {
        "LOS012": (
            "error",
            "head has 3 units and categorical_crossentropy behind it, but the training data has 5 classes",
        )
    }
    mlp(tmp_path / "model.h5")
    assert found(run, *options)["LOS011"][0] == "error"


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_one_unit_for_two_classes_is_one_finding(run: Run, tmp_path: Path, loss: str) -> None:
    mlp(tmp_path / "model.h5", units=1, activation="sigmoid", loss=loss)
    np.savez(tmp_path / "t.npz", x=X, y=Y % 2)
    assert [code for code in found(run, "--data", "t.npz") if code.startswith("LOS")] == ["LOS002"]


@pytest.mark.parametrize(("scale", "expected"), [(1, []), (10, ["LOS011"])])
def test_a_squashed_regression_is_judged_by_its_targets(
    run: Run, tmp_path: Path, scale: float, expected: list[str]
) -> None:
    mlp(tmp_path / "model.h5", units=1, activation="sigmoid", loss="mse")
    assert [code for code in found(run) if code.startswith("LOS")] == ["LOS008"]
    np.savez(tmp_path / "t.npz", x=X, y=scale * np.linspace(0.1, 0.9, 50))
    assert [code for code in found(run, "--data", "t.npz") if code.startswith("LOS")] == expected


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_labels_of_a_table_may_become_rows_on_their_way(run: Run, tmp_path: Path, loss: str) -> None:
    mlp(tmp_path / "model.h5", loss=loss)
    assert found(run, *given(tmp_path, "csv")) == {}


def test_a_feature_out_of_scale_is_named(run: Run, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5", loss="sparse_categorical_crossentropy")
    write_csv(tmp_path / "t.csv", [[a, b, c / 1000, d, label] for a, b, c, d, label in rows()])
    severity, message = found(run, "--data", "t.csv", "--target", "kind")["NRM008"]
    assert severity == "advice"
    assert ", c one of 0.0" in message


def test_gaps_are_an_error_in_arrays_and_advice_in_a_table(run: Run, tmp_path: Path) -> None:
    mlp(tmp_path / "model.h5")
    gaps = np.where(np.arange(4) == 2, np.nan, X)
    np.savez(tmp_path / "t.npz", x=gaps, y=Y)
    assert found(run, "--data", "t.npz")["DAT001"][0] == "error"
    write_csv(tmp_path / "t.csv", [[a, b, "", d, label] for a, b, _, d, label in rows()])
    severity, message = found(run, "--data", "t.csv", "--target", "kind")["DAT001"]
    assert (severity, message.partition(":")[0]) == ("advice", "50 values of input are NaN or infinite (in c)")


def test_an_onnx_model_takes_data_too(ask: Ask, tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", x=RNG.normal(size=(9, 20)))
    counted = "SELECT count(*) AS features, samples FROM feature CROSS JOIN model"
    export = FIXTURES / "exports" / "mlp.torch.onnx"
    assert ask(counted, "--data", "t.npz", model=export) == [{"features": 20, "samples": 9}]


def test_few_samples_make_a_warning_of_advice(run: Run, tmp_path: Path) -> None:
    wide = [entry("Dense", name=f"wide_{number}", units=100, activation="relu") for number in range(2)]
    wide[0]["config"]["batch_input_shape"] = [None, 4]
    write_h5(tmp_path / "model.h5", sequential(*wide, entry("Dense", name="head", units=3, activation="softmax")))
    assert found(run)["DRP001"][0] == "advice"
    severity, message = found(run, *given(tmp_path, "npz"))["DRP001"]
    assert (severity, "train on 50 samples without dropout" in message) == ("warning", True)


def test_an_example_of_a_page_has_the_data_that_it_makes(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    from archlint.rules.proving import prove_pages

    root = Path(__file__).parents[1]
    page = (root / "rules" / "LOS011-target-range.md").read_text("utf-8")
    (tmp_path / "LOS011-target-range.md").write_text(page.replace("x = np.full((2, 4, 4, 1)", "x = np.full((2, 5, 5)"))
    (result,) = prove_pages([tmp_path], ())
    assert [failure.partition(": ")[2] for failure in result.failures] == [
        "the example cannot be read: the training data does not fit it: x in train.npz is 2x5x5, samples first, "
        "but its input input_layer reads Nx4x4x1; give the data that it is trained with"
    ]
