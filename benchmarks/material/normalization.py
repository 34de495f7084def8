"""What batch normalization does and what it does not do: the first, second, third and fifth post."""

from functools import partial
from typing import Any

from keras.layers import Activation, BatchNormalization, Dense, Dropout, Normalization

from archlint.lab.verdict import Outcome
from benchmarks.material import data
from benchmarks.material.build import classifier, network, yes_or_no
from benchmarks.material.case import Experiment, Passage, Standing
from benchmarks.material.initialization import hidden

EVERYWHERE = ("000_088e1f67778bce53 Batch Normalization", "004_6fb33d3fe76b48b8 Batch Normalization")
ADDED = ("000_088e1f67778bce53 Adding Batch Normalization", "004_6fb33d3fe76b48b8 Adding Batch Normalization")
WINE = "004_6fb33d3fe76b48b8 Example - Using Dropout and Batch Normalization"


def concrete_with_norms() -> Any:
    """The network for concrete, with batch normalization in front of each dense layer."""
    stack: list[Any] = []
    for _ in range(3):
        stack += [BatchNormalization(), Dense(512, activation="relu")]
    return network((10,), *stack, BatchNormalization(), Dense(1), optimizer="sgd")


def concrete_plain(*first: Any) -> Any:
    """The same with nothing but what comes first. Plain SGD trains both."""
    return network((10,), *first, *hidden(3, "relu", units=512), Dense(1), optimizer="sgd")


def scaler() -> Any:
    """What StandardScaler would make of the patients, as a layer."""
    x = data.raw_patients()["x"]
    return Normalization(mean=x.mean(axis=0).tolist(), variance=x.var(axis=0).tolist())


def wine(*first: Any) -> Any:
    """The network for red wine, a quarter as wide."""
    stack: list[Any] = []
    for _ in range(3):
        stack += [Dense(256, activation="relu"), Dropout(0.3), BatchNormalization()]
    return network((10,), *first, *stack, Dense(1))


def table(*first: Any) -> Any:
    """A small network for patients."""
    return network((10,), *first, *hidden(2, "relu"), Dense(1))


def placed(order: str, depth: int = 4, activation: str = "relu", bias: bool = True, optimizer: str = "sgd") -> Any:
    """A classifier of digits: "d" is a dense layer, "n" batch normalization, "a" the activation, once per layer."""
    made = {
        "d": lambda: Dense(64, use_bias=bias),
        "n": BatchNormalization,
        "a": lambda: Activation(activation),
    }
    return classifier((64,), *[made[kind]() for _ in range(depth) for kind in order], optimizer=optimizer)


def popular(normalized: bool) -> Any:
    """The network for songs, with batch normalization in place of dropout."""
    norms = [[BatchNormalization()] if normalized else [] for _ in range(2)]
    return network((18,), Dense(128), *norms[0], Activation("relu"), Dense(64), *norms[1], Activation("relu"), Dense(1))


def judged(normalized: bool) -> Any:
    """The network for reviews, with batch normalization in place of L1, L2 or dropout."""
    norms = [[BatchNormalization()] if normalized else [] for _ in range(2)]
    first, second = ([Dense(128), *norm, Activation("relu")] for norm in norms)
    return yes_or_no((100,), *first, *second)


PASSAGES = (
    Passage(
        slug="raw-inputs",
        title="Batch normalization saves a training on raw inputs",
        sources=("000_088e1f67778bce53 Batch Normalization Evaluation", *EVERYWHERE),
        says="SGD on features that were not scaled fails or ends badly; with batch normalization in front of each "
        "dense layer the same network trains.",
        experiments=(
            Experiment(
                slug="raw-plain",
                title="the concrete network, features from 1 to 301",
                data=data.raw_patients,
                before=concrete_plain,
                after=concrete_with_norms,
                arms=("plain", "batch norm"),
                rule="NRM008",
                asks={"unstable": Outcome.confirmed, "helps": Outcome.inconclusive},
                epochs=60,
                batch_size=64,
            ),
            Experiment(
                slug="raw-scaled",
                title="the same, against scaling the inputs and no batch norm",
                data=data.raw_patients,
                before=concrete_with_norms,
                after=lambda: concrete_plain(scaler()),
                arms=("batch norm", "inputs standardized"),
                asks={"helps": Outcome.confirmed},
                epochs=60,
                batch_size=64,
            ),
        ),
        standing=Standing.holds,
        conclusion="Without batch normalization the loss explodes within 20 steps in every seed, and the network is "
        "left stuck or infinite; with it, none explodes. The seeds end in such different disasters that their mean "
        "has no useful interval. Scaled inputs without any batch normalization do better still.",
    ),
    Passage(
        slug="norm-first",
        title="Batch normalization as the first layer stands in for a scaler",
        sources=("003_2fea97fb18e492ae 11.1.3", *ADDED),
        says="With batch normalization as the first layer there is no need to standardize the training set.",
        experiments=(
            Experiment(
                slug="norm-first-scaler",
                title="raw inputs: batch norm or a scaler",
                data=data.raw_patients,
                before=lambda: table(BatchNormalization()),
                after=lambda: table(scaler()),
                arms=("batch norm", "scaler"),
                asks={"helps": Outcome.refuted},
                epochs=60,
            ),
        ),
        standing=Standing.holds,
        conclusion="The layer does as well as a scaler: no difference that is worth a change.",
    ),
    Passage(
        slug="wine",
        title="Dropout and batch normalization together, on raw inputs",
        sources=("000_088e1f67778bce53 Using Dropout and Batch Normalization", WINE),
        says="Batch normalization stabilizes a large network with dropout even without scaled data, though "
        "standardizing usually does better.",
        experiments=(
            Experiment(
                slug="wine-order",
                title="dropout in front of or behind batch norm",
                data=data.raw_patients,
                before=wine,
                after="swap-order",
                arms=("as it is", "batch norm first"),
                rule="DRP004",
                asks={"variance-shift": Outcome.confirmed, "helps": Outcome.confirmed},
                epochs=60,
                batch_size=64,
            ),
            Experiment(
                slug="wine-scaled",
                title="raw inputs, or standardized ones",
                data=data.raw_patients,
                before=wine,
                after=lambda: wine(scaler()),
                arms=("as it is", "inputs standardized"),
                silent=("NRM008",),
                asks={"helps": Outcome.confirmed},
                epochs=60,
                batch_size=64,
            ),
        ),
        standing=Standing.holds,
        conclusion="Raw inputs can be trained on, and standardized ones do better. The order of the post has its "
        "price, though: normalization in front of the first dropout alone makes a good part of the difference, as the "
        "shift of the variance is large on raw inputs.",
    ),
    Passage(
        slug="fewer-epochs",
        title="Batch normalization takes fewer epochs",
        sources=("000_088e1f67778bce53 Batch Normalization", "004_6fb33d3fe76b48b8 Batch Normalization"),
        says="Models with batch normalization tend to need fewer epochs to complete training.",
        experiments=(
            Experiment(
                slug="epochs-few",
                title="4 hidden layers, SGD, 5 epochs",
                data=data.digits,
                before=partial(placed, "da"),
                after=partial(placed, "dna"),
                arms=("plain", "batch norm"),
                asks={"helps": Outcome.confirmed},
                epochs=5,
            ),
            Experiment(
                slug="epochs-many",
                title="the same, 60 epochs",
                data=data.digits,
                before=partial(placed, "da"),
                after=partial(placed, "dna"),
                arms=("plain", "batch norm"),
                asks={"helps": Outcome.confirmed},
                epochs=60,
            ),
        ),
        standing=Standing.holds,
        conclusion="After five epochs of plain SGD the network with batch normalization is far ahead; after sixty the "
        "other has caught up a good part of that.",
    ),
    Passage(
        slug="norm-place",
        title="Batch normalization in front of the activation or behind it",
        sources=("003_2fea97fb18e492ae 11.1.3", *EVERYWHERE),
        says="The layer may stand on either side of the activation.",
        experiments=(
            Experiment(
                slug="norm-behind",
                title="4 hidden layers, in front or behind",
                data=data.digits,
                before=partial(placed, "dna"),
                after=partial(placed, "dan"),
                arms=("in front", "behind"),
                asks={"helps": Outcome.confirmed},
            ),
        ),
        standing=Standing.holds,
        conclusion="Both train well. Behind the activation it does a little better here, in four layers of ReLU under "
        "SGD; archlint has no rule for either.",
    ),
    Passage(
        slug="bias-before-norm",
        title="No bias in front of batch normalization",
        sources=("003_2fea97fb18e492ae 11.1.3",),
        says="Batch normalization has a shift of its own, so that the layer before can do without its bias.",
        experiments=(
            Experiment(
                slug="bias",
                title="4 hidden layers",
                data=data.digits,
                before=partial(placed, "dna"),
                after=partial(placed, "dna", bias=False),
                arms=("with biases", "use_bias=False"),
                rule="NRM001",
                asks={"redundant-bias": Outcome.confirmed, "helps": Outcome.refuted},
            ),
        ),
        standing=Standing.holds,
        conclusion="No gradient reaches the biases, and without them the network learns the same.",
    ),
    Passage(
        slug="norm-for-depth",
        title="Batch normalization makes up for activation and initializer",
        sources=("003_2fea97fb18e492ae 11.1.3", "001_ef3248903bc3bbdc 과적합(Overfitting) 방지 기법"),
        says="It weakens vanishing gradients so much that even tanh and the logistic function can be used, and makes "
        "networks less sensitive to how weights are initialized.",
        experiments=(
            Experiment(
                slug="norm-sigmoid",
                title="8 hidden layers of sigmoid",
                data=data.digits,
                before=partial(placed, "da", 8, "sigmoid", optimizer="adam"),
                after=partial(placed, "dna", 8, "sigmoid", optimizer="adam"),
                arms=("plain", "batch norm"),
                rule="ACT009",
                asks={"slow": Outcome.confirmed, "helps": Outcome.confirmed},
            ),
            Experiment(
                slug="norm-or-he",
                title="20 hidden layers of ReLU: batch norm or He",
                data=data.digits,
                before=partial(placed, "dna", 20, optimizer="adam"),
                after=lambda: classifier((64,), *hidden(20, "relu", "he_normal")),
                arms=("Glorot, batch norm", "He, no batch norm"),
                asks={"helps": Outcome.confirmed},
                epochs=15,
                batch_size=64,
            ),
        ),
        standing=Standing.partly,
        conclusion="it is about the activation: batch normalization brings eight layers of sigmoid to learn. It does "
        "not make up for an initializer that loses the signal of twenty layers of ReLU; He's does, without any "
        "normalization.",
    ),
    Passage(
        slug="norm-for-overfitting",
        title="Batch normalization against overfitting",
        sources=("003_2fea97fb18e492ae 11.1.3", "001_ef3248903bc3bbdc 과적합(Overfitting) 방지 기법"),
        says="It acts as a regularizer, makes others less necessary, and is often used in place of dropout, L1 and L2.",
        experiments=(
            Experiment(
                slug="norm-overfit-songs",
                title="the song network, 600 songs",
                data=data.songs,
                before=partial(popular, False),
                after=partial(popular, True),
                arms=("plain", "batch norm"),
                rule="DRP001",
                asks={"overfits": Outcome.inconclusive, "helps": Outcome.inconclusive},
                epochs=120,
            ),
            Experiment(
                slug="norm-overfit-reviews",
                title="the review network, 1,000 reviews",
                data=data.reviews,
                before=partial(judged, False),
                after=partial(judged, True),
                arms=("plain", "batch norm"),
                rule="DRP001",
                asks={"overfits": Outcome.remedy_refuted},
            ),
        ),
        standing=Standing.fails,
        conclusion="On few and noisy songs, where [dropout helps](#dropout-against-overfitting), batch normalization "
        "is not seen to. On reviews, which the network surely overfits, the curve rises all the same: it ends a "
        "little lower, and its best point is no better. For an aid to training that is no fault; it is no remedy for "
        "this.",
    ),
    Passage(
        slug="norm-batch-size",
        title="Batch normalization estimates from the batch",
        sources=("003_2fea97fb18e492ae 11.1.3",),
        says="Mean and standard deviation are estimated from the current mini-batch; so it must be large enough, which "
        "the post does not say.",
        experiments=(
            Experiment(
                slug="batch-norm-2",
                title="batches of 2, with batch norm",
                data=data.digits,
                before=partial(placed, "dna", 2, optimizer="adam"),
                after=None,
                arms=("batches of 2", "batches of 32"),
                asks={"tiny-batches": Outcome.confirmed},
                epochs=4,
                batch_size=2,
            ),
            Experiment(
                slug="batch-plain-2",
                title="batches of 2, without",
                data=data.digits,
                before=partial(placed, "da", 2, optimizer="adam"),
                after=None,
                arms=("batches of 2", "batches of 32"),
                asks={"tiny-batches": Outcome.refuted},
                epochs=4,
                batch_size=2,
            ),
        ),
        standing=Standing.holds,
        conclusion="Batches of two are too small for it. Without it they do no harm; over so few epochs they are even "
        "ahead, as they make more steps.",
    ),
)
