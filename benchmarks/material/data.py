"""The data of the cases: scikit-learn's own, and stand-ins for what the posts download.

The first sentence of each docstring is what the page calls the data.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets

from benchmarks.material.case import Arrays

Array = NDArray[np.generic]


def digits() -> Arrays:
    """Digits of scikit-learn (1,797 images of 8 x 8, 10 classes), pixels divided by 16."""
    x, y = datasets.load_digits(return_X_y=True)
    return {"x": _single(x / 16), "y": y}


def standardized_digits() -> Arrays:
    """Digits of scikit-learn (1,797 images of 8 x 8, 10 classes), each pixel standardized."""
    x, y = datasets.load_digits(return_X_y=True)
    return {"x": _standardized(x), "y": y}


def few_eights_and_nines() -> Arrays:
    """The first 100 eights and nines of scikit-learn's digits, told apart; pixels divided by 16."""
    x, y = datasets.load_digits(return_X_y=True)
    rows = np.flatnonzero(y >= 8)[:100]
    return {"x": _single(x[rows] / 16), "y": _single(y[rows] == 9)[:, None]}


def other_digits() -> Arrays:
    """Zeros to sevens of scikit-learn's digits (1,443 images, 8 classes), pixels divided by 16."""
    x, y = datasets.load_digits(return_X_y=True)
    return {"x": _single(x[y < 8] / 16), "y": y[y < 8]}


def raw_cells() -> Arrays:
    """Breast cancer data of scikit-learn (569 samples, 30 features from 0 to 4,254, 2 classes), as they are."""
    x, y = datasets.load_breast_cancer(return_X_y=True)
    return {"x": _single(x), "y": _single(y)[:, None]}


def raw_patients() -> Arrays:
    """Diabetes data of scikit-learn (442 patients, 10 features from 1 to 301), as they are; the target, too."""
    x, y = datasets.load_diabetes(return_X_y=True, scaled=False)
    return {"x": _single(x), "y": _single(y)[:, None]}


def songs() -> Arrays:
    """Made-up songs (600 of 120 artists, 12 standardized features and 6 genres) whose popularity is mostly chance.

    Stand in for the Spotify table: features explain about a tenth of the variance, and all songs of an artist are
    either trained on or validated on.
    """
    random = np.random.default_rng(0)
    artists = random.integers(120, size=600)
    x = random.normal(size=(600, 12)) + 0.5 * random.normal(size=(120, 12))[artists]
    signal = x[:, 0] + np.tanh(x[:, 1] * x[:, 2]) - 0.5 * np.abs(x[:, 3])
    chance = random.normal(size=600) + 0.7 * random.normal(size=120)[artists]
    y = np.clip(0.45 + 0.06 * _standardized(signal) + 0.2 * _standardized(chance), 0, 1)
    genres = np.eye(6)[random.integers(6, size=120)[artists]]
    return {"x": _single(np.hstack([_standardized(x), genres])), "y": _single(y)[:, None], "groups": artists}


def formula() -> Arrays:
    """Friedman's first formula in scikit-learn (1,500 samples, 10 features, a fiftieth of the variance is noise)."""
    x, y = datasets.make_friedman1(1500, noise=0.7, random_state=0)
    return {"x": _standardized(x), "y": _standardized(y)[:, None]}


def reviews() -> Arrays:
    """Made-up reviews (1,000, as 100 words that occur or do not), two in ten of them labelled at random.

    Stand in for IMDB, multi-hot encoded: words are as rare as there, and each says little about the label.
    """
    random = np.random.default_rng(0)
    often = random.beta(1, 4, size=100)
    x = random.random((1000, 100)) < often
    weight = random.normal(size=100) * 0.8
    score = (x - often) @ weight
    label = np.where(random.random(1000) < 0.2, random.random(1000) < 0.5, score > 0)
    return {"x": _single(x), "y": _single(label)[:, None]}


def sentences() -> Arrays:
    """Made-up sentences (800, of 12 words out of 30): does a certain word come early? A tenth of the labels is wrong.

    Stand in for IMDB as word indices, where a small recurrent network would take long to learn anything.
    """
    random = np.random.default_rng(0)
    x = random.integers(1, 30, size=(800, 12))
    place = random.integers(12, size=800)
    x[np.arange(800), place] = 0
    label = (place < 6) ^ (random.random(800) < 0.1)
    return {"x": x, "y": _single(label)[:, None]}


def series() -> Arrays:
    """Made-up series (400, of 100 steps and 4 features), of which the mean of the first feature is asked for."""
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 100, 4))
    return {"x": _single(x), "y": _single(5 * x[:, :, :1].mean(axis=1))}


def _single(x: Array) -> Array:
    return np.asarray(x, np.float32)


def _standardized(x: Array) -> Array:
    spread = x.std(axis=0)
    return _single((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1))
