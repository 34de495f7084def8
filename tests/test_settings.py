"""The settings of layers that rules ask for: how recurrent layers start and run, and what is regularized."""

import pytest
from support import entry, query, sequential, write_h5


def row(tmp_path, columns, class_name, **settings):
    layer = entry(class_name, name="layer", **settings)
    path = write_h5(tmp_path / "m.h5", sequential(entry("InputLayer", name="x", batch_shape=[None, 5, 4]), layer))
    return query(path, f"SELECT {columns} FROM layer WHERE name = 'layer'")[0]


def initializer(class_name, **config):
    return {"class_name": class_name, "config": config}


@pytest.mark.parametrize(
    ("settings", "bias"),
    [
        ({"use_bias": True, "unit_forget_bias": True}, 1.0),
        ({"use_bias": True, "unit_forget_bias": False, "bias_initializer": initializer("Zeros")}, 0.0),
        ({"use_bias": True, "unit_forget_bias": False, "bias_initializer": initializer("Ones")}, 1.0),
        ({"use_bias": True, "unit_forget_bias": False, "bias_initializer": initializer("Constant", value=2.0)}, 2.0),
        ({"use_bias": True, "unit_forget_bias": False, "bias_initializer": initializer("RandomNormal")}, None),
        ({"use_bias": False, "unit_forget_bias": False}, None),
        ({"use_bias": True}, None),
        ({"use_bias": True, "unit_forget_bias": "one"}, None),
    ],
)
def test_the_forget_bias_is_what_the_gate_starts_with(tmp_path, settings, bias):
    assert row(tmp_path, "forget_bias", "LSTM", units=3, **settings) == (bias,)


@pytest.mark.parametrize(
    ("class_name", "drawn", "gain"),
    [
        ("SimpleRNN", initializer("Orthogonal"), 1.0),
        ("LSTM", initializer("Orthogonal"), 0.25),
        ("SimpleRNN", initializer("GlorotUniform"), 1.0),
        ("LSTM", initializer("GlorotUniform"), 0.4),
        ("GRU", initializer("RandomNormal", stddev=0.5), 2.0),
        ("LSTM", initializer("Zeros"), None),
        ("LSTM", None, None),
    ],
)
def test_the_recurrent_gain_is_the_variance_of_an_element_times_units(tmp_path, class_name, drawn, gain):
    (found,) = row(tmp_path, "recurrent_gain", class_name, units=8, recurrent_initializer=drawn)
    assert found == pytest.approx(gain)


def test_a_recurrent_layer_says_how_it_runs(tmp_path):
    assert row(tmp_path, "unroll, reset_after", "GRU", units=3, unroll=True, reset_after=False) == (1, 0)
    assert row(tmp_path, "unroll, reset_after", "LSTM", units=3) == (None, None)


@pytest.mark.parametrize(
    ("class_name", "settings", "slope"),
    [
        ("LeakyReLU", {"negative_slope": 0.2}, 0.2),
        ("LeakyReLU", {"alpha": 0.3}, 0.3),
        ("ReLU", {"negative_slope": 0.1}, 0.1),
        ("ReLU", {"negative_slope": 0.0}, None),
        ("ELU", {"alpha": 1.0}, None),
        ("Activation", {"activation": "leaky_relu"}, None),
    ],
)
def test_the_slope_is_known_of_leaky_relus(tmp_path, class_name, settings, slope):
    assert row(tmp_path, "negative_slope", class_name, trainable=True, **settings) == (slope,)


@pytest.mark.parametrize(
    ("class_name", "settings", "regularized"),
    [
        ("Dense", {"kernel_regularizer": "l2"}, None),
        ("Dense", {"bias_regularizer": {"class_name": "L2", "config": {"l2": 0.1}}}, "bias"),
        ("Dense", {"bias_regularizer": {"class_name": "L2", "config": {"l2": 0.0}}}, None),
        ("Dense", {"bias_regularizer": {"class_name": "Mine>Own", "config": {}}}, "bias"),
        ("BatchNormalization", {"beta_regularizer": "l2", "gamma_regularizer": "l1"}, "gamma, beta"),
        ("LSTM", {"units": 3, "recurrent_regularizer": "l2"}, "recurrent"),
    ],
)
def test_other_parameters_than_the_kernel_are_named_if_they_are_regularized(
    tmp_path, class_name, settings, regularized
):
    units = {"units": 3} if class_name == "Dense" else {}
    assert row(tmp_path, "regularized", class_name, **units, **settings) == (regularized,)
