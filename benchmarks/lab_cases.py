"""Networks of which it is known whether a claim holds, drawn at random with the data that they are trained on.

A `positive` is a network in which what a claim describes happens; a `control` is one of the same kind in which it does
not. Positives are found by the rule that makes the claim, as a user's would be. Where the rule is silent on a control,
a rule that looks at nothing makes the claim in its place: the lab has to judge by what it measures.

Initial weights follow from the names of layers, so each draw has names of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
from keras import layers, optimizers
from lab_proof import everywhere

from archlint.graph import Model
from archlint.lab.events import Level
from archlint.rules import Rule

Random = np.random.Generator
Arrays = Mapping[str, np.ndarray]

TRAINING = {"level": Level.train, "budget": 3600.0}
FEATURES = 10


@dataclass(frozen=True)
class Drawn:
    """A network, its data, and what is asked of the lab."""

    model: Any
    rule: str | Rule
    data: Arrays | None = None
    request: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A kind of network for a claim, of whose verdict these parts have to be "yes" to count as confirmed.

    `stated` is what was measured when the thresholds were chosen.
    """

    name: str
    claim: str
    draw: Callable[[Random, int], Drawn]
    parts: tuple[str, ...]
    stated: str


# Deep ReLU stacks under Glorot


def deep_glorot(random: Random, number: int) -> Drawn:
    """14 to 16 layers under Adam, or 10 to 12 under SGD, which fails sooner."""
    least, most, optimizer = [(14, 16, "adam"), (10, 12, "sgd")][random.integers(2)]
    return Drawn(relu_stack(random, number, least, most, optimizer), "INI001", regression(random))


def shallow_or_he(random: Random, number: int) -> Drawn:
    """2 to 4 layers under Glorot, or 3 to 12 under He."""
    least, most, drawn = [(2, 4, "glorot_uniform"), (3, 12, "he_normal")][random.integers(2)]
    stack = relu_stack(random, number, least, most, "sgd", drawn)
    return Drawn(stack, everywhere("ZZZ001", "slow", None), regression(random))


def relu_stack(
    random: Random, number: int, least: int, most: int, optimizer: str, drawn: str = "glorot_uniform"
) -> Any:
    width, depth = int(random.choice([16, 32, 64])), random.integers(least, most + 1)
    hidden = [layers.Dense(width, "relu", kernel_initializer=drawn) for _ in range(depth)]
    return network(number, *hidden, layers.Dense(1), optimizer=optimizer)


# Raw inputs under SGD


def raw(random: Random, number: int) -> Drawn:
    """Features around any place, of any scale between 10 and 1,000. Tanh would saturate, which is another harm."""
    data = regression(random)
    scales = 10 ** random.uniform(1, 3, FEATURES)
    x = (data["x"] + random.uniform(-1, 1, FEATURES)) * scales
    return Drawn(small_net(random, number, "relu"), "NRM008", {**data, "x": x.astype("float32")})


def scaled(random: Random, number: int) -> Drawn:
    """The same networks on standardized features."""
    found = everywhere("ZZZ001", "unstable", "normalize-inputs")
    return Drawn(small_net(random, number, "relu", "tanh"), found, regression(random))


def small_net(random: Random, number: int, *activations: str) -> Any:
    hidden = [
        layers.Dense(int(random.choice([8, 16, 32, 64])), str(random.choice(activations)))
        for _ in range(random.integers(1, 4))
    ]
    return network(number, *hidden, layers.Dense(1), optimizer=optimizers.SGD(float(random.choice([0.01, 0.03]))))


# Recurrent networks

RECURRENT = (("linear", 1.15, 1.4), ("relu", 1.8, 2.4))
"""Activation, least and greatest radius. ReLU halves the mean square, and its kernel has to make up for that first.
Tanh bounds the state: of 16 units under a radius of 3, one seed in five explodes."""


def exploding(random: Random, number: int) -> Drawn:
    """A simple recurrent layer without upper bound, its recurrent kernel of a spectral radius above one, under SGD."""
    activation, least, most = RECURRENT[random.integers(len(RECURRENT))]
    kernel = keras.initializers.Orthogonal(gain=random.uniform(least, most))
    cell = layers.SimpleRNN(int(random.choice([16, 32])), activation=activation, recurrent_initializer=kernel)
    return recurrent(random, number, cell, int(random.integers(20, 31)), "sgd")


def calm(random: Random, number: int) -> Drawn:
    """LSTM or GRU at their defaults."""
    kind = [layers.LSTM, layers.GRU][random.integers(2)]
    cell = kind(int(random.choice([4, 8, 16])))
    return recurrent(random, number, cell, int(random.integers(6, 13)), str(random.choice(["adam", "sgd"])))


def recurrent(random: Random, number: int, cell: Any, steps: int, optimizer: Any) -> Drawn:
    x = random.normal(size=(200, steps, 2))
    y = x[:, :, 0].sum(axis=1) / np.sqrt(steps) + 0.3 * random.normal(size=200)
    model = network(number, cell, layers.Dense(1), optimizer=optimizer, inputs=(steps, 2))
    return Drawn(model, "RNN001", {"x": x.astype("float32"), "y": y.astype("float32")})


# Biases


def redundant(random: Random, number: int) -> Drawn:
    """A dense layer or a convolution whose value goes straight into batch normalization."""
    width = int(random.choice([4, 8, 16, 32]))
    if random.random() < 0.5:
        before, inputs = layers.Conv2D(width, 3), (8, 8, 3)
        behind = [layers.GlobalAveragePooling2D(), layers.Dense(1)]
    else:
        before, inputs, behind = layers.Dense(width), (FEATURES,), [layers.Dense(1)]
    norm = layers.BatchNormalization()
    return Drawn(network(number, before, norm, layers.ReLU(), *behind, inputs=inputs), "NRM001")


def needed(random: Random, number: int) -> Drawn:
    """Something between the bias and batch normalization, a normalization over the units, or none."""
    between = [
        [layers.ReLU(), layers.BatchNormalization()],
        [layers.LayerNormalization(), layers.ReLU()],
        [layers.ReLU()],
    ][random.integers(3)]
    dense = layers.Dense(int(random.choice([4, 8, 16, 32])))
    model = network(number, dense, *between, layers.Dense(1))
    return Drawn(model, everywhere("ZZZ001", "redundant-bias", None))


# Overfitting


def overfitting(random: Random, number: int) -> Drawn:
    """17,000 parameters for 60 to 150 samples whose class is partly chance."""
    samples, noise = int(random.integers(60, 151)), random.uniform(1, 2)
    return Drawn(classifier(number, (128, 128)), "DRP001", classes(random, samples, noise), TRAINING)


def plenty(random: Random, number: int) -> Drawn:
    """A small network on a thousand samples of the same kind."""
    model = classifier(number, (int(random.choice([4, 8, 16])),))
    data = classes(random, 1000, random.uniform(1, 2))
    return Drawn(model, everywhere("ZZZ001", "overfits", None), data, TRAINING)


def noiseless(random: Random, number: int) -> Drawn:
    """A wide network on a thousand samples without any noise, which it learns to follow ever more closely."""
    data = regression(random, 1000, noise=0.0)
    hidden = [layers.Dense(128, "relu") for _ in range(2)]
    return Drawn(network(number, *hidden, layers.Dense(1), optimizer="adam"), "DRP001", data, TRAINING)


def equal_arms(random: Random, number: int) -> Drawn:
    """Any small network beside its twin, which has other layer names and so other initial weights."""
    model = network(number, layers.Dense(16, "relu"), layers.Dense(1), optimizer="adam")
    found = everywhere("ZZZ001", "helps", "twin")
    return Drawn(model, found, regression(random, int(random.integers(80, 201)), 1.0), {**TRAINING, "epochs": 10})


def twin(model: Model, _: object) -> Model:
    """The remedy that changes nothing but names."""
    named = (replace(layer, name=f"{layer.name}_twin") if layer.traits.weighted else layer for layer in model.layers)
    return replace(model, layers=tuple(named))


def classifier(number: int, widths: tuple[int, ...], **settings: Any) -> Any:
    hidden = [layers.Dense(width, "relu", **settings) for width in widths]
    output = layers.Dense(1, "sigmoid")
    return network(number, *hidden, output, optimizer="adam", loss="binary_crossentropy")


# What they are made of


def network(
    number: int, *stack: Any, inputs: tuple[int, ...] = (FEATURES,), optimizer: Any = None, loss: str = "mse"
) -> Any:
    for place, layer in enumerate(stack):
        layer.name = f"{type(layer).__name__.lower()}{place}_of_{number}"
    model = keras.Sequential([keras.Input(inputs, name="input"), *stack])
    if optimizer is not None:
        model.compile(optimizer, loss)
    return model


def regression(random: Random, samples: int = 300, noise: float = 0.3) -> dict[str, np.ndarray]:
    x = random.normal(size=(samples, FEATURES))
    y = x @ random.normal(size=FEATURES) / np.sqrt(FEATURES) + noise * random.normal(size=samples)
    return {"x": x.astype("float32"), "y": y.astype("float32")}


def classes(random: Random, samples: int, noise: float) -> dict[str, np.ndarray]:
    data = regression(random, samples, noise)
    return {**data, "y": (data["y"] > 0).astype("float32")}


HELPS = ("symptom", "remedy")

POSITIVES = (
    Case("deep ReLU, Glorot", "slow", deep_glorot, ("mechanism", "remedy"), "depths 5, 10 and 20 told apart"),
    Case("raw inputs, SGD", "unstable", raw, HELPS, "6 of 7"),
    Case("recurrent kernel above 1", "explodes", exploding, HELPS, "5 of 5, clipped 0 of 25"),
    Case("bias before batch norm", "redundant-bias", redundant, ("mechanism",), "gradient at most 6e-6"),
    Case("wide, few noisy samples", "overfits", overfitting, ("symptom",), "12 of 12"),
)

CONTROLS = (
    Case("shallow, or He", "slow", shallow_or_he, ("mechanism",), "depth 3 refuted"),
    Case("scaled inputs, SGD", "unstable", scaled, ("symptom",), "0 of 15"),
    Case("LSTM and GRU by default", "explodes", calm, ("symptom",), "refuted"),
    Case("bias that counts", "redundant-bias", needed, ("mechanism",), "gradient at least 6e-2"),
    Case("small, many noisy samples", "overfits", plenty, ("symptom",), "0 of 48"),
    Case("wide, many samples, no noise", "overfits", noiseless, ("symptom",), "0 of 48"),
    Case("equal arms", "helps", equal_arms, ("symptom",), "4 % [2, 8]"),
)
