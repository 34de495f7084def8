"""The callback that checks a model before it is trained, in Keras 3 and in Keras 2."""

import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from support import ENDLESS, FIXTURES

import archlint
from archlint.keras import Guard

sys.path.insert(0, str(FIXTURES))

from archives import load_keras  # beside the models, not a module of the package

X, Y = np.zeros((64, 8), "float32"), np.arange(64).reshape(-1, 1) % 2


@pytest.fixture(params=["keras", "tf_keras"])
def library(request):
    """Keras 3 and Keras 2, as in a new process."""
    return load_keras(request.param, 1)


def net(keras, *, rate=0.2, units=1, activation="sigmoid", shaped=True):
    """Without a fault, as long as nothing else is asked for."""
    layers = keras.layers
    model = keras.Sequential(
        [
            *([layers.Input((8,))] if shaped else []),
            layers.Dense(16, activation="relu"),
            layers.Dropout(rate),
            layers.Dense(units, activation=activation),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    return model


def fit(model, guard, **options):
    """Train for a few steps; the warnings that archlint gives."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, Y, batch_size=16, verbose=0, callbacks=[guard], **options)
    return [warning for warning in caught if warning.category is archlint.ArchitectureWarning]


def steps(model):
    """How many it was trained for."""
    return int(model.optimizer.iterations.numpy())


def test_a_rule_that_gave_up_is_warned_of_or_raised(library, tmp_path):
    (tmp_path / "TST001-endless.md").write_text(ENDLESS, "utf-8")
    model = net(library)
    [warning] = fit(model, Guard(rules=tmp_path, select="TST"))
    assert re.search("not wholly checked: .*endless gave up", str(warning.message))
    assert steps(model) == 4
    with pytest.raises(archlint.ReadError, match="endless gave up"):
        fit(model, Guard(rules=tmp_path, select="TST", strict=True))
    assert steps(model) == 4


def test_a_sound_model_is_trained_in_peace(library):
    model, guard = net(library), Guard()
    assert fit(model, guard, epochs=2, validation_data=(X, Y)) == []
    assert steps(model) == 8
    assert guard.report.findings == ()


def test_an_error_ends_the_training_before_its_first_step(library):
    model = net(library, activation="softmax")
    with pytest.raises(archlint.FindingsError, match=r"softmax-one-unit \(LOS001\) at dense_1: ") as caught:
        fit(model, Guard())
    assert steps(model) == 0
    assert "softmax-one-unit" in {finding.name for finding in caught.value.report.findings}


def test_a_model_that_knows_no_shapes_is_checked_after_its_first_step(library):
    model = net(library, activation="softmax", shaped=False)
    with pytest.raises(archlint.FindingsError, match="softmax-one-unit"):
        fit(model, Guard())
    assert steps(model) == 1


def test_a_model_that_knows_no_shapes_is_checked_if_there_is_one_step_only(library):
    model = net(library, activation="softmax", shaped=False)
    with pytest.raises(archlint.FindingsError, match="softmax-one-unit"):
        fit(model, Guard(), steps_per_epoch=1, epochs=3)
    assert steps(model) == 1


def test_what_is_no_error_is_warned_of_once_where_fit_was_called(library):
    model, guard = net(library, rate=0.9), Guard()
    told = fit(model, guard, epochs=2)
    assert [str(warning.message).split()[:2] for warning in told] == [
        [finding.severity, finding.name] for finding in guard.report.findings
    ]
    assert str(told[0].message) == (
        "warning dropout-rate (DRP003) at dropout: dropout drops 90% of what it gets; useful rates lie above 0% and up "
        "to 50%; fix: set the rate of dropout between 0.2 and 0.5; it is the share that is dropped, not the share that "
        "is kept"
    )
    line = Path(__file__).read_text("utf-8").splitlines()[told[0].lineno - 1]
    assert (told[0].filename, line.strip()[:10]) == (__file__, "model.fit(")


def test_every_fit_is_checked(library):
    model, guard = net(library, rate=0.9), Guard(warn_on="warning")
    assert len(fit(model, guard)) == 1
    assert len(fit(model, guard)) == 1
    model.layers[-2].rate = 0.3
    assert fit(model, guard) == []


@pytest.mark.parametrize(
    ("fail_on", "warn_on", "outcome"),
    [
        ("warning", "advice", "raises"),
        ("never", "advice", "dropout-rate dropout-starves-layer"),
        ("error", "warning", "dropout-rate"),
        ("error", "never", ""),
    ],
)
def test_severities_decide_what_ends_the_training_and_what_is_warned_of(fail_on, warn_on, outcome):
    model, guard = net(load_keras("keras", 1), rate=0.9), Guard(fail_on, warn_on=warn_on, select="DRP")
    if outcome == "raises":
        with pytest.raises(archlint.FindingsError):
            fit(model, guard)
    else:
        assert [str(warning.message).split()[1] for warning in fit(model, guard)] == outcome.split()


def test_rules_and_data_are_given_as_to_check(library):
    x = np.full((64, 8), 1e6) * np.arange(1, 9)
    guard = Guard("warning", data=(x, Y), ignore="DRP")
    with pytest.raises(archlint.FindingsError, match="unscaled-input"):
        fit(net(library, rate=0.9), guard)


@pytest.mark.parametrize(
    "options", [{"fail_on": "fatal"}, {"warn_on": "all"}, {"select": "ZZZ"}, {"data": "nowhere.npz"}]
)
def test_arguments_of_no_use_are_an_error_at_once(options):
    with pytest.raises(archlint.UsageError):
        Guard(**options)


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("failon", "did you mean fail_on?"),
        ("WarnOn", "did you mean warn_on?"),
        ("selct", "did you mean select?"),
        ("xyz", "there are fail_on, warn_on, strict, select, ignore, "),
    ],
)
def test_an_argument_that_there_is_not_is_refused(option, hint):
    with pytest.raises(archlint.UsageError, match=re.escape(f"there is no option {option}; {hint}")):
        Guard(**{option: "warning"})


def test_a_model_that_cannot_be_read_is_trained_all_the_same(library):
    class Net(library.Model):
        def __init__(self):
            super().__init__()
            self.dense = library.layers.Dense(1)

        def call(self, inputs):
            return self.dense(inputs)

    model, guard = Net(), Guard()
    model.compile("adam", "mse")
    (told,) = fit(model, guard)
    assert steps(model) == 4
    assert guard.report is None
    assert str(told.message).startswith(
        f"the model is trained unchecked: <model {model.name!r}>: it holds no layer graph"
    )
    with pytest.raises(archlint.ReadError, match="it holds no layer graph"):
        fit(model, Guard(strict=True))


def test_a_fault_of_a_layer_of_ones_own_does_not_stop_the_training(library):
    class Odd(library.layers.Layer):
        def call(self, inputs):
            return inputs

        def get_config(self):
            raise OSError("the disk of this layer is full")

    layers = library.layers
    model = library.Sequential([layers.Input((8,)), Odd(), layers.Dense(1)])
    model.compile("adam", "mse")
    (told,) = fit(model, Guard())
    assert "the disk of this layer is full" in str(told.message)
    assert steps(model) == 4


def test_training_does_not_wait_for_a_guard(library):
    """Or the loss of every step would be fetched before the next one begins."""

    class Witness(library.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self._supports_tf_logs = True
            self.seen = set()

        def on_train_batch_end(self, _batch, logs):
            self.seen.add(type(logs["loss"]))

    model, alone, beside = net(library), Witness(), Witness()
    model.fit(X, Y, verbose=0, callbacks=[alone])
    model.fit(X, Y, verbose=0, callbacks=[beside, Guard()])
    assert beside.seen == alone.seen


def test_a_guard_has_no_attributes_but_hooks():
    guard = Guard()
    assert guard.on_some_hook_to_come(1, logs={}) is None
    with pytest.raises(AttributeError, match="'Guard' object has no attribute 'reprot'"):
        _ = guard.reprot
