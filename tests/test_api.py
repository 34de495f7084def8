"""`import archlint`: models in files, in bytes and in memory."""

import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import warnings
from io import StringIO
from shutil import copyfile

import msgspec
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from rich.console import Console
from support import ENDLESS, FIXTURES, PAGE

import archlint
from archlint import Report, check
from archlint.limits import WEIGHT_BYTES

sys.path.insert(0, str(FIXTURES))

import build  # the script beside the models, not a module of the package
from archives import load_keras, quiet

FAULTY = FIXTURES / "models" / "faulty.h5"
CNN = FIXTURES / "exports" / "cnn.torch-train.onnx"


@pytest.fixture(params=["keras", "tf_keras"])
def library(request):
    """Keras 3 and Keras 2, as in a new process."""
    return load_keras(request.param, build.SEED)


@pytest.fixture
def empty_temp(tmp_path, monkeypatch):
    """The folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    return tmp_path / "temp"


def said(report):
    """All that a report says of the model, wherever it was read."""
    (file,) = report.files
    about = msgspec.structs.replace(file.model, name=None)
    return [*file.findings], [*file.not_checked], file.rules, about


def small(keras, *hidden, units=1, activation=None, name="small"):
    """A model that is not compiled."""
    ends = [keras.layers.Dense(units, activation=activation)]
    return keras.Sequential([keras.layers.Input((8,)), *hidden, *ends], name=name)


# --- the package ------------------------------------------------------------------------------------------------------


def run(code):
    """What a Python of its own prints."""
    environment = os.environ | {"PYTHONPATH": str(FIXTURES.parent)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_importing_archlint_imports_nothing_else():
    code = "import sys, archlint; print({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names)"
    assert "'archlint'" in run(code)
    code = "import sys, archlint; print([name for name in sys.modules if name.startswith('archlint')])"
    assert run(code).strip() == "['archlint']"


def test_checking_a_file_imports_no_framework():
    code = f"import sys, archlint; archlint.check({str(FAULTY)!r}); print({{'keras', 'tensorflow'}} & {{*sys.modules}})"
    assert run(code).strip() == "set()"


def test_all_that_is_promised_is_there():
    assert [name for name in archlint.__all__ if not hasattr(archlint, name)] == []
    assert {*archlint.__all__} <= {*dir(archlint)}


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'archlint' has no attribute 'chek'"):
        _ = archlint.chek


# --- files and bytes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [FAULTY, FAULTY.with_suffix(".keras"), CNN], ids=lambda path: path.suffix)
def test_a_file_is_told_what_the_command_line_tells_it(path, archlint):
    told = archlint("check", path, "--format", "json").out
    assert msgspec.json.decode(told, type=Report) == check(path)
    assert check(str(path)) == check(path)


@pytest.mark.parametrize("path", [FAULTY, FAULTY.with_suffix(".keras"), CNN], ids=lambda path: path.suffix)
def test_bytes_are_told_what_their_file_is_told(path, empty_temp):
    for content in (path.read_bytes(), memoryview(path.read_bytes())):
        report = check(content)
        assert report.files[0].path == "<bytes>"
        assert said(report) == said(check(path))
    assert [*empty_temp.iterdir()] == []


def test_what_cannot_be_read_is_an_error_that_names_it(tmp_path, empty_temp):
    missing = tmp_path / "model.keras"
    with pytest.raises(archlint.ReadError, match=re.escape(f"{missing}: there is no such file; check the path")):
        check(missing)
    with pytest.raises(archlint.ReadError, match=r"<bytes>: it is neither HDF5 .*, nor a \.keras archive, nor ONNX"):
        check(b"no model at all")
    with pytest.raises(archlint.ReadError, match="this is a folder, not a model file"):
        check(tmp_path)
    assert [*empty_temp.iterdir()] == []


@pytest.mark.parametrize("model", [None, 3, ["model.h5"], object()], ids=lambda model: type(model).__name__)
def test_something_else_is_an_error_that_says_what_is_taken(model):
    kind = type(model).__name__
    with pytest.raises(archlint.UsageError, match=rf"takes a path, the bytes of a file, .*\. Received: {kind}"):
        check(model)


def build_model():
    """A function that a user may forget to call."""


@pytest.mark.parametrize(
    ("builder", "call"), [(build_model, "build_model()"), (Report, "Report()"), (lambda: None, "build()")]
)
def test_a_function_that_builds_a_model_is_to_be_called(builder, call):
    with pytest.raises(archlint.UsageError, match=re.escape(f"call what builds it: archlint.check({call})")):
        check(builder)


# --- Keras models -----------------------------------------------------------------------------------------------------

SAMPLE = [
    (name, library, suffixes)
    for name in ("faulty", "clean_resnet", "transfer_frozen", "clipvalue_rnn", "reviews_bidirectional_dropout", "prelu")
    for library, suffixes in (("keras", build.KERAS_3), ("tf_keras", build.KERAS_2))
]
"""Layers within layers, models within models, recurrent ones, options of optimizers, a weight that is no kernel."""


@pytest.mark.parametrize(("name", "library", "suffixes"), SAMPLE)
def test_a_model_in_memory_is_told_what_its_files_are_told(name, library, suffixes, tmp_path):
    keras = load_keras(library, build.SEED)
    with quiet():
        model = build.MODELS[name].builder(keras)
        before = check(model)
        assert before.files[0].path == f"<model {model.name!r}>"
        assert before.files[0].format == "keras"
        for suffix in suffixes:
            file = tmp_path / f"{name}{suffix}"
            model.save(file)
            assert said(check(file)) == said(before)
    assert check(model) == before


def test_a_model_is_read_without_being_changed_or_saved(library, empty_temp):
    model = small(library, library.layers.Dropout(0.5))
    model.compile("adam", "mse")
    weights, config = model.get_weights(), model.get_config()
    check(model)
    assert model.get_config() == config
    assert all(map(np.array_equal, weights, model.get_weights()))
    assert [*empty_temp.iterdir()] == []


@pytest.fixture
def trained_with(tmp_path):
    """How a model is trained, as far as the facts tell."""
    sql = (
        "SELECT NULL AS layer, optimizer, learning_rate, schedule, clipnorm, loss FROM model "
        "JOIN output WHERE optimizer IS NOT NULL"
    )
    page = PAGE.format(code="OWN001", name="training", severity="advice", message='"{optimizer}"', sql=sql)
    (tmp_path / "OWN001-training.md").write_text(page, "utf-8")

    def ask(model):
        (finding,) = check(model, rules=tmp_path, select="training").findings
        return finding.evidence

    return ask


def test_loss_and_optimizer_arrive(library, trained_with):
    model = small(library)
    model.compile(library.optimizers.Adam(0.5, clipnorm=2.0), "mae")
    told = trained_with(model)
    assert told["learning_rate"] == pytest.approx(0.5)
    assert (told["optimizer"], told["clipnorm"], told["loss"]) == ("adam", 2.0, "mean_absolute_error")


def test_a_schedule_of_learning_rates_arrives(library, trained_with):
    model = small(library)
    schedule = library.optimizers.schedules.ExponentialDecay(0.9, 1000, 0.9)
    model.compile(library.optimizers.Adam(schedule), "mse")
    assert trained_with(model)["schedule"] == "exponential_decay"


def test_the_optimizer_arrives_though_keras_forgets_it_when_it_saves_an_h5_file(library, trained_with, tmp_path):
    model = small(library)
    model.compile("sgd", "mse")
    with quiet():
        model.save(tmp_path / "model.h5")
    assert trained_with(model)["optimizer"] == "sgd"


def test_a_model_that_is_not_compiled_lacks_what_its_file_lacks(library, tmp_path):
    model = small(library)
    model.save(tmp_path / "model.keras")
    assert said(check(model)) == said(check(tmp_path / "model.keras"))
    assert "model.optimizer" in {fact for rule in check(model).files[0].not_checked for fact in rule.needs}


def test_a_model_that_knows_no_shapes_is_judged_without(library, tmp_path):
    layers = library.layers
    model = library.Sequential([layers.Dense(8, activation="relu"), layers.Dropout(0.9), layers.Dense(1)])
    model.compile("adam", "mse")
    with quiet():
        model.save(tmp_path / "model.keras")
    report = check(model)
    assert "dropout-rate" in {finding.name for finding in report.findings}
    assert said(report) == said(check(tmp_path / "model.keras"))
    model.build((None, 4))
    assert check(model).files[0].rules > report.files[0].rules


def test_a_subclassed_model_is_told_what_its_file_is_told(library, tmp_path):
    class Net(library.Model):
        def __init__(self, units=3, **options):
            super().__init__(**options)
            self.dense = library.layers.Dense(units)

        def call(self, inputs):
            return self.dense(inputs)

    model = Net()
    model(np.zeros((1, 2), "float32"))
    model.save(tmp_path / "model.keras")
    with pytest.raises(archlint.ReadError) as of_the_file:
        check(tmp_path / "model.keras")
    with pytest.raises(archlint.ReadError) as of_the_model:
        check(model)
    sentence = "it holds no layer graph: Net is a subclassed model, and of those Keras stores only"
    assert str(of_the_model.value).startswith(f"<model {model.name!r}>: {sentence}")
    assert str(of_the_model.value).partition(": ")[2] == str(of_the_file.value).partition(": ")[2]


def test_losses_and_layers_of_ones_own_are_told_what_their_file_is_told(library, tmp_path):
    class Doubled(library.layers.Layer):
        def call(self, inputs):
            return 2 * inputs

    def loss(truth, found):
        return (truth - found) ** 2

    model = small(library, Doubled(), library.layers.Dropout(0.9))
    model.compile("adam", loss)
    model.save(tmp_path / "model.keras")
    assert said(check(model)) == said(check(tmp_path / "model.keras"))
    assert "dropout-rate" in {finding.name for finding in check(model).findings}


def test_a_lambda_is_nothing_to_warn_of_as_nobody_is_going_to_load_it(library):
    model = small(library, library.layers.Lambda(lambda inputs: inputs * 2))
    model.compile("adam", lambda truth, found: (truth - found) ** 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check(model).files[0].status == "checked"


def test_a_layer_that_keras_cannot_save_is_an_error_that_says_what_is_missing(library):
    class Applied(library.layers.Layer):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def call(self, inputs):
            return self.function(inputs)

    model = small(library, Applied(lambda inputs: inputs * 2), name="net")
    with pytest.raises(archlint.ReadError) as caught:
        check(model)
    sentence = str(caught.value)
    assert sentence.startswith("<model 'net'>: Keras cannot save it, so archlint cannot read it: ")
    assert "Applied was created by passing non-serializable argument values" in sentence
    assert sentence.endswith("Please implement `get_config()`.")


def test_trained_weights_are_seen_to_be_trained(library):
    model = small(library, library.layers.Dense(64, activation="relu"))
    assert check(model).files[0].model.trained is False
    model.set_weights([np.linspace(0, 9, weight.size).reshape(weight.shape) for weight in model.get_weights()])
    assert check(model).files[0].model.trained is True


def test_faults_of_the_numbers_are_found(library):
    model = small(library)
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    assert "not-finite" in {finding.name for finding in check(model).findings}
    assert check(model, weights="never", select="not-finite").findings == ()


def test_more_weights_than_the_budget_are_left_alone_unless_asked_for(library):
    layers = library.layers
    zeros = layers.Embedding(WEIGHT_BYTES // 4 // 64 + 1, 64, embeddings_initializer="zeros")
    model = library.Sequential([layers.Input((5,)), zeros, layers.Flatten(), layers.Dense(1)])
    whys = {rule.why for rule in check(model, select="WGT").files[0].not_checked}
    assert whys == {"its weights are 268 MB, beyond the 256 MiB that are read by default; pass --weights always"}
    assert check(model, select="WGT", weights="always").files[0].rules > 0


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "bfloat16", "float16", "float64"])
def test_weights_of_any_type_are_read(dtype, tmp_path):
    keras = load_keras("keras", build.SEED)
    model = small(keras, keras.layers.Dense(32, activation="relu", dtype=dtype))
    model.save(tmp_path / "model.keras")
    assert said(check(model)) == said(check(tmp_path / "model.keras"))
    assert check(model).files[0].model.trained is False


# --- ONNX models ------------------------------------------------------------------------------------------------------


def test_an_onnx_model_in_memory_is_told_what_its_file_is_told(empty_temp):
    model = onnx.load(CNN)
    report = check(model, target="tensorrt")
    assert report.files[0].path == f"<model {model.graph.name!r}>"
    assert said(report) == said(check(CNN, target="tensorrt"))
    assert [*empty_temp.iterdir()] == []


def test_weights_in_other_files_are_not_looked_for(tmp_path):
    kernel = numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", 4]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "net", ends[:1], ends[1:], [kernel])
    path = tmp_path / "net.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, path, save_as_external_data=True, size_threshold=0, location="net.bin")
    assert check(onnx.load(path, load_external_data=False)).files[0].status == "checked"


def test_an_onnx_model_that_is_none_is_an_error_that_names_it():
    with pytest.raises(archlint.ReadError, match=r"^<model ''>: "):
        check(onnx.ModelProto())


# --- rules and evidence -----------------------------------------------------------------------------------------------


def test_rules_are_chosen_by_lists_and_by_text():
    one = check(FAULTY, select=["LOS", "dropout-rate"], ignore="softmax-one-unit")
    assert one == check(FAULTY, select="LOS, dropout-rate", ignore=["LOS001"])
    assert {finding.name for finding in one.findings} == {"dropout-rate"}


def test_rules_of_ones_own_are_added(tmp_path):
    sql = "SELECT layer.name AS layer, layer.units FROM layer WHERE layer.units > 31"
    page = PAGE.format(code="OWN001", name="wide", severity="error", message='"{layer} has {units} units"', sql=sql)
    (tmp_path / "OWN001-wide.md").write_text(page, "utf-8")
    for rules in (tmp_path, str(tmp_path), [tmp_path / "OWN001-wide.md"]):
        findings = check(FAULTY, rules=rules, select="wide").findings
        assert [finding.message for finding in findings] == ["dense has 32 units", "dense_1 has 32 units"]


def test_rules_in_preview_are_silent_unless_asked_for(tmp_path):
    sql = "SELECT layer.name AS layer, layer.units FROM layer WHERE layer.units > 31"
    page = PAGE.format(code="OWN001", name="wide", severity="error", message='"{layer} has {units} units"', sql=sql)
    (tmp_path / "OWN001-wide.md").write_text(page.replace("stage: stable", "stage: preview"), "utf-8")
    assert "wide" not in {finding.name for finding in check(FAULTY, rules=tmp_path).findings}
    assert "wide" in {finding.name for finding in check(FAULTY, rules=tmp_path, preview=True).findings}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"select": "softmax-one-unt"}, "no rule is selected by 'softmax-one-unt'; did you mean softmax-one-unit"),
        ({"ignore": ["ZZZ"]}, "no rule is selected by 'ZZZ'"),
        ({"select": "LOS", "ignore": ["LOS"]}, "no rule is left"),
        ({"rules": "nowhere"}, "nowhere does not exist; give a rule page or a folder of them"),
        ({"select": [{"rule": "DRP003"}]}, "select takes names: a list of them, or one text with commas"),
        ({"ignore": 3}, "ignore takes names: .* Received: 3"),
        ({"rules": 3}, "rules takes the path of a page or a folder, .* Received: 3"),
        ({"config": {"select": ["LOS"]}}, "config takes the path of a configuration, .* Received: dict"),
        ({"config": "nope.toml"}, r"^config='nope.toml': there is no such file; check the path$"),
        ({"config": "select=LOS"}, r"config='select=LOS': there is no such file"),
        ({"target": "price"}, "^target price is no runtime; .* give its table with data$"),
        ({"target": "tensorrt,coreml"}, "^target names tensorrt and coreml; "),
        ({"data": "nowhere.npz"}, "^data nowhere.npz cannot be read: "),
        ({"weights": "some"}, "weights='some' is none of auto, always, never"),
        ({"data": 3}, r"data is a file, arrays \(x, y\), or a dict of arrays. Received: int"),
        ({"data": (1, 2, 3)}, r"data is a file, arrays \(x, y\), or a dict of arrays. Received: tuple"),
        ({"data": (np.ones((3, 2)), [{}, {}, {}])}, "data: not all of x, y are arrays of numbers"),
        ({"data": {"x_1": np.ones((3, 2))}}, "data: its arrays x_… must be numbered from 0"),
        ({"data": {"x": np.ones((3, 2)), "y": np.ones(2)}}, "data: x holds 3 samples .*, but y 2"),
        ({"data": (np.ones((3, 2)), np.ones(3)), "target": "price"}, "arrays have no columns, so target='price'"),
    ],
    ids=lambda given: "-".join(given) if isinstance(given, dict) else "",
)
def test_an_argument_of_no_use_is_an_error_that_says_so(options, sentence):
    with pytest.raises(archlint.UsageError, match=sentence):
        check(FAULTY, **options)


CONFIG = """
select = ["LOS", "DRP", "NRM", "GRF"]
weights = "never"
ignore = [
    "dropout-starves-layer",
    { rule = "dropout-rate", layer = "dropout", why = "a test of patience" },
    { rule = "softmax-one-unit", file = "models/", why = "never about a model in memory" },
]

[severity]
NRM = "error"

[per-file-ignores]
"*.h5" = ["LOS"]
"""


@pytest.fixture
def config(tmp_path):
    """A configuration, and beside it a model."""
    (tmp_path / "archlint.toml").write_text(CONFIG, "utf-8")
    (tmp_path / "models").mkdir()
    copyfile(FAULTY, tmp_path / "models" / "faulty.h5")
    return tmp_path / "archlint.toml"


def names(report):
    """The rules that found something, and how grave that is."""
    return {(finding.name, finding.severity) for finding in report.findings}


def test_a_configuration_says_of_a_file_what_it_says_on_the_command_line(config, archlint):
    file = config.parent / "models" / "faulty.h5"
    report = check(file, config=config)
    told = msgspec.json.decode(archlint("check", file, "--format", "json").out, type=Report)
    assert msgspec.structs.replace(told, unused=()) == report
    assert names(report) == {("bias-before-norm", "error")}
    assert [(one.finding.name, one.why) for one in report.files[0].suppressed] == [
        ("dropout-rate", "a test of patience")
    ]
    assert report.files[0].model.trained is None


def test_a_configuration_says_of_a_model_in_memory_what_it_says_of_any_file(config):
    with quiet():
        model = build.faulty(load_keras("keras", build.SEED))
    report = check(model, config=str(config))
    assert names(report) == {("bias-before-norm", "error"), ("softmax-one-unit", "error")}
    assert [one.finding.name for one in report.files[0].suppressed] == ["dropout-rate"]
    assert names(check(model, config=config, select="OPT")) == {("learning-rate", "warning")}


def test_what_the_baseline_of_a_configuration_holds_of_a_file_is_hidden(config, archlint, monkeypatch):
    file = config.parent / "models" / "faulty.h5"
    config.write_text('baseline = "accepted.json"\nselect = ["LOS", "DRP"]\n', "utf-8")
    archlint("baseline", file)
    told = msgspec.json.decode(archlint("check", file, "--format", "json").out, type=Report)
    assert check(file, config=config) == told
    assert told.findings == ()
    assert {hidden.by for hidden in told.files[0].suppressed} == {"baseline"}
    monkeypatch.chdir(file.parent)
    assert check("faulty.h5", config="../archlint.toml").findings == ()
    copyfile(file, "other.h5")
    assert check("other.h5", config="../archlint.toml").findings != ()


def test_a_baseline_holds_nothing_of_a_model_in_memory(config):
    config.write_text('baseline = "missing.json"\n', "utf-8")
    assert check(FAULTY.read_bytes(), config=config).findings != ()
    with pytest.raises(archlint.UsageError, match=r"there is no baseline .*missing\.json"):
        check(FAULTY, config=config)


def test_a_configuration_is_not_looked_for(config, monkeypatch):
    monkeypatch.chdir(config.parent)
    assert check("models/faulty.h5").findings == check(FAULTY).findings


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('selct = ["LOS"]', r"archlint.toml, line 1: there is no setting selct \(did you mean select\?\)"),
        ('select = ["ZZZ"]', r"archlint\.toml: select: no rule is selected by 'ZZZ'"),
        ("[options]\ndropout-rate = { high = 1 }", r"archlint\.toml: .*dropout-rate has no option 'high'"),
    ],
)
def test_a_configuration_of_no_use_is_an_error_that_names_it(text, sentence, config):
    config.write_text(text, "utf-8")
    with pytest.raises(archlint.UsageError, match=sentence):
        check(FAULTY, config=config)


@pytest.fixture
def arrays():
    """Samples for the model `faulty`, all of one class."""
    random = np.random.default_rng(1)
    return random.normal(5, 9, (60, 32, 32, 3)), np.zeros(60, int)


def test_data_in_memory_is_told_what_its_file_is_told(arrays, tmp_path, empty_temp):
    x, y = arrays
    np.savez(tmp_path / "data.npz", x=x, y=y, x_val=x[:9], y_val=y[:9])
    of_the_file = check(FAULTY, data=tmp_path / "data.npz")
    report = check(FAULTY, data={"x": x, "y": y, "x_val": x[:9], "y_val": y[:9]})
    assert said(report) == said(of_the_file)
    assert report.data == msgspec.structs.replace(of_the_file.data, name="the arrays x, y, x_val, y_val")
    assert "classes-vs-units" in {finding.name for finding in report.findings}
    assert check(FAULTY, data=(x.tolist(), y.tolist())).findings == check(FAULTY, data=(x, y)).findings
    assert [*empty_temp.iterdir()] == []


def test_a_table_and_its_columns_are_data_as_well(library, tmp_path):
    rows = [f"{at},{at * 1000},{at % 2}" for at in range(50)]
    (tmp_path / "data.csv").write_text("\n".join(["a,b,label", *rows]), "utf-8")
    model = library.Sequential([library.layers.Input((2,)), library.layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy")
    report = check(model, data=str(tmp_path / "data.csv"), target="label")
    assert report.data.samples == 50
    assert "unscaled-input" in {finding.name for finding in report.findings}


def test_data_that_does_not_fit_the_model_is_an_error_that_names_the_model(library, arrays):
    with pytest.raises(archlint.ReadError, match=r"^<model 'small'>: "):
        check(small(library), data=arrays)
    with pytest.raises(archlint.ReadError, match=r"faulty\.h5: "):
        check(FAULTY, data=(np.ones((9, 3)), np.ones(9)))


# --- the report -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report():
    """One error, three warnings, three advice."""
    return check(FAULTY)


def test_findings_are_those_of_all_files(report):
    assert report.findings == report.files[0].findings
    twice = msgspec.structs.replace(report, files=(*report.files, *report.files))
    assert twice.findings == report.findings * 2


@pytest.mark.parametrize(("severity", "count"), [("never", 0), ("error", 1), ("warning", 4), ("advice", 7)])
def test_a_severity_stands_for_itself_and_graver_ones(report, severity, count):
    assert len(report.at_least(severity)) == count


def test_a_severity_that_does_not_exist_is_an_error(report):
    for ask in (report.at_least, report.raise_for):
        with pytest.raises(archlint.UsageError, match="no severity 'fatal'; there are error, warning, advice, never"):
            ask("fatal")


def test_findings_are_raised_from_the_severity_on_that_is_asked_for(report):
    report.raise_for("never")
    check(FAULTY, ignore="LOS001").raise_for("error")
    with pytest.raises(archlint.FindingsError) as caught:
        report.raise_for()
    error = caught.value
    assert isinstance(error, archlint.ArchlintError)
    assert error.report is report
    heading, *lines = str(error).splitlines()
    assert heading == f"{FAULTY}: 1 error, 3 warnings, 3 advice"
    assert lines[0].startswith("  error softmax-one-unit (LOS001) at dense_2: dense_2 takes a softmax over 1 unit")
    assert [line.split()[0] for line in lines] == ["error", "warning", "warning", "warning"]


def test_a_rule_that_gave_up_is_raised_unless_a_finding_is(tmp_path):
    (tmp_path / "TST001-endless.md").write_text(ENDLESS, "utf-8")
    report = check(FAULTY, rules=tmp_path)
    assert [rule.code for rule in report.unfinished] == ["TST001"]
    with pytest.raises(archlint.FindingsError):
        report.raise_for()
    for none in "never", "error":
        with pytest.raises(archlint.ReadError, match=r"faulty.h5: endless gave up: .*; leave .* ignore='TST001'"):
            check(FAULTY, rules=tmp_path, select="TST").raise_for(none)


def test_an_error_lists_the_gravest_findings_and_counts_the_others(report):
    with pytest.raises(archlint.FindingsError) as caught:
        report.raise_for("advice")
    lines = str(caught.value).splitlines()
    assert len(lines) == 7
    assert re.fullmatch(r"  … and \d more", lines[-1])


def test_an_error_comes_back_from_another_process(report):
    with pytest.raises(archlint.FindingsError) as caught:
        report.raise_for()
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.report) == (str(caught.value), report)


def test_names_of_a_model_do_nothing_to_a_terminal():
    keras = load_keras("keras", build.SEED)
    model = small(keras, keras.layers.Dropout(0.9, name="drop\x1b[2J"), name="net\x1b[2J")
    with pytest.raises(archlint.FindingsError) as caught:
        check(model).raise_for()
    assert "\x1b" not in str(caught.value)
    assert "\x1b" not in str(check(model))


def test_as_text_it_is_what_the_command_line_prints(report, archlint, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert f"{report}\n" == archlint("check", FAULTY).out


def test_its_repr_is_one_line(report):
    said = r"<archlint\.Report: 1 file checked with \d+ of \d+ rules: 1 error, 3 warnings, 3 advice>"
    assert re.fullmatch(said, repr(report))


def test_a_notebook_shows_it_as_html(report):
    html = report._repr_html_()
    assert html.startswith("<div")
    assert [finding.name for finding in report.findings if finding.name not in html] == []


def test_rich_paints_it(report):
    stream = StringIO()
    Console(file=stream, width=100, color_system=None).print(report)
    assert [finding.name for finding in report.findings if finding.name not in stream.getvalue()] == []


def test_it_is_written_as_json_and_read_again(report):
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


# --- the documentation ------------------------------------------------------------------------------------------------


def test_the_page_about_the_api_shows_what_happens(tmp_path, monkeypatch, capsys):
    load_keras("keras", build.SEED)
    monkeypatch.chdir(tmp_path)
    copyfile(FAULTY.with_suffix(".keras"), "model.keras")
    page = (FIXTURES.parent / "docs" / "api.md").read_text("utf-8")
    names = {}
    for code, printed in re.findall(
        r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", page, re.MULTILINE | re.DOTALL
    ):
        capsys.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(code, "api.md", "exec"), names)
        if printed:
            assert capsys.readouterr().out == printed
    assert names["report"].findings


def test_a_timer_of_the_callers_goes_on():
    signal.setitimer(signal.ITIMER_REAL, 100)
    try:
        check(FIXTURES / "models" / "clean_mlp.h5")
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
