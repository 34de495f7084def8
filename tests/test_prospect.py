"""How well a model can start to learn: by which way it is told, how it is graded, and what would mend it."""

import os

import pytest
from support import query

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")
layers = keras.layers

COLUMNS = "remedy, first.name, last.name, head.name, gradient, input_std, normed, grade, mends"


@pytest.fixture
def prospects(tmp_path):
    """The rows of `prospect` of a model by remedy, layers by name."""

    def of(model):
        model.save(tmp_path / "model.keras")
        rows = query(
            tmp_path / "model.keras",
            f"""SELECT {COLUMNS} FROM prospect
                JOIN layer AS first ON first.id = prospect.first
                JOIN layer AS last ON last.id = prospect.last
                JOIN layer AS head ON head.id = prospect.head""",
        )
        names = "first last head gradient input_std normed grade mends".split()
        return {remedy: dict(zip(names, row, strict=True)) for remedy, *row in rows}

    return of


@pytest.fixture
def way(prospects):
    """The first, last and head layer by which a model is judged."""

    def of(model):
        found = prospects(model)["none"]
        return found["first"], found["last"], found["head"]

    return of


def mlp(depth, activation="relu", initializer="glorot_uniform", optimizer=None, width=32, norm=False):
    hidden = []
    for number in range(depth):
        hidden.append(layers.Dense(width, kernel_initializer=initializer, name=f"hidden_{number}"))
        hidden += [layers.BatchNormalization()] if norm else []
        hidden.append(layers.Activation(activation, name=f"active_{number}"))
    head = layers.Dense(width, name="head", kernel_initializer="lecun_normal")
    model = keras.Sequential([keras.Input((width,)), *hidden, head])
    if optimizer:
        model.compile(optimizer, "mse")
    return model


# -- the way --


def test_a_plain_stack_is_told_by_its_first_kernel_what_its_output_layer_reads_and_that_layer(way):
    assert way(mlp(3)) == ("hidden_0", "active_2", "head")


def test_in_a_residual_net_the_stem_is_first_and_branches_are_not_the_way(way, prospects):
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", name="stem")(inputs)
    x = layers.BatchNormalization()(x)
    for number in range(2):
        branch = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
        branch = layers.Conv2D(8, 3, padding="same", kernel_initializer="zeros")(branch)
        x = layers.Add(name=f"sum_{number}")([x, branch])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, layers.Dense(4, activation="softmax", name="head")(x))
    assert way(model) == ("stem", "pool", "head")
    assert prospects(model)["none"]["normed"] == 1


def test_a_gate_is_not_the_way(way):
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="stem")(inputs)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    for number in range(4):
        gate = layers.Conv2D(8, 1, activation="sigmoid", name=f"gate_{number}")(gate)
    x = layers.Multiply(name="gated")([x, gate])
    model = keras.Model(inputs, layers.Dense(4, name="head")(layers.Flatten(name="flat")(x)))
    assert way(model) == ("stem", "flat", "head")


def test_in_a_u_net_the_skip_is_the_way(way):
    inputs = keras.Input((8, 8, 3))
    top = layers.Conv2D(8, 3, padding="same", activation="relu", name="top")(inputs)
    low = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.MaxPooling2D()(top))
    up = layers.UpSampling2D()(low)
    joined = layers.Concatenate(name="joined")([up, top])
    model = keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid", name="head")(joined))
    assert way(model) == ("top", "joined", "head")


def test_siamese_towers_are_judged_by_the_one_that_they_share(way):
    tower = keras.Sequential([keras.Input((8,)), layers.Dense(8, name="shared"), layers.Dense(8)], name="tower")
    left, right = keras.Input((8,)), keras.Input((8,))
    distance = layers.Subtract(name="distance")([tower(left), tower(right)])
    model = keras.Model([left, right], layers.Dense(1, activation="sigmoid", name="head")(distance))
    assert way(model) == ("tower/shared", "distance", "head")


def test_of_several_outputs_the_deepest_one_counts_and_their_number_does_not(prospects):
    def build(heads):
        inputs = keras.Input((16,))
        x = layers.Dense(16, name="trunk", activation="relu")(inputs)
        deep = layers.Dense(16, name="deep", activation="relu")(x)
        outputs = [layers.Dense(4, kernel_initializer="lecun_normal")(deep) for _ in range(heads)]
        return keras.Model(inputs, [*outputs, layers.Dense(4, name="shallow")(x)])

    few, many = prospects(build(1))["none"], prospects(build(9))["none"]
    assert few["last"] == many["last"] == "deep"
    assert few["gradient"] == pytest.approx(many["gradient"], rel=0.5)


def test_a_generator_before_a_frozen_discriminator_is_not_judged(prospects):
    generator = keras.Sequential([keras.Input((8,)), layers.Dense(8), layers.Dense(16, activation="tanh")])
    discriminator = keras.Sequential([keras.Input((16,)), layers.Dense(8), layers.Dense(1, activation="sigmoid")])
    discriminator.trainable = False
    model = keras.Sequential([keras.Input((8,)), generator, discriminator])
    assert prospects(model) == {}


@pytest.mark.parametrize(
    "between",
    [
        lambda: layers.Lambda(lambda x: x * 2),
        lambda: layers.Dense(16, trainable=False),
        lambda: keras.Sequential([layers.Reshape((4, 4)), layers.LSTM(16)]),
        lambda: keras.Sequential([layers.RepeatVector(4), layers.SimpleRNN(16)]),
    ],
    ids=["opaque", "frozen", "recurrent", "recurrent too"],
)
def test_nothing_is_said_where_the_way_is_not_understood_or_not_comparable(prospects, between):
    hidden = [layers.Dense(16, activation="sigmoid") for _ in range(10)]
    assert prospects(keras.Sequential([keras.Input((16,)), between(), *hidden, layers.Dense(16)])) == {}


def test_nothing_is_said_of_a_model_without_hidden_kernels(prospects):
    assert prospects(keras.Sequential([keras.Input((8,)), layers.Dense(1)])) == {}
    assert prospects(keras.Sequential([keras.Input((8,)), layers.Flatten()])) == {}


def test_an_output_layer_of_zeros_stops_the_gradient_for_one_step_only_and_is_no_fault(prospects):
    hidden = [layers.Dense(8, activation="relu") for _ in range(3)]
    zero = layers.Dense(1, kernel_initializer="zeros")
    assert prospects(keras.Sequential([keras.Input((8,)), *hidden, zero])) == {}


def test_an_output_layer_may_start_small(prospects):
    hidden = [layers.Dense(16, activation="relu", kernel_initializer="he_normal") for _ in range(3)]
    small = layers.Dense(2, kernel_initializer=keras.initializers.Orthogonal(0.001))
    found = prospects(keras.Sequential([keras.Input((16,)), *hidden, small]))["none"]
    assert found["gradient"] == pytest.approx(1, rel=0.3)


# -- the grade --


@pytest.mark.parametrize(
    ("depth", "activation", "initializer", "optimizer", "grade"),
    [
        (4, "relu", "glorot_uniform", None, "trains"),
        (10, "relu", "glorot_uniform", None, "weak"),
        (10, "relu", "glorot_uniform", "sgd", "weak"),
        (20, "relu", "glorot_uniform", "sgd", "risky"),
        (20, "relu", "he_normal", "sgd", "trains"),
        (40, "relu", "glorot_uniform", "sgd", "fails"),
        (5, "sigmoid", "glorot_uniform", "sgd", "risky"),
        (3, "sigmoid", "glorot_uniform", "adam", "weak"),
        (14, "sigmoid", "glorot_uniform", "adam", "fails"),
        (20, "selu", "lecun_normal", "sgd", "trains"),
        (6, "relu", keras.initializers.VarianceScaling(20.0), "sgd", "fails"),
    ],
)
def test_grades_are_those_of_measured_trainings(prospects, depth, activation, initializer, optimizer, grade):
    found = prospects(mlp(depth, activation, initializer, optimizer))
    assert found["none"]["grade"] == grade
    assert (set(found) == {"none"}) == (grade == "trains")


def test_relu_halves_the_squared_gradient_in_each_default_layer(prospects):
    found = prospects(mlp(20))["none"]
    assert found["gradient"] == pytest.approx(0.5 ** (20 / 2), rel=0.2)


def test_a_model_with_a_norm_behind_every_kernel_is_not_graded_by_its_gradient(prospects):
    found = prospects(mlp(60, norm=True, optimizer="sgd"))
    assert (found["none"]["normed"], found["none"]["grade"]) == (1, "trains")


def test_a_norm_behind_some_kernels_excuses_a_large_gradient_but_not_a_small_one(prospects):
    def grade(activation, drawn):
        head = [layers.Dense(32), layers.BatchNormalization()]
        kernel = keras.initializers.VarianceScaling(drawn)
        tail = [layers.Dense(32, activation=activation, kernel_initializer=kernel) for _ in range(9)]
        found = prospects(keras.Sequential([keras.Input((32,)), *head, *tail, layers.Dense(32)]))["none"]
        assert found["normed"] == 0
        return found["grade"]

    assert grade("relu", 20.0) == "trains"
    assert grade("sigmoid", 1.0) == "fails"


def test_sums_with_skips_excuse_a_gradient_up_to_a_hundred(prospects):
    def grade(depth):
        inputs = keras.Input((32,))
        x = layers.Dense(32, name="stem")(inputs)
        for _ in range(depth):
            branch = layers.Dense(32, kernel_initializer="he_normal")(layers.Activation("relu")(x))
            x = layers.Add()([x, branch])
        model = keras.Model(inputs, layers.Dense(32, kernel_initializer="lecun_normal")(x))
        model.compile("sgd", "mse")
        return prospects(model)["none"]["grade"]

    assert (grade(10), grade(20)) == ("trains", "risky")


def test_global_averaging_takes_nothing_off_the_gradient(prospects):
    def build(size):
        return keras.Sequential([
            keras.Input((size, size, 8)),
            layers.Conv2D(8, 1, activation="relu", kernel_initializer="he_normal"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(8, activation="relu", kernel_initializer="he_normal"),
            layers.Dense(8),
        ])  # fmt: skip

    small, large = prospects(build(4))["none"], prospects(build(64))["none"]
    assert large["gradient"] == pytest.approx(small["gradient"], rel=0.4)
    assert large["grade"] == "trains"


def test_embeddings_start_small_by_intent(prospects):
    model = keras.Sequential([
        keras.Input((200,), dtype="int32"),
        layers.Embedding(1000, 16),
        layers.GlobalAveragePooling1D(),
        layers.Dense(16, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ])  # fmt: skip
    assert prospects(model)["none"]["grade"] == "trains"


# -- the remedies --


def test_he_initialization_mends_deep_relu(prospects):
    found = prospects(mlp(40))
    assert found["initializers"]["mends"]
    assert found["initializers"]["gradient"] == pytest.approx(1, rel=0.3)
    assert "relu" not in found


def test_relu_mends_a_stack_of_sigmoids_and_initializers_do_not(prospects):
    found = prospects(mlp(10, "sigmoid"))
    assert not found["initializers"]["mends"]
    assert found["relu"]["mends"]
    assert found["relu"]["gradient"] == pytest.approx(1, rel=0.5)


def test_batch_norm_mends_deep_silu_and_he_does_not(prospects):
    found = prospects(mlp(40, "silu"))
    assert not found["initializers"]["mends"]
    assert found["norm"]["mends"]
    assert found["norm"]["normed"] == 1
