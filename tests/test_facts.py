"""The facts of models saved by real Keras are what `schema.sql` promises."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import entry, sequential, write_h5

from archlint.facts import build
from archlint.facts.store import marked
from archlint.readers import open_model

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")
layers, ops = keras.layers, keras.ops

Row = dict[str, Any]
Saved = Callable[..., "Facts"]

GIVEN = {*marked("weights"), *marked("data"), *marked("targets")}
"""What needs more than the file's architecture."""


@dataclass
class Facts:
    """All facts of one file; layers are named, not numbered, wherever a row refers to one."""

    layers: dict[str, Row]
    edges: list[Row]
    links: list[Row]
    outputs: list[Row]
    metrics: list[Row]
    model: Row
    absent: dict[str, str]
    reached: set[tuple[str, str]]

    def link(self, dst: str, slot: int = 0) -> Row:
        """The only link to an input of a layer."""
        (link,) = (link for link in self.links if (link["dst"], link["slot"]) == (dst, slot))
        return link

    def edge(self, src: str, dst: str) -> Row:
        """The only edge between two layers."""
        (edge,) = (edge for edge in self.edges if (edge["src"], edge["dst"]) == (src, dst))
        return edge

    def all(self, column: str) -> dict[str, Any]:
        """A column of `layer`, by the names of the layers."""
        return {name: row[column] for name, row in self.layers.items()}

    def where(self, column: str, value: Any = 1) -> list[str]:
        """The layers that have a value, in order."""
        return [name for name, found in self.all(column).items() if found == value]


def facts_of(path: Path) -> Facts:
    """The facts of a file."""
    with open_model(path) as model, closing(build(model)) as built:
        connection = built.connection
        connection.row_factory = sqlite3.Row
        names = [row["name"] for row in connection.execute("SELECT name FROM layer ORDER BY id")]
        references = ("src", "dst", "prev", "dropout", "norm", "layer", "chain", "stack")

        def rows(table: str) -> list[Row]:
            found = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
            known = ((row, key) for row in found for key in references if isinstance(row.get(key), int))
            for row, key in known:
                row[key] = names[row[key]]
            return found

        reached = connection.execute("SELECT a.name, b.name FROM layer AS a, layer AS b WHERE reaches(a.id, b.id)")
        return Facts(
            layers={row["name"]: row for row in rows("layer")},
            edges=rows("edge"),
            links=rows("link"),
            outputs=rows("output"),
            metrics=rows("metric"),
            model=rows("model")[0],
            absent={fact: why for fact, why in built.absent.items() if fact not in GIVEN},
            reached={tuple(pair) for pair in reached.fetchall()},
        )


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Saved]:
    """Saves a model, or one over the tensor that a function makes of an input, and tells its facts."""

    def facts(model: Any, shape: tuple[int | None, ...] = (8,), suffix: str = ".keras") -> Facts:
        if not isinstance(model, keras.Model):
            x = keras.Input(shape, name="input")
            model = keras.Model(x, model(x))
        path = tmp_path_factory.mktemp("saved") / f"model{suffix}"
        model.save(path)
        return facts_of(path)

    keras.utils.set_random_seed(7)
    yield facts
    keras.utils.clear_session()


def chain(*stack: Any) -> Callable[[Any], Any]:
    """A function that calls layers one after another."""

    def build(x: Any) -> Any:
        for layer in stack:
            x = layer(x)
        return x

    return build


def dense(name: str, units: int = 8, **settings: Any) -> Any:
    return layers.Dense(units, name=name, **settings)


# Edges


def test_an_edge_is_sole_if_nothing_else_reads_the_value(saved: Saved) -> None:
    def fork(x: Any) -> Any:
        a = dense("a")(x)
        return layers.Add(name="sum")([dense("b")(a), dense("c")(a)])

    facts = saved(fork)
    assert [facts.edge("a", "b")["sole"], facts.edge("a", "c")["sole"], facts.edge("input", "a")["sole"]] == [0, 0, 1]
    assert (facts.edge("b", "sum")["slot"], facts.edge("c", "sum")["slot"]) == (0, 1)


def test_an_edge_from_an_output_of_the_model_is_not_sole(saved: Saved) -> None:
    x = keras.Input((8,))
    a = dense("a")(x)
    facts = saved(keras.Model(x, [a, dense("b")(a)]))
    assert facts.edge("a", "b")["sole"] == 0


def test_a_layer_that_reads_a_value_twice_is_no_sole_reader(saved: Saved) -> None:
    facts = saved(lambda x: layers.Multiply(name="square")([a := dense("a")(x), a]))
    assert [(edge["slot"], edge["sole"]) for edge in facts.edges if edge["src"] == "a"] == [(0, 0), (1, 0)]


# Links


def test_a_link_tells_what_lies_between_two_layers_with_kernels(saved: Saved) -> None:
    stack = (
        layers.Conv2D(4, 3, name="conv"),
        layers.BatchNormalization(name="norm1"),
        layers.ReLU(name="relu"),
        layers.MaxPooling2D(name="pool"),
        layers.SpatialDropout2D(0.1, name="dropout1"),
        layers.ZeroPadding2D(name="padding"),
        layers.LayerNormalization(name="norm2"),
        layers.Flatten(name="flatten"),
        layers.Dropout(0.3, name="dropout2"),
        dense("head"),
    )
    link = saved(chain(*stack), (12, 12, 3)).link("head")
    assert link == {
        "src": "conv",
        "dst": "head",
        "slot": 0,
        "sole": 1,
        "prev": "norm2",
        "activation": "relu",
        "dropout": "dropout2",
        "dropout_rate": 0.3,
        "norm": "norm2",
        "norms": 2,
        "stochastics": 2,
        "reshapes": 1,
        "flattens": 1,
        "pools": 1,
        "global_pools": 0,
        "others": 1,
    }


def test_a_link_without_anything_between_says_so(saved: Saved) -> None:
    link = saved(chain(dense("a"), dense("b"))).link("b")
    assert (link["src"], link["prev"], link["activation"], link["dropout"], link["norm"]) == (
        "a",
        "a",
        "linear",
        None,
        None,
    )
    counted = ("norms", "stochastics", "reshapes", "flattens", "pools", "global_pools", "others")
    assert [link[column] for column in counted] == [0] * 7


def test_a_global_pool_is_a_pool_and_no_reshape(saved: Saved) -> None:
    link = saved(chain(layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), dense("head")), (8, 8, 3)).link("head")
    assert (link["pools"], link["global_pools"], link["reshapes"], link["flattens"]) == (1, 1, 0, 0)


def test_a_reshape_to_one_axis_flattens_and_another_does_not(saved: Saved) -> None:
    stack = (layers.Reshape((2, 4)), layers.Conv1D(4, 1, name="conv"), layers.Reshape((-1,)), dense("head"))
    facts = saved(chain(*stack))
    assert (facts.link("conv")["reshapes"], facts.link("conv")["flattens"]) == (1, 0)
    assert (facts.link("head")["reshapes"], facts.link("head")["flattens"]) == (1, 1)


def test_noise_is_stochastic_and_no_dropout(saved: Saved) -> None:
    link = saved(chain(dense("a"), layers.GaussianNoise(0.1), dense("b"))).link("b")
    assert (link["stochastics"], link["dropout"], link["dropout_rate"], link["others"]) == (1, None, None, 0)


def test_the_last_activation_counts(saved: Saved) -> None:
    stack = (dense("a", activation="tanh"), layers.ReLU(), layers.Activation("linear"), dense("b"))
    assert saved(chain(*stack)).link("b")["activation"] == "relu"


def test_a_merge_ends_a_link_and_hides_the_activations_before_it(saved: Saved) -> None:
    def two(x: Any) -> Any:
        merged = layers.Add(name="sum")([dense("a", activation="relu")(x), dense("b", activation="relu")(x)])
        return dense("c")(layers.Dropout(0.2)(merged))

    facts = saved(two)
    assert [(facts.link("sum", slot)["src"], facts.link("sum", slot)["activation"]) for slot in (0, 1)] == [
        ("a", "relu"),
        ("b", "relu"),
    ]
    assert (facts.link("c")["src"], facts.link("c")["prev"], facts.link("c")["activation"]) == ("sum", "sum", None)


def test_an_activation_behind_a_merge_is_known_again(saved: Saved) -> None:
    facts = saved(lambda x: dense("b")(layers.ReLU()(layers.Add(name="sum")([x, dense("a")(x)]))))
    assert (facts.link("b")["src"], facts.link("b")["activation"]) == ("sum", "relu")


def test_an_opaque_layer_ends_a_link(saved: Saved) -> None:
    facts = saved(chain(dense("a", activation="relu"), layers.Lambda(lambda x: x, name="opaque"), dense("b")))
    assert facts.layers["opaque"]["opaque"] == 1
    assert (facts.link("b")["src"], facts.link("b")["activation"]) == ("opaque", None)


def test_the_activation_that_an_unknown_layer_claims_is_not_believed(tmp_path: Path) -> None:
    stack = (
        entry("Secret", name="secret", activation="relu", batch_input_shape=[None, 4]),
        entry("Dense", name="d", units=3),
    )
    facts = facts_of(write_h5(tmp_path / "m.h5", sequential(*stack)))
    assert (facts.link("d")["src"], facts.link("d")["activation"]) == ("secret", None)


def test_a_value_read_elsewhere_makes_the_whole_way_not_sole(saved: Saved) -> None:
    def fork(x: Any) -> Any:
        dropped = layers.Dropout(0.2)(dense("a")(x))
        return layers.Concatenate(name="both")([dense("b")(layers.ReLU()(dropped)), dropped])

    facts = saved(fork)
    assert (facts.link("b")["sole"], facts.link("both", 1)["sole"], facts.link("a")["sole"]) == (0, 0, 1)


def test_a_shared_layer_has_one_row_and_a_link_from_each_way_to_it(saved: Saved) -> None:
    x, y = keras.Input((8,), name="x"), keras.Input((8,), name="y")
    shared = dense("shared", activation="relu")
    facts = saved(keras.Model([x, y], layers.Subtract(name="gap")([shared(dense("a")(x)), shared(dense("b")(y))])))
    assert facts.layers["shared"]["calls"] == 2
    assert sorted(link["src"] for link in facts.links if link["dst"] == "shared") == ["a", "b"]
    assert [facts.link("gap", slot)["src"] for slot in (0, 1)] == ["shared", "shared"]


# What a value meets next

EFFECTIVE: dict[str, tuple[tuple[Any, ...], str | None]] = {
    "its own": ((layers.Dense(8, activation="gelu", name="a"), layers.ReLU()), "gelu"),
    "a layer": ((dense("a"), layers.ReLU()), "relu"),
    "one behind a norm": ((dense("a"), layers.BatchNormalization(), layers.Activation("swish")), "silu"),
    "one behind dropout": ((dense("a"), layers.Dropout(0.2), layers.LeakyReLU()), "leaky_relu"),
    "one behind a reshape and a pool": (
        (dense("a"), layers.Reshape((4, 2)), layers.MaxPooling1D(), layers.ELU()),
        "elu",
    ),
    "one behind a linear activation": ((dense("a"), layers.Activation("linear"), layers.Softmax()), "softmax"),
    "one in a time-distributed wrapper": (
        (dense("a"), layers.Reshape((4, 2)), layers.TimeDistributed(layers.Activation("tanh"))),
        "tanh",
    ),
    "another kernel first": ((dense("a"), layers.BatchNormalization(), dense("b"), layers.ReLU()), "linear"),
    "the output first": ((dense("a"), layers.Dropout(0.2)), "linear"),
    "an opaque layer first": ((dense("a"), layers.Lambda(lambda x: x), layers.ReLU()), None),
}


@pytest.mark.parametrize("name", EFFECTIVE)
def test_the_effective_activation_is_what_the_value_meets_first(saved: Saved, name: str) -> None:
    stack, expected = EFFECTIVE[name]
    assert saved(chain(*stack)).layers["a"]["effective_activation"] == expected


def test_the_effective_activation_before_a_merge_is_not_known(saved: Saved) -> None:
    facts = saved(lambda x: layers.ReLU()(layers.Add()([dense("a")(x), x])))
    assert facts.layers["a"]["effective_activation"] is None


def test_the_effective_activation_before_a_fork_is_known_if_all_ways_agree(saved: Saved) -> None:
    def fork(second: str) -> Callable[[Any], Any]:
        def build(x: Any) -> Any:
            a = dense("a")(x)
            return layers.Concatenate()([layers.Activation("relu")(a), layers.Activation(second)(a)])

        return build

    assert saved(fork("relu")).layers["a"]["effective_activation"] == "relu"
    assert saved(fork("tanh")).layers["a"]["effective_activation"] is None


def test_a_value_that_is_also_an_output_meets_no_single_activation(saved: Saved) -> None:
    x = keras.Input((8,))
    a = dense("a")(x)
    assert saved(keras.Model(x, [a, layers.ReLU()(a)])).layers["a"]["effective_activation"] is None


def test_only_layers_that_can_have_an_activation_state_one(saved: Saved) -> None:
    facts = saved(chain(dense("a"), layers.BatchNormalization(name="norm"), layers.ReLU(name="relu")))
    assert facts.all("activation") == {"input": None, "a": "linear", "norm": None, "relu": "relu"}


# Places in the graph


def test_a_layer_is_hidden_while_a_kernel_comes_later(saved: Saved) -> None:
    stack = (dense("a"), layers.ReLU(name="relu"), dense("b"), layers.Softmax(name="softmax"))
    roles = {"input": "input", "a": "hidden", "relu": "hidden", "b": "output", "softmax": "output"}
    assert saved(chain(*stack)).all("role") == roles


def dead_branch(path: Path) -> Facts:
    """A model in which `dead1` and `dead2` lead nowhere."""

    def node(class_name: str, name: str, *sources: str, **config: Any) -> Row:
        inbound = [[[source, 0, 0, {}] for source in sources]] if sources else []
        return {
            "class_name": class_name,
            "name": name,
            "config": {"name": name, **config},
            "inbound_nodes": inbound,
        }

    config = {
        "name": "model",
        "layers": [
            node("InputLayer", "x", batch_input_shape=[None, 4], dtype="float32"),
            node("Dense", "alive", "x", units=3, activation="linear"),
            node("Dense", "dead1", "alive", units=3, activation="linear"),
            node("Dense", "dead2", "dead1", units=3, activation="linear"),
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["alive", 0, 0]],
    }
    return facts_of(write_h5(path / "dead.h5", {"class_name": "Functional", "config": config}))


def test_a_branch_that_leads_nowhere_is_not_live(tmp_path: Path) -> None:
    facts = dead_branch(tmp_path)
    assert facts.all("live") == {"x": 1, "alive": 1, "dead1": 0, "dead2": 0}
    assert facts.all("role") == {"x": "input", "alive": "output", "dead1": "hidden", "dead2": "output"}


def test_the_depth_counts_kernels_on_the_way_to_an_output(tmp_path: Path) -> None:
    assert dead_branch(tmp_path).model["depth"] == 1


def test_the_depth_is_that_of_the_longest_way(saved: Saved) -> None:
    def block(x: Any) -> Any:
        return layers.Add()([chain(dense("a"), layers.ReLU(), dense("b"))(x), dense("shortcut")(x)])

    assert saved(chain(block, dense("head"))).model["depth"] == 3


def test_squeeze_and_excite_is_a_gate(saved: Saved) -> None:
    def squeeze(x: Any) -> Any:
        stack = (
            layers.GlobalAveragePooling2D(),
            dense("squeeze", 2, activation="relu"),
            dense("excite", 4, activation="sigmoid"),
            layers.Reshape((1, 1, 4), name="spread"),
        )
        return layers.Multiply()([x, chain(*stack)(x)])

    facts = saved(chain(layers.Conv2D(4, 3, name="conv"), squeeze, layers.Conv2D(2, 1, name="head")), (8, 8, 3))
    assert [facts.layers[name]["gate"] for name in ("excite", "spread", "squeeze", "head")] == [1, 1, 0, 0]


def test_the_weights_of_an_attention_are_a_gate(saved: Saved) -> None:
    def attention(x: Any) -> Any:
        score = layers.Softmax(axis=1, name="score")(dense("scorer", 1)(x))
        return layers.Dot(axes=1, name="context")([score, x])

    facts = saved(attention, (5, 3))
    assert [facts.layers[name]["gate"] for name in ("scorer", "score", "context")] == [1, 1, 0]


def test_a_product_with_a_number_is_no_gate(saved: Saved) -> None:
    assert saved(lambda x: dense("b")(dense("a")(x) * 2.0)).where("gate") == []


def test_operators_are_gates_and_sums_too(saved: Saved) -> None:
    def model(x: Any) -> Any:
        gated = dense("a")(x) * dense("b", activation="sigmoid")(x)
        return dense("d")(gated + dense("c")(x))

    facts = saved(model)
    assert facts.where("gate") == ["a", "b"]
    assert [facts.layers[name]["residual"] for name in ("a", "b", "c", "d")] == [0, 0, 1, 0]


def test_the_end_of_a_residual_branch_is_residual(saved: Saved) -> None:
    def block(x: Any) -> Any:
        branch = chain(dense("a", activation="relu"), dense("b"), layers.BatchNormalization(name="norm"))
        return layers.Add(name="sum")([x, branch(x)])

    facts = saved(chain(dense("stem"), block, dense("head")))
    assert facts.where("residual") == ["stem", "b", "norm"]


def test_a_plain_stack_is_one_chain(saved: Saved) -> None:
    shared = dense("shared")
    assert saved(chain(dense("a"), layers.Dropout(0.1), dense("b"))).model["plain_stack"] == 1
    assert saved(chain(shared, shared)).model["plain_stack"] == 0
    assert saved(lambda x: layers.Add()([x, dense("a")(x)])).model["plain_stack"] == 0
    x = keras.Input((8,))
    assert saved(keras.Model(x, [a := dense("a")(x), dense("b")(a)])).model["plain_stack"] == 0


def test_a_layer_reaches_what_depends_on_it(saved: Saved) -> None:
    def fork(x: Any) -> Any:
        a = dense("a")(x)
        return layers.Concatenate(name="both")([dense("b")(a), dense("c")(a)])

    reached = saved(fork).reached
    assert {("input", "both"), ("a", "b"), ("a", "both"), ("b", "both")} < reached
    assert not {("b", "c"), ("both", "a"), ("b", "a"), ("a", "a")} & reached


# Runs


def test_a_chain_ends_at_norms_merges_forks_and_recurrent_layers(saved: Saved) -> None:
    def model(x: Any) -> Any:
        a = chain(dense("a"), layers.ReLU(), layers.Dropout(0.1), dense("b"), layers.LayerNormalization())(x)
        fork = chain(dense("c"), layers.ReLU(), dense("d"))(a)
        merged = layers.Add()([dense("e")(fork), dense("f")(fork)])
        return chain(dense("g"), layers.LSTM(4, name="lstm"), dense("h"))(merged)

    facts = saved(model, (5, 8))
    starts = {"a": "a", "b": "a", "c": "c", "d": "c", "e": "e", "f": "f", "g": "g", "lstm": None, "h": "h"}
    assert {name: facts.layers[name]["chain"] for name in starts} == starts
    lengths = {"a": 2, "b": 2, "c": 2, "d": 2, "e": 1, "f": 1, "g": 1, "lstm": None, "h": 1}
    assert {name: facts.layers[name]["chain_length"] for name in lengths} == lengths


def test_a_stack_of_dense_layers_goes_on_behind_norms(saved: Saved) -> None:
    stack = (
        layers.Conv2D(4, 3, name="conv"),
        layers.Flatten(),
        dense("a"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(),
        dense("b"),
    )
    facts = saved(chain(*stack), (8, 8, 3))
    assert [
        (facts.layers[name]["stack"], facts.layers[name]["stack_length"]) for name in ("a", "b", "conv", "norm")
    ] == [
        ("a", 2),
        ("a", 2),
        (None, None),
        (None, None),
    ]


def test_dense_layers_over_a_sequence_are_in_no_stack(saved: Saved) -> None:
    facts = saved(chain(dense("a"), dense("b"), layers.Flatten(), dense("c")), (5, 8))
    assert [facts.layers[name]["stack_length"] for name in ("a", "b", "c")] == [None, None, 1]


def test_classes_are_the_width_of_the_only_softmax_that_follows(saved: Saved) -> None:
    stack = (dense("a"), layers.ReLU(), dense("b"), layers.Dropout(0.1), dense("c", 5), layers.Softmax())
    facts = saved(chain(*stack))
    assert [facts.layers[name]["classes"] for name in ("a", "b", "c")] == [5, 5, 5]


def test_there_are_no_classes_where_several_ways_lead_on(saved: Saved) -> None:
    x = keras.Input((8,))
    trunk = dense("trunk")(x)
    heads = [dense(f"head{width}", width, activation="softmax")(dense(f"neck{width}")(trunk)) for width in (3, 5)]
    facts = saved(keras.Model(x, heads))
    widths = [facts.layers[name]["classes"] for name in ("trunk", "neck3", "neck5", "head3", "head5")]
    assert widths == [None, 3, 5, 3, 5]


def test_there_are_no_classes_for_a_shared_layer_with_two_heads(saved: Saved) -> None:
    x, y = keras.Input((8,), name="x"), keras.Input((8,), name="y")
    shared = dense("shared")
    heads = [
        dense("head3", 3, activation="softmax")(shared(x)),
        dense("head5", 5, activation="softmax")(shared(y)),
    ]
    assert saved(keras.Model([x, y], heads)).layers["shared"]["classes"] is None


def test_there_are_no_classes_without_a_softmax(saved: Saved) -> None:
    assert saved(chain(dense("a"), dense("b", activation="sigmoid"))).layers["a"]["classes"] is None


def test_a_layer_knows_of_frozen_and_trainable_kernels_before_it(saved: Saved) -> None:
    stack = (
        dense("a", trainable=False),
        layers.BatchNormalization(name="norm"),
        dense("b"),
        dense("c", trainable=False),
        dense("d"),
    )
    facts = saved(chain(*stack))
    assert facts.where("frozen_before") == ["norm", "b", "c", "d"]
    assert facts.where("trainable_before") == ["c", "d"]


# Fans and gains


def kernel_of(layer: Any) -> np.ndarray:
    named = ("kernel", "depthwise_kernel", "_kernel")
    cell = getattr(layer, "forward_layer", layer)
    held = getattr(cell, "cell", cell)
    return np.asarray(next(getattr(held, name) for name in named if getattr(held, name, None) is not None))


GAINS: dict[str, tuple[Any, tuple[int, ...], int]] = {
    "a dense layer": (layers.Dense(200), (300,), 300),
    "a dense layer with He": (layers.Dense(200, kernel_initializer="he_normal"), (300,), 300),
    "an orthogonal dense layer": (
        layers.Dense(200, kernel_initializer="orthogonal"),
        (300,),
        300,
    ),
    "a dense layer with truncated noise": (
        layers.Dense(200, kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.1)),
        (300,),
        300,
    ),
    "a dense layer with even noise": (
        layers.Dense(200, kernel_initializer=keras.initializers.RandomUniform(-0.1, 0.2)),
        (300,),
        300,
    ),
    "a dense layer scaled by the mean of the fans": (
        layers.Dense(200, kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_avg", "uniform")),
        (300,),
        300,
    ),
    "a convolution": (layers.Conv2D(60, 3), (9, 9, 40), 9 * 40),
    "a convolution in groups": (layers.Conv2D(60, 3, groups=2), (9, 9, 40), 9 * 20),
    "a convolution of a sequence": (layers.Conv1D(100, 5), (9, 40), 5 * 40),
    "a depthwise convolution": (
        layers.DepthwiseConv2D(5, depthwise_initializer="he_uniform"),
        (9, 9, 600),
        25,
    ),
    "a transposed convolution": (layers.Conv2DTranspose(60, 4, strides=2), (9, 9, 40), 4 * 40),
    "a transposed convolution without strides": (
        layers.Conv2DTranspose(60, 3, kernel_initializer="lecun_normal"),
        (9, 9, 40),
        9 * 40,
    ),
    "an LSTM": (layers.LSTM(50), (5, 100), 100),
    "a GRU in both directions": (layers.Bidirectional(layers.GRU(50)), (5, 100), 100),
}
"""The layer, the shape of its input, and how many products one of its outputs sums up."""


@pytest.mark.parametrize("name", GAINS)
def test_the_gain_is_what_keras_really_draws(saved: Saved, name: str) -> None:
    layer, shape, true_fan_in = GAINS[name]
    (row,) = [row for row in saved(chain(layer), shape).layers.values() if row["weighted"]]
    kernel = kernel_of(layer)
    assert row["init_gain"] == pytest.approx(np.square(kernel, dtype="float64").mean() * true_fan_in, rel=0.1)


SEVERAL: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "an einsum": (lambda x: layers.EinsumDense("abc,chd->abhd", (None, 4, 32))(x), (20, 64)),
    "an attention layer": (lambda x: layers.MultiHeadAttention(4, 32)(x, x), (10, 128)),
    "a separable convolution": (lambda x: layers.SeparableConv2D(4, 3)(x), (9, 9, 3)),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_a_layer_whose_kernel_does_not_tell_all_has_no_gain(saved: Saved, name: str) -> None:
    (row,) = [row for row in saved(*SEVERAL[name]).layers.values() if row["weighted"]]
    assert (row["init_gain"], row["fan_in"] is None) == (None, False)


def test_an_embedding_looks_its_kernel_up_and_so_has_no_gain(saved: Saved) -> None:
    row = saved(chain(layers.Embedding(50, 6, name="embedding")), (7,)).layers["embedding"]
    assert (row["initializer"], row["fan_in"], row["init_gain"]) == ("random_uniform", 50, None)


def test_fans_are_those_that_keras_counts(saved: Saved) -> None:
    stack = (
        layers.Conv2D(6, 3, name="conv"),
        layers.DepthwiseConv2D(3, name="depthwise"),
        layers.Flatten(),
        dense("d"),
    )
    facts = saved(chain(*stack), (8, 8, 5))
    found = {name: (facts.layers[name]["fan_in"], facts.layers[name]["fan_out"]) for name in ("conv", "depthwise", "d")}
    assert found == {"conv": (45, 54), "depthwise": (54, 9), "d": (96, 8)}


def test_a_constant_or_unknown_initializer_has_no_gain(saved: Saved) -> None:
    facts = saved(chain(dense("zeros", kernel_initializer="zeros"), layers.ReLU(name="relu")))
    assert (facts.layers["zeros"]["initializer_family"], facts.layers["zeros"]["init_gain"]) == ("constant", None)
    assert (facts.layers["relu"]["initializer"], facts.layers["relu"]["init_gain"]) == (None, None)


# Shapes and settings


def test_units_are_the_features_that_a_layer_puts_out(saved: Saved) -> None:
    stack = (
        layers.Embedding(50, 6, name="embedding"),
        layers.Bidirectional(layers.LSTM(4, return_sequences=True), name="both"),
        layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode="sum", name="sum"),
        layers.Conv1D(3, 2, name="conv"),
        layers.GlobalMaxPooling1D(name="pool"),
        dense("head", 2),
    )
    units = saved(chain(*stack), (7,)).all("units")
    assert units == {"input": None, "embedding": 6, "both": 8, "sum": 4, "conv": 3, "pool": None, "head": 2}


def test_a_bidirectional_layer_puts_out_both_directions_even_if_its_input_is_unknown(tmp_path: Path) -> None:
    wrapped = {"class_name": "LSTM", "config": {"name": "lstm", "units": 4}}
    both = entry("Bidirectional", name="both", layer=wrapped, merge_mode="concat")
    facts = facts_of(write_h5(tmp_path / "m.h5", sequential(both)))
    (row,) = (row for row in facts.layers.values() if row["recurrent"])
    assert (row["output_shape"], row["units"]) == (None, 8)


def test_features_and_positions_follow_the_channel_axis(saved: Saved) -> None:
    facts = saved(chain(layers.Conv2D(4, 3, name="last"), layers.Flatten(), dense("d")), (9, 9, 5))
    assert [facts.layers["last"][column] for column in ("features", "positions", "rank")] == [5, 49, 4]
    assert [facts.layers["d"][column] for column in ("features", "positions", "rank")] == [196, 1, 2]
    first = saved(chain(layers.Conv2D(4, 3, data_format="channels_first", name="first")), (5, 9, 9)).layers["first"]
    assert [first[column] for column in ("features", "positions", "units")] == [5, 49, 4]
    assert first["output_shape"] == "4x7x7"


def test_the_channel_axis_lies_behind_the_axes_of_time(saved: Saved) -> None:
    conv = layers.Conv2D(4, 3, data_format="channels_first")
    row = next(row for row in saved(chain(layers.TimeDistributed(conv)), (6, 5, 9, 9)).layers.values() if row["affine"])
    assert (row["features"], row["units"]) == (5, 4)
    lstm = layers.ConvLSTM2D(4, 3, data_format="channels_first", return_sequences=True, name="lstm")
    facts = saved(chain(lstm, layers.ConvLSTM2D(3, 3, data_format="channels_first", name="last")), (6, 5, 9, 9))
    assert [(facts.layers[name]["features"], facts.layers[name]["units"]) for name in ("lstm", "last")] == [
        (5, 4),
        (4, 3),
    ]


def test_an_open_dimension_makes_positions_unknown(saved: Saved) -> None:
    row = saved(chain(layers.Conv2D(4, 3, name="conv")), (None, 9, 3)).layers["conv"]
    assert (row["output_shape"], row["positions"], row["units"]) == ("?x7x4", None, 4)


def test_steps_are_those_that_a_recurrent_layer_runs_over(saved: Saved) -> None:
    steps = saved(chain(layers.LSTM(4, return_sequences=True, name="a"), layers.GRU(4, name="b")), (7, 3)).all("steps")
    assert steps == {"input": None, "a": 7, "b": 7}
    assert saved(chain(layers.LSTM(4, name="a")), (None, 3)).layers["a"]["steps"] is None
    inner = saved(chain(layers.TimeDistributed(layers.LSTM(4))), (5, 7, 3))
    assert [row["steps"] for row in inner.layers.values() if row["recurrent"]] == [7]


def test_settings_of_a_layer_are_columns(saved: Saved) -> None:
    conv = layers.Conv2D(4, (3, 2), strides=2, dilation_rate=1, groups=1, padding="same", name="conv", use_bias=False)
    stack = (
        conv,
        layers.BatchNormalization(axis=-1, momentum=0.9, epsilon=1e-4, name="norm"),
        layers.Dropout(0.25, noise_shape=(None, 1, 1, 4), name="dropout"),
        layers.Flatten(),
        dense("d", kernel_regularizer=keras.regularizers.L1L2(0.01, 0.02), kernel_initializer="he_normal"),
    )
    facts = saved(chain(*stack), (8, 8, 3))
    columns = ("kernel", "strides", "dilation", "groups", "padding", "data_format", "use_bias", "initializer_family")
    assert [facts.layers["conv"][column] for column in columns] == [
        *("3x2", "2x2", "1x1", 1, "same", "channels_last", 0, "glorot")
    ]
    assert [facts.layers["norm"][column] for column in ("axis", "momentum", "epsilon")] == [-1, 0.9, 1e-4]
    assert [facts.layers["dropout"][column] for column in ("rate", "whole_samples")] == [0.25, 1]
    assert [facts.layers["d"][column] for column in ("l1", "l2", "rate", "initializer")] == [
        pytest.approx(0.01),
        pytest.approx(0.02),
        None,
        "he_normal",
    ]
    assert (facts.layers["conv"]["l1"], facts.layers["conv"]["l2"]) == (0, 0)


def test_a_regularizer_of_another_kind_has_no_known_factors(saved: Saved) -> None:
    orthogonal = dense("orthogonal", kernel_regularizer=keras.regularizers.OrthogonalRegularizer())
    facts = saved(chain(orthogonal, dense("l1", kernel_regularizer="l1"), dense("none")))
    assert facts.all("l1") == {"input": 0, "orthogonal": None, "l1": pytest.approx(0.01), "none": 0}
    assert facts.all("l2") == {"input": 0, "orthogonal": None, "l1": 0, "none": 0}


def test_a_variance_scaling_that_is_he_is_called_he(saved: Saved) -> None:
    scaling = keras.initializers.VarianceScaling(2.0, "fan_in", "truncated_normal")
    assert saved(chain(dense("a", kernel_initializer=scaling))).layers["a"]["initializer_family"] == "he"


def test_frozen_layers_and_moving_averages_do_not_train(saved: Saved) -> None:
    facts = saved(chain(dense("a", trainable=False), layers.BatchNormalization(name="norm"), dense("b", 2)))
    assert facts.all("params") == {"input": 0, "a": 72, "norm": 32, "b": 18}
    assert facts.all("trainable_params") == {"input": 0, "a": 0, "norm": 16, "b": 18}
    assert (facts.model["params"], facts.model["trainable_params"]) == (122, 34)


def test_a_shared_layer_is_counted_once(saved: Saved) -> None:
    shared = dense("shared")
    facts = saved(chain(shared, shared))
    assert (facts.model["params"], facts.model["layers"]) == (72, 2)


def test_the_dtype_policy_is_that_of_the_first_kernel(saved: Saved) -> None:
    mixed = saved(chain(dense("a", dtype="mixed_float16"), dense("b", dtype="float32")))
    assert (mixed.model["dtype_policy"], mixed.outputs[0]["compute_dtype"]) == ("mixed_float16", "float32")
    half = saved(chain(dense("a", dtype="mixed_float16")))
    assert half.outputs[0]["compute_dtype"] == "float16"
    assert saved(chain(dense("a"))).model["dtype_policy"] == "float32"


# Outputs


def test_an_output_is_traced_to_its_last_layer_and_kernel(saved: Saved) -> None:
    facts = saved(chain(dense("a"), dense("b", 3), layers.Softmax(name="softmax"), layers.Dropout(0.1, name="drop")))
    (output,) = facts.outputs
    columns = ("layer", "src", "activation", "units", "softmax_units", "rank", "like_input")
    assert [output[column] for column in columns] == ["softmax", "b", "softmax", 3, 3, 2, 0]


def test_an_output_behind_a_merge_or_norm_has_no_known_activation(saved: Saved) -> None:
    assert saved(lambda x: layers.Add()([x, dense("a")(x)])).outputs[0]["activation"] is None
    assert saved(chain(dense("a"), layers.BatchNormalization())).outputs[0]["activation"] is None
    assert saved(chain(dense("a"))).outputs[0]["activation"] == "linear"


def test_a_softmax_over_another_axis_counts_that_axis(saved: Saved) -> None:
    (output,) = saved(chain(dense("a", 1), layers.Softmax(axis=1)), (6, 3)).outputs
    assert (output["units"], output["softmax_units"]) == (1, 6)
    (output,) = saved(chain(dense("a", 1, activation="softmax")), (6, 3)).outputs
    assert (output["units"], output["softmax_units"]) == (1, 1)
    (output,) = saved(chain(dense("a", 1), layers.TimeDistributed(layers.Softmax(axis=1))), (5, 6, 3)).outputs
    assert (output["units"], output["softmax_units"]) == (1, 6)
    assert saved(chain(dense("a", activation="sigmoid"))).outputs[0]["softmax_units"] is None


def test_an_output_as_wide_as_an_input_is_like_it(saved: Saved) -> None:
    assert saved(chain(dense("a", 2), dense("b", 8))).outputs[0]["like_input"] == 1
    assert saved(chain(dense("a", 2), dense("b", 7))).outputs[0]["like_input"] == 0


def test_each_output_has_its_loss_and_metrics(saved: Saved) -> None:
    x = keras.Input((8,))
    model = keras.Model(x, {"kind": dense("kind", 3)(x), "size": dense("size", 1)(x)})
    model.compile(
        optimizer=keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 100), momentum=0.9, clipnorm=1.0),
        loss={"kind": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "size": "mse"},
        metrics={"kind": ["accuracy"], "size": ["mae"]},
    )
    facts = saved(model)
    losses = {
        output["name"]: (output["loss"], output["loss_family"], output["from_logits"]) for output in facts.outputs
    }
    assert losses == {
        "kind": ("sparse_categorical_crossentropy", "crossentropy", 1),
        "size": ("mean_squared_error", "regression", None),
    }
    names = {output["id"]: output["name"] for output in facts.outputs}
    assert [(names[metric["output"]], metric["name"]) for metric in facts.metrics] == [
        ("kind", "accuracy"),
        ("size", "mean_absolute_error"),
    ]
    columns = ("optimizer", "learning_rate", "schedule", "momentum", "clipnorm", "clipvalue", "compiled")
    assert [facts.model[column] for column in columns] == ["sgd", 0.1, "cosine_decay", 0.9, 1.0, None, 1]
    assert facts.absent == {}


# What a file cannot tell


def test_a_model_that_was_not_compiled_lacks_all_facts_of_training(saved: Saved) -> None:
    facts = saved(chain(dense("a")))
    assert set(facts.absent) == set(marked("training"))
    assert (facts.model["compiled"], facts.model["optimizer"], facts.outputs[0]["loss"]) == (0, None, None)
    assert all("no training configuration" in reason for reason in facts.absent.values())


def test_a_model_without_input_shape_lacks_all_facts_of_shapes(saved: Saved) -> None:
    model = keras.Sequential([dense("a"), dense("b", 2)])
    model.compile("adam", "mse")
    facts = saved(model)
    assert set(facts.absent) == set(marked("shape"))
    assert {facts.layers[name]["output_shape"] for name in ("a", "b")} == {None}


def test_an_optimizer_that_was_not_saved_is_unknown_and_not_the_default(saved: Saved) -> None:
    model = keras.Sequential([keras.Input((8,)), dense("a", 1)])
    model.compile(keras.optimizers.Adam(clipnorm=1.0), "mse")
    before = saved(model, suffix=".h5")
    after = saved(model, suffix=".keras")  # which Keras writes without the optimizer, because it wrote an .h5 before
    assert (before.model["optimizer"], before.model["clipnorm"], before.absent) == ("adam", 1.0, {})
    assert (after.model["compiled"], after.model["optimizer"], after.model["clipnorm"]) == (1, None, None)
    assert after.outputs[0]["loss"] == "mean_squared_error"
    assert set(after.absent) == {fact for fact in marked("training") if fact.startswith("model.")}


def test_an_unknown_input_shape_leaves_what_the_stored_weights_tell(saved: Saved) -> None:
    facts = saved(chain(layers.Lambda(lambda x: x * 2, name="opaque"), dense("a", 6), dense("b", 2)))
    rows = {name: facts.layers[name] for name in ("a", "b")}
    found = {name: (row["params"], row["fan_in"], row["fan_out"]) for name, row in rows.items()}
    assert found == {"a": (54, 8, 6), "b": (14, 6, 2)}
    assert facts.model["params"] == 68


def test_the_same_model_has_the_same_facts_in_both_formats(saved: Saved) -> None:
    model = keras.Sequential(
        [
            keras.Input((9, 9, 3), name="input"),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    zipped, hdf5 = saved(model), saved(model, suffix=".h5")
    assert (hdf5.model.pop("format"), zipped.model.pop("format")) == ("keras_h5", "keras_zip")
    assert (hdf5.model.pop("loss_scaled"), zipped.model.pop("loss_scaled")) == (0, None)
    assert hdf5.model.pop("file_bytes") != zipped.model.pop("file_bytes")
    for part in ("layers", "edges", "links", "outputs", "metrics", "model"):
        assert getattr(hdf5, part) == getattr(zipped, part)
