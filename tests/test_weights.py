"""What the numbers of stored weights show: statistics, what was never trained, and when they are read at all."""

import shutil
import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support import FIXTURES, query

from archlint.cli import progress
from archlint.evidence import Evidence, Reading
from archlint.facts import build
from archlint.pipeline import check
from archlint.readers import open_model
from archlint.rules import load

RANDOM = np.random.default_rng(20240704)


def dense(path: Path, *kernels: np.ndarray[Any, Any]) -> Path:
    """An ONNX file in which each kernel (inputs, units) is multiplied by the value of the one before it."""
    kind = helper.np_dtype_to_tensor_dtype(kernels[0].dtype)
    nodes = [helper.make_node("MatMul", [f"x{at}", f"w{at}"], [f"x{at + 1}"]) for at in range(len(kernels))]
    ends = [
        helper.make_tensor_value_info("x0", kind, ["N", kernels[0].shape[0]]),
        helper.make_tensor_value_info(f"x{len(kernels)}", kind, ["N", kernels[-1].shape[1]]),
    ]
    stored = [numpy_helper.from_array(kernel, f"w{at}") for at, kernel in enumerate(kernels)]
    graph = helper.make_graph(nodes, "dense", ends[:1], ends[1:], stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def conv(path: Path, kernel: np.ndarray[Any, Any]) -> Path:
    """An ONNX file with one convolution (filters, channels, height, width)."""
    sizes = [("x", ["N", kernel.shape[1], 9, 9]), ("y", ["N", kernel.shape[0], None, None])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in sizes]
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "conv", ends[:1], ends[1:], [numpy_helper.from_array(kernel, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def drawn(*shape: int, kind: str = "f4", scale: float = 0.1) -> np.ndarray[Any, Any]:
    return (RANDOM.standard_normal(shape) * scale).astype(kind)


def facts(path: Path, columns: str) -> Any:
    """The columns of the only weight in a file."""
    (row,) = query(path, f"SELECT {columns} FROM weight")
    return row[0] if len(row) == 1 else row


def edited(path: Path, name: str, **changes: Any) -> Path:
    """A fixture in which the weights whose path ends like the key (`__` for `/`) are set to the value."""
    shutil.copy(FIXTURES / "models" / name, path)
    with h5py.File(path, "r+") as file:
        found: list[str] = []
        file.visit(found.append)
        for key, value in changes.items():
            (place,) = [one for one in found if one.endswith(key.replace("__", "/"))]
            file[place][...] = value
    return path


SHAPES = [(3, 5), (64, 1000), (1000, 64), (300_000, 2), (2, 300_000), (700, 301)]
KINDS = ["f2", "f4", "f8"]


class TestStatistics:
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    @pytest.mark.parametrize("kind", KINDS)
    def test_they_are_what_numpy_works_out_over_the_whole_tensor(self, tmp_path: Path, shape: Any, kind: str) -> None:
        kernel = drawn(*shape, kind=kind)
        kernel[0, :] = 0
        exact = kernel.astype("f8")
        found = facts(dense(tmp_path / "m.onnx", kernel), "absmax, mean, std, magnitude, zeros, units, dead_units")
        expected = (abs(exact).max(), exact.mean(), exact.std(), abs(exact).mean(), (exact == 0).mean(), shape[1])
        assert found[:6] == pytest.approx(expected, rel=1e-5, abs=1e-7)
        assert found[6] == np.count_nonzero(abs(exact).max(axis=0) < 1e-6)

    def test_a_spread_far_smaller_than_the_mean_is_exact(self, tmp_path: Path) -> None:
        kernel = 1000 + drawn(300, 400, scale=0.5)
        path = dense(tmp_path / "m.onnx", kernel)
        assert facts(path, "std") == pytest.approx(kernel.astype("f8").std(), rel=1e-4)

    def test_what_is_not_finite_is_counted_and_left_out(self, tmp_path: Path) -> None:
        kernel = drawn(500, 300)
        kernel[3, :2], kernel[4, 5] = np.nan, -np.inf
        finite = kernel[np.isfinite(kernel)].astype("f8")
        found = facts(dense(tmp_path / "m.onnx", kernel), "nans, infinities, absmax, std, dead_units, alike")
        assert found == (2, 1, pytest.approx(abs(finite).max()), pytest.approx(finite.std(), rel=1e-5), None, None)

    def test_where_nothing_is_finite_there_are_no_statistics(self, tmp_path: Path) -> None:
        path = dense(tmp_path / "m.onnx", np.full((4, 4), np.nan, "f4"))
        assert facts(path, "nans, absmax, mean, std, magnitude, constant") == (16, None, None, None, None, None)

    def test_numbers_near_the_end_of_their_range_do_no_harm(self, tmp_path: Path) -> None:
        path = dense(tmp_path / "m.onnx", np.array([[1e300, -1e300], [1e300, 1.0]]))
        assert facts(path, "absmax, magnitude") == (1e300, pytest.approx(7.5e299))
        path = dense(tmp_path / "n.onnx", np.array([[1e30, -1e30], [1e30, -1e30]], "f4"))
        assert facts(path, "std") == pytest.approx(1e30)

    def test_nothing_is_said_of_what_holds_no_numbers(self, tmp_path: Path) -> None:
        path = tmp_path / "m.h5"
        shutil.copy(FIXTURES / "models" / "clean_cnn.h5", path)
        with h5py.File(path, "r+") as file:
            found: list[str] = []
            file.visit(found.append)
            emptied = ("batch_normalization/moving_variance", "dense/kernel")
            for place in [one for one in found if one.endswith(emptied)]:
                shape = file[place].shape
                del file[place]
                file.create_dataset(place, (*shape[:-1], 0), "f4")
        sql = "SELECT dead_units, alike, small FROM weight WHERE elements = 0"
        assert query(path, sql) == [(None, None, None)] * 2
        assert not [finding.code for finding in check(path, load()).findings if finding.code.startswith("WGT")]

    def test_one_number_throughout_is_named(self, tmp_path: Path) -> None:
        path = dense(tmp_path / "m.onnx", np.full((300, 500), 0.1, "f4"))
        assert facts(path, "constant, std, alike") == (pytest.approx(0.1), 0, 1)
        almost = np.full((300, 500), 0.1, "f4")
        almost[299, 499] = np.nextafter(almost[0, 0], np.float32(1))
        assert facts(dense(tmp_path / "n.onnx", almost), "constant, alike") == (None, 0)

    def test_units_are_the_columns_of_a_dense_kernel_and_the_filters_of_a_convolution(self, tmp_path: Path) -> None:
        kernel = drawn(20, 3)
        kernel[:, 1] = 1e-7
        assert facts(dense(tmp_path / "m.onnx", kernel), "units, dead_units, alike") == (3, 1, 0)
        filters = drawn(6, 4, 3, 3)
        filters[[0, 5]] = 0
        assert facts(conv(tmp_path / "n.onnx", filters), "units, dead_units, alike") == (6, 2, 0)

    def test_units_with_the_same_numbers_are_alike(self, tmp_path: Path) -> None:
        assert facts(conv(tmp_path / "m.onnx", np.repeat(drawn(1, 4, 3, 3), 6, axis=0)), "alike") == 1
        assert facts(dense(tmp_path / "n.onnx", np.repeat(drawn(600, 1), 500, axis=1)), "alike") == 1
        signs = np.where(drawn(600, 500) > 0, np.float32(1), np.float32(-1))
        assert facts(dense(tmp_path / "o.onnx", signs), "alike") == 0

    def test_equal_numbers_have_equal_digests_and_a_single_other_one_makes_another(self, tmp_path: Path) -> None:
        kernel = drawn(40, 40)
        swapped = kernel.copy()
        swapped[[0, 1]] = kernel[[1, 0]]  # every sum is the same
        path = dense(tmp_path / "m.onnx", kernel, kernel, swapped)
        first, second, third = (digest for (digest,) in query(path, "SELECT digest FROM weight ORDER BY layer"))
        assert first == second is not None
        assert third not in (first, None)

    def test_few_numbers_have_no_digest(self, tmp_path: Path) -> None:
        assert facts(dense(tmp_path / "m.onnx", drawn(3, 5)), "digest") is None

    def test_memory_is_bounded_by_the_largest_tensor(self, tmp_path: Path) -> None:
        kernels = [drawn(1024, 1024) for _ in range(6)]
        path = dense(tmp_path / "m.onnx", *kernels)
        load_once = query(dense(tmp_path / "small.onnx", drawn(4, 4)), "SELECT 1")
        assert load_once
        tracemalloc.start()
        query(path, "SELECT 1")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1.5 * kernels[0].nbytes


class TestReading:
    def read(self, path: Path, reading: Reading, **given: int) -> tuple[int, str | None]:
        """How many weights were read, and why not."""
        with open_model(path) as model, closing(build(model, Evidence(weights=reading, **given))) as found:
            (count,) = found.connection.execute("SELECT count(*) FROM weight").fetchone()
            return count, found.absent.get("weight.absmax")

    def test_they_are_read_by_default(self, tmp_path: Path) -> None:
        assert self.read(dense(tmp_path / "m.onnx", drawn(4, 4)), Reading.auto) == (1, None)

    def test_they_are_not_read_against_the_users_will(self, tmp_path: Path) -> None:
        path = dense(tmp_path / "m.onnx", drawn(4, 4))
        assert self.read(path, Reading.never) == (0, "--weights never was given")

    def test_more_than_the_budget_is_read_only_if_that_is_asked_for(self, tmp_path: Path) -> None:
        path = dense(tmp_path / "m.onnx", drawn(1000, 300))
        count, why = self.read(path, Reading.auto, budget=2**20)
        assert count == 0
        assert why == "its weights are 1 MB, beyond the 1 MiB that are read by default; pass --weights always"
        assert self.read(path, Reading.always) == (1, None)

    def test_a_file_without_weights_says_so(self) -> None:
        path = FIXTURES / "applications" / "MobileNet.keras"
        assert self.read(path, Reading.always) == (0, "the file holds no weights")

    def test_rules_about_weights_that_were_not_read_are_not_checked(self, tmp_path: Path) -> None:
        rules = [rule for rule in load() if rule.code == "WGT001"]
        path = dense(tmp_path / "m.onnx", np.full((4, 4), np.nan, "f4"))
        (unjudged,) = check(path, rules, Evidence(weights=Reading.never)).not_checked
        assert unjudged.why == "--weights never was given"
        assert [finding.code for finding in check(path, rules).findings] == ["WGT001"]

    def test_weights_in_another_file_are_listed_without_statistics(self) -> None:
        rows = query(FIXTURES / "exports" / "mlp.dynamo-external.onnx", "SELECT shape, absmax FROM weight")
        assert ("20x32", None) in {(shape, absmax) for shape, absmax in rows} or ("32x20", None) in set(rows)

    def test_a_file_that_was_cut_short_fails_with_one_sentence(self, tmp_path: Path) -> None:
        whole = (FIXTURES / "models" / "clean_cnn.h5").read_bytes()
        path = tmp_path / "m.h5"
        for end in range(len(whole) // 2, len(whole), len(whole) // 10):
            path.write_bytes(whole[:end])
            assert "cut short" in (check(path, ()).error or "")

    def test_progress_is_told_in_bytes(self, tmp_path: Path) -> None:
        told: list[tuple[int, int]] = []
        path = dense(tmp_path / "m.onnx", drawn(4, 4), drawn(4, 2))
        with open_model(path) as model:
            build(model, Evidence(progress=lambda *bytes_: told.append(bytes_))).close()
        assert told == [(64, 96), (96, 96)]

    def test_the_bar_comes_late_and_goes_at_the_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        begun: list[int] = []

        class Shown:
            task_ids = (0,)

            def update(self, _task: int, completed: int, total: int) -> None:
                begun.append(completed / total)

            def stop(self) -> None:
                begun.append(-1)

        monkeypatch.setattr(progress, "_begun", lambda _total: Shown())
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
        with progress.weight_bar() as bar:
            assert bar is not None
            bar(1, 10)
            bar(10, 10)
            assert begun == []
            monkeypatch.setattr(progress, "PATIENCE", -1.0)
            bar(1, 10)
            bar(1, 2)  # of another file, as the first one could not be read any further
            bar(2, 2)
        assert begun == [0.1, 0.5, 1, -1]

    def test_where_nobody_looks_there_is_no_bar(self) -> None:
        with progress.weight_bar() as bar:
            assert bar is None


TRAINED = ["vae.keras", "selu_mlp.keras", "siamese.keras", "mc_dropout.tfkeras.h5", "lstm_forecaster.h5"]
UNTRAINED = ["clean_cnn.h5", "clean_lstm.keras", "clean_resnet.tfkeras.h5", "clean_mlp.tfkeras.keras", "imdb_l1.keras"]


class TestTraining:
    @pytest.mark.parametrize("name", UNTRAINED)
    def test_a_model_that_was_never_trained_is_as_its_initializers_draw_it(self, name: str) -> None:
        path = FIXTURES / "models" / name
        assert query(path, "SELECT trained FROM model") == [(0,)]
        fits = query(path, "SELECT drawn_fit FROM weight WHERE elements >= 256 AND drawn_std > 0")
        assert fits
        assert all(fit > 1e-4 for (fit,) in fits)
        scales = query(path, "SELECT std / drawn_std, magnitude / drawn_magnitude FROM weight WHERE elements > 2000")
        assert all(scale == pytest.approx(1, abs=0.1) for row in scales for scale in row if scale is not None)

    @pytest.mark.parametrize("name", TRAINED)
    def test_a_model_that_was_trained_is_not(self, name: str) -> None:
        assert query(FIXTURES / "sound" / name, "SELECT trained FROM model") == [(1,)]

    @pytest.mark.parametrize("exporter", ["torch", "dynamo", "keras"])
    def test_an_export_at_its_initialization_is_known_by_the_shape_of_its_distributions(self, exporter: str) -> None:
        assert query(FIXTURES / "exports" / f"untrained.{exporter}.onnx", "SELECT trained FROM model") == [(0,)]

    def test_training_widens_the_tails_of_exported_kernels(self, tmp_path: Path) -> None:
        kernels = [RANDOM.laplace(size=(100, 100)).astype("f4") for _ in range(3)]
        assert query(dense(tmp_path / "m.onnx", *kernels), "SELECT trained FROM model") == [(1,)]
        assert query(dense(tmp_path / "n.onnx", drawn(100, 100)), "SELECT trained FROM model") == [(0,)]
        assert query(dense(tmp_path / "o.onnx", drawn(4, 4)), "SELECT trained FROM model") == [(None,)]

    def test_a_bias_that_moved_shows_training(self, tmp_path: Path) -> None:
        path = edited(tmp_path / "m.h5", "clean_mlp.h5", dense__bias=1e-4)
        assert query(path, "SELECT trained FROM model") == [(1,)]
        fits = query(path, "SELECT drawn_fit FROM weight WHERE name = 'bias' ORDER BY layer")
        assert fits == [(0,), (None,), (None,)]

    def test_a_single_number_beyond_the_bounds_shows_training(self, tmp_path: Path) -> None:
        kernel = RANDOM.uniform(-0.1, 0.1, (20, 96))
        kernel[3, 4] = 3.0
        path = edited(tmp_path / "m.h5", "clean_mlp.h5", dense__kernel=kernel)
        (fit, *_) = (fit for (fit,) in query(path, "SELECT drawn_fit FROM weight WHERE name = 'kernel' ORDER BY layer"))
        assert fit < 1e-12

    def test_a_number_just_beyond_the_bounds_is_no_proof_as_keras_on_pytorch_draws_some(self, tmp_path: Path) -> None:
        scale = np.sqrt(2 / 20) / 0.87962566
        kernel = RANDOM.normal(size=(20, 96))
        kernel = scale * np.where(np.abs(kernel) > 2, RANDOM.uniform(-1, 1, kernel.shape), kernel)
        kernel[3, 4] = 2.2 * scale
        path = edited(tmp_path / "m.h5", "clean_mlp.h5", dense__kernel=kernel)
        (fit, *_) = (fit for (fit,) in query(path, "SELECT drawn_fit FROM weight WHERE name = 'kernel' ORDER BY layer"))
        assert 1e-4 < fit < 1e-2

    def test_an_orthogonal_kernel_is_known_by_its_angles(self, tmp_path: Path) -> None:
        sql = "SELECT drawn_fit FROM weight WHERE name = 'recurrent_kernel'"
        assert query(FIXTURES / "models" / "clean_lstm.h5", sql) == [(1,)]
        with h5py.File(FIXTURES / "models" / "clean_lstm.h5") as file:
            found: list[str] = []
            file.visit(found.append)
            (place,) = [one for one in found if one.endswith("recurrent_kernel")]
            moved = file[place][...] + RANDOM.normal(0, 1e-3, file[place].shape)
        assert query(edited(tmp_path / "m.h5", "clean_lstm.h5", recurrent_kernel=moved), sql) == [(0,)]

    def test_variances_far_below_epsilon_are_counted(self, tmp_path: Path) -> None:
        sql = "SELECT small FROM weight WHERE name = 'moving_variance' ORDER BY layer"
        path = edited(
            tmp_path / "m.h5", "clean_cnn.h5", batch_normalization__moving_variance=np.linspace(0, 1.5e-5, 16)
        )
        assert query(path, sql) == [(10,), (0,)]  # epsilon is 1e-3
