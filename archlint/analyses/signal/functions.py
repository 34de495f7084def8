"""Functions that are applied to every number alone: activations, and the arithmetic of graphs."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


class Function(NamedTuple):
    """A function by name, with up to two parameters (slope, threshold …)."""

    name: str
    first: float = 0.0
    second: float = 0.0

    def __call__(self, x: Numbers) -> Numbers:
        """The function of every number."""
        return _FUNCTIONS[self.name](x, self.first, self.second)


def _erf(x: Numbers) -> Numbers:
    """Abramowitz & Stegun 7.1.26; off by 1.5e-7 at most."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    terms = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    return np.sign(x) * (1 - terms * np.exp(-x * x))


def _sigmoid(x: Numbers) -> Numbers:
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def _softplus(x: Numbers) -> Numbers:
    return np.logaddexp(x, 0.0)


def _exp(x: Numbers) -> Numbers:
    return np.exp(np.minimum(x, 60.0))


def _elu(x: Numbers, scale: float, alpha: float) -> Numbers:
    return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _celu(x: Numbers, alpha: float) -> Numbers:
    return np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0) / alpha)


def _sparse_plus(x: Numbers) -> Numbers:
    return np.where(x >= 1, x, np.where(x <= -1, 0.0, 0.25 * (x + 1) ** 2))


def _sqrt(x: Numbers) -> Numbers:
    return np.sqrt(np.maximum(x, 0.0))


def _log(x: Numbers) -> Numbers:
    return np.log(np.maximum(x, 1e-7))


_FUNCTIONS: Mapping[str, Callable[[Numbers, float, float], Numbers]] = {
    "linear": lambda x, _a, _b: x,
    "relu": lambda x, slope, _b: np.where(x > 0, x, slope * x),
    "clip": lambda x, low, high: np.clip(x, low, high),
    "elu": lambda x, alpha, _b: _elu(x, 1.0, alpha),
    "selu": lambda x, _a, _b: _elu(x, 1.0507009873554805, 1.6732632423543772),
    "celu": lambda x, alpha, _b: _celu(x, alpha),
    "gelu": lambda x, _a, _b: 0.5 * x * (1 + _erf(x * 0.7071067811865476)),
    "silu": lambda x, _a, _b: x * _sigmoid(x),
    "hard_silu": lambda x, _a, _b: x * np.clip(x / 6 + 0.5, 0, 1),
    "mish": lambda x, _a, _b: x * np.tanh(_softplus(x)),
    "sigmoid": lambda x, _a, _b: _sigmoid(x),
    "hard_sigmoid": lambda x, slope, _b: np.clip(slope * x + 0.5, 0, 1),
    "log_sigmoid": lambda x, _a, _b: -_softplus(-x),
    "tanh": lambda x, _a, _b: np.tanh(x),
    "tanh_shrink": lambda x, _a, _b: x - np.tanh(x),
    "soft_shrink": lambda x, at, _b: np.sign(x) * np.maximum(np.abs(x) - at, 0),
    "hard_shrink": lambda x, at, _b: np.where(np.abs(x) > at, x, 0.0),
    "threshold": lambda x, at, value: np.where(x > at, x, value),
    "softplus": lambda x, _a, _b: _softplus(x),
    "softsign": lambda x, _a, _b: x / (1 + np.abs(x)),
    "exponential": lambda x, _a, _b: _exp(x),
    "squareplus": lambda x, b, _b: 0.5 * (x + np.sqrt(x * x + b)),
    "sparse_plus": lambda x, _a, _b: _sparse_plus(x),
    "sparse_sigmoid": lambda x, _a, _b: np.clip(0.5 * (x + 1), 0, 1),
    "absolute": lambda x, _a, _b: np.abs(x),
    "square": lambda x, _a, _b: x * x,
    "sqrt": lambda x, _a, _b: _sqrt(x),
    "log": lambda x, _a, _b: _log(x),
    "expm1": lambda x, _a, _b: _exp(x) - 1,
    "sign": lambda x, _a, _b: np.sign(x),
    "erf": lambda x, _a, _b: _erf(x),
    "sin": lambda x, _a, _b: np.sin(x),
    "cos": lambda x, _a, _b: np.cos(x),
}

LINEAR = Function("linear")
SIGMOID = Function("sigmoid")
TANH = Function("tanh")


def named(name: str, args: Mapping[str, Any], version: tuple[int, ...] = ()) -> Function | None:
    """The function that a layer with these settings applies; None if it is none that works on single numbers.

    `version` is that of Keras: its hard sigmoid became steeper in 3.0. Names as in `Layer.activation`.
    """
    if name in _WITH_PARAMETERS:
        return _WITH_PARAMETERS[name](args)
    if name == "hard_sigmoid":
        return Function(name, _real(args, "alpha", default=0.2 if (0,) < version[:1] < (3,) else 1 / 6))
    return Function(name) if name in _FUNCTIONS else None


def _rectifier(args: Mapping[str, Any]) -> Function:
    """A `ReLU` layer may have a slope, and a largest value."""
    top = _real(args, "max_value", default=0.0)
    slope = _real(args, "negative_slope", default=0.0)
    return Function("clip", 0.0, top) if top > 0 and not slope else Function("relu", slope)


_WITH_PARAMETERS: Mapping[str, Callable[[Mapping[str, Any]], Function]] = {
    "relu": _rectifier,
    "relu6": lambda _args: Function("clip", 0.0, 6.0),
    "hard_tanh": lambda _args: Function("clip", -1.0, 1.0),
    "leaky_relu": lambda args: Function("relu", _real(args, "negative_slope", "alpha", default=0.2)),
    "prelu": lambda _args: Function("relu", 0.0),
    "elu": lambda args: Function("elu", _real(args, "alpha", default=1.0)),
    "celu": lambda args: Function("celu", _real(args, "alpha", default=1.0) or 1.0),
    "threshold": lambda args: Function("threshold", _real(args, "theta", "threshold", default=1.0)),
    "soft_shrink": lambda args: Function("soft_shrink", _real(args, "threshold", default=0.5)),
    "hard_shrink": lambda args: Function("hard_shrink", _real(args, "threshold", default=0.5)),
    "squareplus": lambda args: Function("squareplus", abs(_real(args, "b", default=4.0))),
}


def _real(args: Mapping[str, Any], *names: str, default: float) -> float:
    for name in names:
        value = args.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9:
            return float(value)
    return default
