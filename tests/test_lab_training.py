"""The engine trains as Keras does, the same way every time, and pairs arms by seed; probes measure what they say."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from math import inf, isnan, log2
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from archlint.errors import UsageError
from archlint.graph import Loss, Optimizer, Training
from archlint.lab import probes
from archlint.lab.arms import Arm, Cost, Curves, Data, Plan
from archlint.lab.compiling import compiled
from archlint.lab.events import common_ends
from archlint.lab.initial import initialize
from archlint.lab.splits import shuffled, split
from archlint.lab.thresholds import (
    DRIFT_OCTAVES,
    INACTIVE,
    LOSS_RATIO,
    PAST_MINIMUM,
    REDUNDANT_BIAS,
    RISEN,
    SIGNAL_FAILS,
    SIGNAL_SLOW_SGD,
    STEPS,
    VARIANCE_SHIFT,
)
from archlint.lab.training import Trainer, pin_threads, trained

pin_threads()

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(150, 6)).astype("float32")
Y = (X @ RANDOM.normal(size=6) + RANDOM.normal(size=150)).astype("float32")
DATA = Data((X,), (Y,))
MSE = Loss("mean_squared_error", "regression")
ADAM = Training(Optimizer("adam", 0.01), (MSE,))
SHORT = Plan(epochs=3, batch_size=32)


def chain(*stack: Any, inputs: tuple[int, ...] = (6,)) -> Any:
    return keras.Sequential([keras.Input(inputs), *stack])


def arm(model: Any, training: Training = ADAM, **more: Any) -> Arm:
    return Arm("arm", keras.saving.serialize_keras_object(model), training, **more)


def mlp() -> Any:
    return chain(layers.Dense(16, activation="relu", name="first"), layers.Dense(1, name="last"))


def noisy_net() -> Any:
    return chain(
        layers.Dense(16, name="first"), layers.BatchNormalization(), layers.Dropout(0.3), layers.Dense(1, name="last")
    )


def lstm() -> Any:
    return chain(layers.Reshape((3, 2)), layers.LSTM(4), layers.Dense(1))


def convolution() -> Any:
    return chain(
        layers.Reshape((6, 1)),
        layers.Conv1D(4, 3, activation="relu", kernel_regularizer="l2"),
        layers.Flatten(),
        layers.Dense(1),
    )


class TestSteps:
    @pytest.mark.parametrize("build", [mlp, lstm, convolution])
    @pytest.mark.parametrize(
        "optimizer", [Optimizer("adam", 0.01), Optimizer("sgd", 0.05, momentum=0.9, clipnorm=0.5)], ids=["adam", "sgd"]
    )
    def test_an_epoch_is_that_of_keras(self, build: Any, optimizer: Optimizer) -> None:
        trainer = Trainer(arm(build(), Training(optimizer, (MSE,))), DATA, SHORT)
        trainer.reset(1)
        settings = {name: getattr(optimizer, name) for name in ("learning_rate", "momentum", "clipnorm")}
        settings = {name: value for name, value in settings.items() if value is not None}
        peer = keras.models.clone_model(trainer.model)
        peer.set_weights(trainer.model.get_weights())
        peer.compile(keras.optimizers.get({"class_name": optimizer.name, "config": settings}), "mse")
        rows = shuffled(split(DATA, 1, 0.2)[0], 1, 0)[:70]  # the last batch is not full

        losses = trainer.epoch(rows)

        for first in range(0, 70, 32):
            batch = rows[first : first + 32]
            peer.train_on_batch([X[batch]], [Y[batch]])
        for mine, theirs in zip(trainer.model.get_weights(), peer.get_weights(), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
        assert len(losses) == 3

    def test_losses_are_those_of_train_on_batch(self) -> None:
        trainer = Trainer(arm(mlp()), DATA, SHORT)
        trainer.reset(1)
        peer = keras.models.clone_model(trainer.model)
        peer.set_weights(trainer.model.get_weights())
        peer.compile(keras.optimizers.Adam(0.01), "mse")
        rows = np.arange(64)
        expected = []
        for first in (0, 32):
            peer.reset_metrics()
            expected.append(float(peer.train_on_batch([X[first : first + 32]], [Y[first : first + 32]])))
        assert trainer.epoch(rows) == pytest.approx(expected, rel=1e-5)

    def test_an_evaluation_is_that_of_keras(self) -> None:
        trainer = Trainer(arm(noisy_net()), DATA, SHORT)
        trainer.reset(1)
        trainer.model.compile(loss="mse")
        assert trainer.evaluate(np.arange(150)) == pytest.approx(trainer.model.evaluate([X], [Y], verbose=0), rel=1e-5)

    def test_penalties_are_trained_on_but_not_told(self) -> None:
        penalised = chain(layers.Dense(1, kernel_regularizer=keras.regularizers.L2(10.0)))
        trainers = [Trainer(arm(model), DATA, SHORT) for model in (penalised, chain(layers.Dense(1, name="dense")))]
        for trainer in trainers:
            trainer.reset(0)
            trainer.model.set_weights([np.ones((6, 1)), np.zeros(1)])
        first, second = (trainer.epoch(np.arange(64)) for trainer in trainers)
        assert first[0] == pytest.approx(second[0])
        assert first[1] != second[1]

    def test_several_inputs_and_outputs_are_told_apart(self) -> None:
        left, right = keras.Input((6,), name="left"), keras.Input((2,), name="right")
        both = layers.Concatenate()([left, right])
        model = keras.Model([left, right], [layers.Dense(1)(both), layers.Dense(3, activation="softmax")(both)])
        labels = RANDOM.integers(3, size=150)
        losses = (MSE, Loss("sparse_categorical_crossentropy", "crossentropy", False))
        [curves] = trained(
            arm(model, Training(Optimizer("adam", 0.01), losses)), Data((X, X[:, :2]), (Y, labels)), SHORT, [0]
        )
        assert curves.finite
        assert curves.val[-1] < curves.val[0]

    def test_too_few_arrays_are_refused(self) -> None:
        with pytest.raises(UsageError, match="1 inputs, but there are arrays for 2"):
            Trainer(arm(mlp()), Data((X, X), (Y,)), SHORT)


class TestRepeating:
    def test_a_seed_gives_the_same_curves_again(self) -> None:
        trainer = Trainer(arm(noisy_net()), DATA, SHORT)
        first, other, again = trainer.run(1), trainer.run(2), trainer.run(1)
        assert (first.losses, first.train, first.val) == (again.losses, again.train, again.val)
        assert first.val != other.val

    def test_a_seed_gives_the_same_curves_in_another_process(self) -> None:
        noisy = arm(noisy_net())
        here = trained(noisy, DATA, SHORT, [3, 4])
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            there = pool.submit(trained, noisy, DATA, SHORT, [3, 4]).result()
        for mine, theirs in zip(here, there, strict=True):
            # Bitwise if both have one thread, which other tests in this process may have prevented.
            np.testing.assert_allclose(mine.losses, theirs.losses, rtol=1e-6)
            np.testing.assert_allclose(mine.val, theirs.val, rtol=1e-6)

    def test_what_goes_in_and_out_can_be_pickled(self) -> None:
        saved = {"first": (np.zeros((6, 16)), np.zeros(16))}
        sent = pickle.loads(pickle.dumps((arm(mlp(), saved=saved), DATA, SHORT)))
        curves = trained(*sent, [0])
        assert pickle.loads(pickle.dumps(curves)) == curves

    def test_progress_is_told_after_each_epoch(self) -> None:
        told: list[tuple[int, float, float]] = []
        curves = Trainer(arm(mlp()), DATA, SHORT).run(0, lambda *epoch: told.append(epoch))
        assert told == list(zip((1, 2, 3), curves.train, curves.val, strict=True))


class TestInitialWeights:
    def test_arms_share_those_of_the_layers_they_share(self) -> None:
        plain, changed = (
            mlp(),
            chain(
                layers.Dense(16, activation="relu", name="first"),
                layers.Dense(16, activation="relu", name="between"),
                layers.Dropout(0.5),
                layers.Dense(1, name="last"),
            ),
        )
        for model in (plain, changed):
            initialize(model, 5)
        for name in ("first", "last"):
            np.testing.assert_array_equal(plain.get_layer(name).kernel, changed.get_layer(name).kernel)
        assert np.std(changed.get_layer("between").kernel) > 0

    def test_another_initializer_draws_the_same_numbers_at_its_scale(self) -> None:
        narrow, wide = (
            chain(layers.Dense(16, kernel_initializer=keras.initializers.RandomNormal(stddev=scale), name="first"))
            for scale in (0.1, 0.2)
        )
        for model in (narrow, wide):
            initialize(model, 5)
        np.testing.assert_allclose(2 * narrow.layers[0].kernel.numpy(), wide.layers[0].kernel.numpy(), rtol=1e-6)

    def test_explicit_seeds_are_overridden(self) -> None:
        model = chain(layers.Dense(16, kernel_initializer=keras.initializers.HeNormal(seed=42)))
        kernels = []
        for seed in (1, 2, 1):
            initialize(model, seed)
            kernels.append(model.layers[0].kernel.numpy())
        assert not np.array_equal(kernels[0], kernels[1])
        np.testing.assert_array_equal(kernels[0], kernels[2])

    def test_every_layer_starts_as_it_would_in_keras(self) -> None:
        model = chain(layers.Reshape((3, 2)), layers.LSTM(4), layers.BatchNormalization(), layers.Dense(1))
        shapes = [weight.shape for weight in model.get_weights()]
        model.set_weights([np.full(shape, 9.0) for shape in shapes])
        initialize(model, 0)
        recurrent, norm = model.layers[1], model.layers[2]
        np.testing.assert_array_equal(recurrent.get_weights()[2], np.repeat([0, 1, 0, 0], 4))  # the forget gate's bias
        np.testing.assert_array_equal(norm.moving_variance, np.ones(4))

    def test_parts_of_a_layer_differ(self) -> None:
        x = keras.Input((3, 4))
        model = keras.Model(x, layers.MultiHeadAttention(2, 2, name="attention")(x, x))
        initialize(model, 0)
        query, _, key, *_ = model.get_layer("attention").get_weights()
        assert not np.array_equal(query, key)

    def test_saved_weights_are_the_start_if_it_is_asked_for(self) -> None:
        saved = {"first": (np.full((6, 16), 0.5, "float32"), np.zeros(16, "float32"))}
        model = mlp()
        initialize(model, 0, saved, "saved")
        np.testing.assert_array_equal(model.get_layer("first").kernel, saved["first"][0])
        initialize(model, 0, saved, "fresh")
        assert not np.array_equal(model.get_layer("first").kernel, saved["first"][0])

    def test_frozen_layers_keep_their_saved_weights(self) -> None:
        saved = {"first": (np.full((6, 16), 0.5, "float32"), np.zeros(16, "float32"))}
        model = chain(layers.Dense(16, name="first", trainable=False), layers.Dense(1))
        trainer = Trainer(arm(model, saved=saved), DATA, SHORT)
        curves = trainer.run(0)
        np.testing.assert_array_equal(trainer.model.get_layer("first").kernel, saved["first"][0])
        assert curves.assumed == ()

    def test_frozen_layers_without_saved_weights_are_told_of(self) -> None:
        model = chain(layers.Dense(16, name="first", trainable=False), layers.Dense(1))
        [note] = Trainer(arm(model), DATA, SHORT).assumed
        assert note == "there are no saved weights for the frozen layer first: they were drawn anew"

    def test_what_a_layer_was_adapted_to_stays(self) -> None:
        model = chain(layers.Normalization(mean=3.0, variance=4.0), layers.Dense(1))
        initialize(model, 0)
        assert float(model.layers[0](np.full((1, 6), 5.0))[0, 0]) == pytest.approx(1.0)


class TestNorms:
    def test_their_statistics_are_brought_up_to_date(self) -> None:
        model = chain(layers.BatchNormalization(name="norm"), layers.Dense(1))
        trainer = Trainer(arm(model), Data((3 + 2 * X,), (Y,)), Plan(batch_size=50))
        trainer.reset(0)
        trainer.recalibrate(np.arange(150))
        norm = trainer.model.get_layer("norm")
        batches = (3 + 2 * X).reshape(3, 50, 6)
        np.testing.assert_allclose(norm.moving_mean, batches.mean(axis=(0, 1)), rtol=1e-3)
        np.testing.assert_allclose(norm.moving_variance, batches.var(axis=1).mean(axis=0), rtol=1e-3)

    def test_those_of_a_frozen_one_stay(self) -> None:
        model = chain(layers.BatchNormalization(name="norm", trainable=False), layers.Dense(1))
        trainer = Trainer(arm(model), DATA, SHORT)
        trainer.run(0)
        np.testing.assert_array_equal(trainer.model.get_layer("norm").moving_mean, np.zeros(6))


class TestSplits:
    def test_each_seed_has_its_own(self) -> None:
        train, val = split(DATA, 0, 0.2)
        assert (len(train), len(val)) == (120, 30)
        assert sorted([*train, *val]) == list(range(150))
        assert not np.array_equal(val, split(DATA, 1, 0.2)[1])

    def test_groups_stay_together(self) -> None:
        groups = np.repeat(["a", "b", "c", "d", "e"], 30)
        for seed in range(5):
            train, val = split(Data((X,), (Y,), groups), seed, 0.2)
            assert not set(groups[train]) & set(groups[val])
            assert len(val) == 30

    def test_what_the_user_held_out_is_held_out(self) -> None:
        held_out = np.arange(150) < 10
        assert list(split(Data((X,), (Y,), held_out=held_out), 0, 0.2)[1]) == list(range(10))

    def test_a_single_group_cannot_be_split(self) -> None:
        with pytest.raises(UsageError, match="cannot be split"):
            split(Data((X,), (Y,), np.zeros(150)), 0, 0.2)


class TestEnds:
    def test_a_run_ends_where_a_loss_is_not_finite(self) -> None:
        diverging = Training(Optimizer("sgd", 1e6), (MSE,))
        [curves] = trained(arm(mlp(), diverging), DATA, Plan(epochs=10), [0])
        assert not curves.finite
        assert len(curves.val) < 10
        assert (curves.best, curves.end, curves.highest) == (inf, inf, inf)

    def test_a_run_ends_where_it_only_overfits(self) -> None:
        wide = chain(layers.Dense(256, activation="relu"), layers.Dense(1))
        noise = Data((X,), (RANDOM.normal(size=150).astype("float32"),))
        [curves] = trained(arm(wide), noise, Plan(epochs=200), [0])
        lowest = curves.val.index(curves.best)
        assert lowest + PAST_MINIMUM < len(curves.val) < 100
        assert curves.val[-1] > (1 + RISEN) * curves.best

    def test_the_end_is_the_mean_of_the_last_tenth(self) -> None:
        curves = Curves(0, (1.0,) * 20, (*[1.0] * 17, 0.5, 1.0, 2.0), (3.0, 7.0, 1.0), 0.0)
        assert (curves.best, curves.end, curves.rise) == (0.5, 1.5, 2.0)
        assert common_ends(curves.val, curves.val) == (1.5, 1.5)
        assert (curves.initial, curves.highest) == (3.0, 7.0)

    def test_a_loss_below_zero_has_no_rise(self) -> None:
        assert isnan(Curves(0, (-0.5,), (-0.5,), (-0.5,), 0.0).rise)


class TestBudget:
    def test_seconds_are_predicted_from_a_few_steps(self) -> None:
        cost = Trainer(arm(mlp()), DATA, SHORT).cost()
        assert cost.steps == 4
        assert min(cost.tracing, cost.step, cost.evaluation) > 0

    def test_a_seed_costs_its_beginning_its_steps_and_its_evaluations(self) -> None:
        cost = Cost(tracing=9.0, step=0.01, evaluation=0.1, steps=10, beginning=0.5)
        assert [cost.seconds(epochs=10), cost.seconds(10, seeds=3)] == pytest.approx([2.5, 7.5])


class TestCompiling:
    def test_what_the_file_says_is_taken(self) -> None:
        stated = Optimizer("rms_prop", 0.02, momentum=0.5, clipvalue=0.3)
        loss = Loss("binary_crossentropy", "crossentropy", True)
        made = compiled(Training(stated, (loss,)), mlp(), [Y])
        assert type(made.optimizer).__name__ == "RMSprop"
        assert float(made.optimizer.learning_rate) == pytest.approx(0.02)
        assert (made.optimizer.momentum, made.optimizer.clipvalue) == (0.5, 0.3)
        assert made.losses[0].get_config()["from_logits"] is True
        assert made.assumed == ()

    @pytest.mark.parametrize(
        ("optimizer", "note"),
        [
            (None, "the file names no optimizer; Adam with a learning rate of 0.001 was assumed"),
            (
                Optimizer("custom:Mine", 0.1),
                "the file names an optimizer of its own, Mine; Adam with a learning rate of 0.001 was assumed",
            ),
            (Optimizer("sgd"), "the file states no learning rate; Keras's default of 0.01 was assumed"),
            (
                Optimizer("adam", 0.05, "cosine_decay"),
                "the learning rate was held at 0.05, where the file has the schedule cosine_decay",
            ),
        ],
    )
    def test_what_it_does_not_say_is_assumed_aloud(self, optimizer: Optimizer | None, note: str) -> None:
        assert compiled(Training(optimizer, (MSE,)), mlp(), [Y]).assumed == (note,)

    @pytest.mark.parametrize(
        ("units", "activation", "targets", "loss"),
        [
            (1, "sigmoid", Y > 0, "binary_crossentropy"),
            (3, "softmax", np.zeros(150, int), "sparse_categorical_crossentropy"),
            (3, "softmax", np.zeros((150, 3)), "categorical_crossentropy"),
            (3, None, np.zeros((150, 1), int), "sparse_categorical_crossentropy"),
            (1, None, Y, "mean_squared_error"),
        ],
    )
    def test_a_missing_loss_is_guessed(self, units: int, activation: str | None, targets: Any, loss: str) -> None:
        made = compiled(Training(Optimizer("adam", 0.01)), chain(layers.Dense(units, activation)), [targets])
        assert made.losses[0].name == loss
        assert made.assumed == (f"the file names no loss; {loss} was assumed",)

    def test_a_loss_of_ones_own_is_replaced_aloud(self) -> None:
        made = compiled(Training(Optimizer("adam", 0.01), (Loss("custom:mine", "custom"),)), mlp(), [Y])
        assert made.assumed == ("the file has a loss of its own, mine; mean_squared_error was assumed",)

    def test_outputs_without_a_loss_are_not_trained_on(self) -> None:
        x = keras.Input((6,))
        model = keras.Model(x, [layers.Dense(1)(x), layers.Dense(1)(x)])
        made = compiled(Training(Optimizer("adam", 0.01), (MSE, None)), model, [Y, Y])
        assert made.losses[1] is None


def deep(depth: int, activation: str, initializer: str, width: int = 32) -> Any:
    hidden = [layers.Dense(width, activation, kernel_initializer=initializer) for _ in range(depth)]
    return chain(*hidden, layers.Dense(1), inputs=(20,))


class TestProbes:
    def test_spread_tells_a_stack_that_passes_nothing_on(self) -> None:
        lost, kept = deep(6, "sigmoid", "glorot_uniform"), deep(6, "relu", "he_normal")
        assert probes.spread(lost, probes.noise(lost, 128), range(3)) < SIGNAL_FAILS
        assert probes.spread(kept, probes.noise(kept, 128), range(3)) > SIGNAL_SLOW_SGD

    def test_norms_are_up_to_date_before_the_spread_is_looked_at(self) -> None:
        stack = [layer for _ in range(5) for layer in (layers.Dense(32, "sigmoid"), layers.BatchNormalization())]
        model = chain(*stack, layers.Dense(1), inputs=(20,))
        assert probes.spread(model, probes.noise(model, 128), range(2)) > SIGNAL_SLOW_SGD

    def test_a_profile_has_the_signal_and_the_gradient_in_front_of_each_kernel(self) -> None:
        model = chain(
            layers.Dense(6, use_bias=False, name="first"),
            layers.Dropout(0.5),
            layers.Dense(6, use_bias=False, name="second"),
            layers.Dense(2, "softmax", use_bias=False, name="last"),
        )
        for layer, kernel in zip(model.layers[::2], (2 * np.eye(6), 3 * np.eye(6)), strict=False):
            layer.set_weights([kernel])
        model.layers[-1].set_weights([np.eye(6)[:, :2]])
        found = probes.profile(model, [X], None)
        assert list(found) == ["first", "second", "last"]
        spreads, gradients = zip(*found.values(), strict=True)
        own = float(X.std(axis=0).mean())
        assert spreads == pytest.approx((own, 2 * own, 6 * own), rel=1e-5)
        assert gradients == pytest.approx((6, 3, 1), rel=1e-5)
        assert model.layers[-1].activation is keras.activations.softmax

    def test_a_network_that_ends_in_a_recurrent_layer_has_a_profile_too(self) -> None:
        model = chain(layers.Reshape((3, 2)), layers.LSTM(4, name="first", return_sequences=True), layers.LSTM(2))
        first, last = probes.profile(model, [X], range(2)).values()
        assert min(first.spread, last.spread) > 0.01
        assert first.gradient < last.gradient < 1

    def test_drift_counts_octaves(self) -> None:
        kept, grown = deep(5, "selu", "lecun_normal", 64), deep(5, "selu", "he_normal", 64)
        x = probes.noise(kept, 256)
        assert abs(probes.drift(kept, x, range(3))) < DRIFT_OCTAVES / 2
        assert probes.drift(grown, x, range(3)) > DRIFT_OCTAVES

    def test_weights_are_taken_as_they_are_if_no_seed_is_given(self) -> None:
        model = chain(layers.Dense(6, use_bias=False), layers.Dense(1))
        model.layers[0].set_weights([4 * np.eye(6)])
        assert probes.drift(model, [X], None) == pytest.approx(log2(4), abs=1e-5)

    def test_a_bias_that_is_normalised_away_has_no_gradient(self) -> None:
        redundant = chain(layers.Dense(8, name="d"), layers.BatchNormalization(), layers.ReLU(), layers.Dense(1))
        useful = chain(layers.Dense(8, name="d"), layers.ReLU(), layers.BatchNormalization(), layers.Dense(1))
        for model in (redundant, useful):
            initialize(model, 0)
        assert probes.bias_share(redundant, redundant.get_layer("d"), [X]) < REDUNDANT_BIAS
        assert probes.bias_share(useful, useful.get_layer("d"), [X]) > 10 * REDUNDANT_BIAS

    def test_units_that_never_fire_are_counted(self) -> None:
        model = chain(layers.Dense(4, activation="relu", name="hidden"), layers.Dense(1))
        bias = np.array([-99.0, -99.0, -99.0, 99.0])
        model.layers[0].set_weights([np.ones((6, 4)), bias])
        assert probes.inactive(model, [X]) == {"hidden": 0.75}

    def test_units_die_at_a_high_learning_rate_only(self) -> None:
        model = chain(*(layers.Dense(32, activation="relu") for _ in range(3)), layers.Dense(1))
        shares = [
            probes.inactive_after(
                Trainer(arm(model, Training(Optimizer("adam", rate), (MSE,))), DATA, SHORT), [X], 0, STEPS
            )
            for rate in (0.001, 1.0)
        ]
        assert shares[0] < INACTIVE / 2
        assert shares[1] > INACTIVE

    def test_raw_inputs_explode_under_sgd(self) -> None:
        sgd = arm(mlp(), Training(Optimizer("sgd", 0.01), (MSE,)))
        ratios = [
            probes.explosion(Trainer(sgd, Data((scale * X,), (Y,)), SHORT).first_losses(0, STEPS))
            for scale in (1, 1000)
        ]
        assert ratios[0] < LOSS_RATIO / 2
        assert ratios[1] == inf

    def test_dropout_shifts_the_variance_behind_it(self) -> None:
        shifts = []
        for rate in (0.0, 0.5):
            model = chain(
                layers.Dense(32, activation="relu"), layers.Dropout(rate), layers.BatchNormalization(name="norm"),
                layers.Dense(1),
            )  # fmt: skip
            trainer = Trainer(arm(model), DATA, SHORT)
            trainer.reset(0)
            trainer.recalibrate(np.arange(150))
            shifts.append(probes.variance_shift(trainer.model, trainer.model.get_layer("norm"), [X]))
        assert shifts[0] == pytest.approx(1, abs=0.15)
        assert shifts[1] > VARIANCE_SHIFT

    def test_noise_suits_the_inputs(self) -> None:
        words, numbers = keras.Input((None,), dtype="int32"), keras.Input((5, 2))
        embedded = layers.GlobalAveragePooling1D()(layers.Embedding(7, 2)(words))
        both = layers.Concatenate()([embedded, layers.Flatten()(numbers)])
        made = probes.noise(keras.Model([words, numbers], layers.Dense(1)(both)), 100)
        assert [array.shape for array in made] == [(100, 16), (100, 5, 2)]
        assert (made[0].min(), made[0].max()) == (0, 6)
        assert made[1].std() == pytest.approx(1, abs=0.1)
