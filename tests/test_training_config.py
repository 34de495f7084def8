"""How a model was compiled is read from every form that Keras has written it in."""

import pytest
from support import entry, query, read, sequential, write_h5, write_keras

ONE = sequential(entry("InputLayer", name="x", batch_shape=[None, 4]), entry("Dense", name="a", units=1))
TWO = {
    "class_name": "Functional",
    "config": {
        "name": "two",
        "layers": [
            {"name": "x", **entry("InputLayer", name="x", batch_shape=[None, 4]), "inbound_nodes": []},
            {"name": "a", **entry("Dense", name="a", units=1), "inbound_nodes": [[["x", 0, 0, {}]]]},
            {"name": "b", **entry("Dense", name="b", units=2), "inbound_nodes": [[["x", 0, 0, {}]]]},
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["a", 0, 0], ["b", 0, 0]],
    },
}
ADAM = {"class_name": "Adam", "config": {"learning_rate": 0.001}}


def compiled(tmp_path, training, config=ONE, ending="h5"):
    if ending == "h5":
        return write_h5(tmp_path / "m.h5", config, training)
    return write_keras(tmp_path / "m.keras", {**config, "compile_config": training})


def optimizer(tmp_path, stated, ending="h5"):
    key = "optimizer_config" if ending == "h5" else "optimizer"
    return read(compiled(tmp_path, {key: stated, "loss": "mse"}, ending=ending)).training.optimizer


def losses(tmp_path, stated, config=ONE):
    path = compiled(tmp_path, {"optimizer_config": ADAM, "loss": stated}, config)
    return query(path, "SELECT loss, loss_family, from_logits FROM output ORDER BY id")


def metrics(tmp_path, stated, config=ONE):
    path = compiled(tmp_path, {"optimizer_config": ADAM, "loss": "mse", "metrics": stated}, config)
    return query(path, "SELECT o.name, m.name FROM metric m JOIN output o ON o.id = m.output ORDER BY o.id, m.rowid")


def boxed(module, class_name, **config):
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


# Optimizers


@pytest.mark.parametrize(
    ("stated", "ending", "scaled"),
    [
        (ADAM, "h5", False),
        (ADAM, "keras", None),
        ({"class_name": "LossScaleOptimizer", "config": {"inner_optimizer": ADAM}}, "h5", True),
        ({"class_name": "LossScaleOptimizer", "config": {"inner_optimizer": ADAM}}, "keras", True),
        ({"class_name": "Adam", "config": {"loss_scale_factor": 1024.0}}, "keras", True),
    ],
)
def test_only_a_file_that_keeps_the_wrapper_tells_that_the_loss_is_not_scaled(tmp_path, stated, ending, scaled):
    assert optimizer(tmp_path, stated, ending).loss_scaled is scaled


@pytest.mark.parametrize(
    ("class_name", "name"),
    [
        ("Adam", "adam"),
        ("Custom>Adam", "adam"),
        ("RMSprop", "rms_prop"),
        ("Custom>RMSprop", "rms_prop"),
        ("SGD", "sgd"),
        ("AdamW", "adam_w"),
        ("Custom>AdamW", "adam_w"),
        ("Adadelta", "adadelta"),
        ("Adagrad", "adagrad"),
        ("Adamax", "adamax"),
        ("Nadam", "nadam"),
        ("Lion", "lion"),
        ("mine>Adam", "custom:Adam"),
        ("TFOptimizer", "custom:TFOptimizer"),
    ],
)
def test_optimizers_have_one_name_in_every_version(tmp_path, class_name, name):
    assert optimizer(tmp_path, {"class_name": class_name, "config": {}}).name == name


@pytest.mark.parametrize(("key", "rate"), [("lr", 0.01), ("learning_rate", 0.01)])
def test_the_learning_rate_is_read_under_its_old_and_new_name(tmp_path, key, rate):
    assert optimizer(tmp_path, {"class_name": "Adam", "config": {key: rate, "decay": 0.0}}).learning_rate == rate


def test_the_learning_rate_is_rounded_to_what_a_float32_holds(tmp_path):
    saved = {"class_name": "Custom>Adam", "config": {"learning_rate": 9.999999974752427e-07}}
    assert optimizer(tmp_path, saved).learning_rate == 1e-06


@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_clipping_that_is_absent_null_or_zero_is_not_set(tmp_path, ending):
    stated = {"class_name": "SGD", "config": {"learning_rate": 0.1, "clipnorm": 0.0, "clipvalue": None}}
    read_back = optimizer(tmp_path, stated, ending)
    assert (read_back.clipnorm, read_back.clipvalue, read_back.global_clipnorm) == (None, None, None)


@pytest.mark.parametrize("key", ["clipnorm", "clipvalue", "global_clipnorm", "weight_decay", "momentum"])
def test_every_number_of_an_optimizer_has_its_column(tmp_path, key):
    stated = {"class_name": "SGD", "config": {"learning_rate": 0.1, key: 0.5}}
    path = compiled(tmp_path, {"optimizer_config": stated, "loss": "mse"})
    assert query(path, f"SELECT optimizer, learning_rate, {key} FROM model") == [("sgd", 0.1, 0.5)]


@pytest.mark.parametrize(
    ("schedule", "peak", "name"),
    [
        ({"class_name": "ExponentialDecay", "config": {"initial_learning_rate": 0.2}}, 0.2, "exponential_decay"),
        (boxed("keras.optimizers.schedules", "CosineDecay", initial_learning_rate=0.3), 0.3, "cosine_decay"),
        (
            {"class_name": "CosineDecay", "config": {"initial_learning_rate": 0.0, "warmup_target": 0.1}},
            0.1,
            "cosine_decay",
        ),
        (
            {"class_name": "PiecewiseConstantDecay", "config": {"boundaries": [5], "values": [0.1, 0.01]}},
            0.1,
            "piecewise_constant_decay",
        ),
        ({"class_name": "mine>Warmup", "config": {"steps": 10}}, None, "warmup"),
    ],
)
def test_a_schedule_counts_with_its_peak(tmp_path, schedule, peak, name):
    read_back = optimizer(tmp_path, {"class_name": "Adam", "config": {"learning_rate": schedule}})
    assert (read_back.learning_rate, read_back.schedule) == (peak, name)


@pytest.mark.parametrize("class_name", ["LossScaleOptimizer", "LossScaleOptimizerV3"])
def test_a_loss_scaling_optimizer_is_the_one_inside(tmp_path, class_name):
    inner = boxed("keras.optimizers", "Adam", learning_rate=3e-4, clipnorm=1.0)
    read_back = optimizer(tmp_path, {"class_name": class_name, "config": {"inner_optimizer": inner}})
    assert (read_back.name, read_back.learning_rate, read_back.clipnorm) == ("adam", 3e-4, 1.0)


@pytest.mark.parametrize(("stated", "rate"), [("adam", 0.001), ("sgd", 0.01), ("rmsprop", 0.001)])
def test_an_optimizer_that_is_a_bare_string_has_its_default_rate(tmp_path, stated, rate):
    read_back = optimizer(tmp_path, stated, "keras")
    assert (read_back.name, read_back.learning_rate) == ({"rmsprop": "rms_prop"}.get(stated, stated), rate)


def test_a_missing_optimizer_is_unknown_not_the_default(tmp_path):
    model = read(compiled(tmp_path, {"loss": "mse", "metrics": ["mae"]}, ending="keras"))
    assert model.training.optimizer is None
    assert "names no optimizer" in model.absent["model.learning_rate"]
    assert query(tmp_path / "m.keras", "SELECT optimizer, learning_rate, compiled FROM model") == [(None, None, 1)]
    assert query(tmp_path / "m.keras", "SELECT loss FROM output") == [("mean_squared_error",)]


@pytest.mark.parametrize(("ending", "training"), [("h5", None), ("keras", None), ("keras", {})])
def test_a_file_that_was_never_compiled_says_so(tmp_path, ending, training):
    model = read(compiled(tmp_path, training, ending=ending))
    assert model.training is None
    assert set(model.absent) >= {"model.optimizer", "model.clipnorm", "output.loss", "metric.name"}


def test_the_compile_config_of_a_nested_model_is_not_that_of_the_file(tmp_path):
    inner = {**sequential(entry("Dense", name="d", units=3)), "compile_config": {"optimizer": "sgd", "loss": "mae"}}
    model = read(write_keras(tmp_path / "m.keras", sequential(inner, build_input_shape=[None, 4])))
    assert model.training is None


# Losses


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("mse", ("mean_squared_error", "regression", None)),
        ("mean_absolute_error", ("mean_absolute_error", "regression", None)),
        ("logcosh", ("log_cosh", "regression", None)),
        ("binary_crossentropy", ("binary_crossentropy", "crossentropy", 0)),
        ("sparse_categorical_crossentropy", ("sparse_categorical_crossentropy", "crossentropy", 0)),
        ("kullback_leibler_divergence", ("kl_divergence", "other", None)),
        ("hinge", ("hinge", "other", None)),
        ("my_loss", ("custom:my_loss", "custom", None)),
        (
            {"class_name": "MeanSquaredError", "config": {"reduction": "auto"}},
            ("mean_squared_error", "regression", None),
        ),
        (
            {"class_name": "BinaryCrossentropy", "config": {"from_logits": True, "reduction": "auto"}},
            ("binary_crossentropy", "crossentropy", 1),
        ),
        (
            {"class_name": "BinaryCrossentropy", "config": {"from_logits": True, "fn": "binary_crossentropy"}},
            ("binary_crossentropy", "crossentropy", 1),
        ),
        (
            boxed("keras.losses", "CategoricalCrossentropy", from_logits=False),
            ("categorical_crossentropy", "crossentropy", 0),
        ),
        (boxed("keras.losses", "Huber", name="huber_loss"), ("huber", "regression", None)),
        (
            {"module": "builtins", "class_name": "function", "config": "my_loss", "registered_name": "function"},
            ("custom:my_loss", "custom", None),
        ),
        (
            {"class_name": "LossFunctionWrapper", "config": {"fn": "mean_squared_error"}},
            ("mean_squared_error", "regression", None),
        ),
        ({"class_name": "mine>Focal", "config": {"gamma": 2.0}}, ("custom:Focal", "custom", None)),
        (["mse"], ("mean_squared_error", "regression", None)),
        ({"a": "mse"}, ("mean_squared_error", "regression", None)),
        (None, (None, None, None)),
    ],
)
def test_every_form_of_a_loss_has_its_name_and_family(tmp_path, stated, expected):
    assert losses(tmp_path, stated) == [expected]


@pytest.mark.parametrize(
    ("stated", "names"),
    [
        ("mse", ["mean_squared_error", "mean_squared_error"]),
        (["mse", None], ["mean_squared_error", None]),
        ({"b": "mae"}, [None, "mean_absolute_error"]),
        ({"a": "mse", "b": boxed("keras.losses", "Huber")}, ["mean_squared_error", "huber"]),
        (["mse"], ["mean_squared_error", None]),
        ([], [None, None]),
    ],
)
def test_losses_are_dealt_out_to_the_outputs(tmp_path, stated, names):
    assert [name for name, _, _ in losses(tmp_path, stated, TWO)] == names


# Metrics


@pytest.mark.parametrize(
    ("stated", "names"),
    [
        (None, []),
        ([], []),
        ([[]], []),
        ("acc", ["accuracy"]),
        (["accuracy", "mae"], ["accuracy", "mean_absolute_error"]),
        ([{"class_name": "BinaryAccuracy", "config": {"name": "binary_accuracy"}}], ["binary_accuracy"]),
        ([boxed("keras.metrics", "AUC", name="auc")], ["auc"]),
        (
            [[{"class_name": "MeanMetricWrapper", "config": {"name": "acc", "fn": "sparse_categorical_accuracy"}}]],
            ["sparse_categorical_accuracy"],
        ),
        ([{"module": "builtins", "class_name": "function", "config": "my_metric"}], ["my_metric"]),
        ({"a": ["mse"]}, ["mean_squared_error"]),
        ({"a": "mse"}, ["mean_squared_error"]),
    ],
)
def test_every_form_of_metrics_is_a_list_of_names(tmp_path, stated, names):
    assert metrics(tmp_path, stated) == [("a", name) for name in names]


@pytest.mark.parametrize(
    ("stated", "dealt"),
    [
        (["mae"], [("a", "mean_absolute_error"), ("b", "mean_absolute_error")]),
        ([["mae"], []], [("a", "mean_absolute_error")]),
        ([[], ["mae", "mse"]], [("b", "mean_absolute_error"), ("b", "mean_squared_error")]),
        ({"b": ["mae"]}, [("b", "mean_absolute_error")]),
        ([["mae"], None], [("a", "mean_absolute_error")]),
    ],
)
def test_metrics_are_dealt_out_to_the_outputs(tmp_path, stated, dealt):
    assert metrics(tmp_path, stated, TWO) == dealt


def test_keras_3_deals_a_list_of_metrics_out_one_by_one(tmp_path):
    stated = {"optimizer_config": ADAM, "loss": "mse", "metrics": ["mae", "mse"]}
    path = write_h5(tmp_path / "m.h5", TWO, stated, version="3.15.1")
    dealt = [[metric.name for metric in found] for found in read(path).training.metrics]
    assert dealt == [["mean_absolute_error"], ["mean_squared_error"]]


@pytest.mark.parametrize(
    ("stated", "judges"),
    [
        ("accuracy", (0.5, None)),
        ({"class_name": "BinaryAccuracy", "config": {"name": "binary_accuracy", "threshold": 0.0}}, (0.0, None)),
        (boxed("keras.metrics", "Precision", thresholds=None), (0.5, None)),
        (boxed("keras.metrics", "Recall", thresholds=[0.3]), (0.3, None)),
        (boxed("keras.metrics", "Recall", thresholds=[0.3, 0.7]), (None, None)),
        (boxed("keras.metrics", "AUC", from_logits=True), (None, 1)),
        (boxed("keras.metrics", "AUC"), (None, 0)),
        ("binary_crossentropy", (None, 0)),
        ("mae", (None, None)),
    ],
)
def test_metrics_tell_how_they_judge_an_output(tmp_path, stated, judges):
    path = compiled(tmp_path, {"optimizer_config": ADAM, "loss": "mse", "metrics": [stated]})
    assert query(path, "SELECT threshold, from_logits FROM metric") == [judges]


@pytest.mark.parametrize(
    "training",
    [
        {"optimizer_config": 5, "loss": 5, "metrics": 5},
        {"optimizer_config": [1], "loss": [[1]], "metrics": [[[1]]]},
        {
            "optimizer_config": {"class_name": 1, "config": 2},
            "loss": {"class_name": 1, "config": 2},
            "metrics": {"a": 1},
        },
        {"optimizer_config": {"class_name": "Adam", "config": {"lr": "fast", "clipnorm": [], "momentum": {}}}},
        {"optimizer_config": {"class_name": "Adam", "config": {"lr": {"class_name": 3, "config": {"values": [None]}}}}},
    ],
)
def test_values_of_a_wrong_type_are_unknown(tmp_path, training):
    path = compiled(tmp_path, training)
    assert query(path, "SELECT learning_rate, clipnorm, momentum FROM model") == [(None, None, None)]
    assert query(path, "SELECT loss FROM output") == [(None,)]
    assert query(path, "SELECT count(*) FROM metric") == [(0,)]
