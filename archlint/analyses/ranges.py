"""Which values tensors take, and the operations that are not defined for all of them.

What a caller passes in is taken to lie within ±50, and is the caller's business: no end of it is held to be reached.
What a layer with a kernel and a bias makes has both signs and any size, and varies freely.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from math import erf, exp, inf, isinf, log, log1p, sqrt, tanh
from typing import Any, NamedTuple

from archlint.analyses.intervals import (
    End,
    Range,
    Reach,
    absolute,
    added,
    constant,
    divided,
    free,
    larger,
    multiplied,
    negated,
    smaller,
    square,
    united,
    unknown,
)
from archlint.graph import Call, Layer, Model

INPUTS = 50.0
"""Model inputs are within this of zero: data that is scaled at all."""

LARGEST_EXPONENT = {"float16": log(65504.0), "bfloat16": 88.7, "float32": log(3.4028235e38), "float64": log(1.797e308)}
"""The largest number, by type, whose exponential is finite."""

VANISHES_IN_HALF = 2.0**-25
"""Half the smallest number that float16 knows: this and less is rounded to zero."""

Elementwise = Callable[[Range], Range]


# --- activations and functions of one value


def _sigmoid(value: float) -> float:
    return 1 / (1 + exp(-value)) if value >= 0 else exp(value) / (1 + exp(value))


def _rising(function: Callable[[float], float]) -> Elementwise:
    return lambda x: x.through(function)


def _above_zero(function: Callable[[float], float]) -> Elementwise:
    """A function that only nears zero, and does so where nobody goes."""

    def apply(x: Range) -> Range:
        found = x.through(function)
        return replace(found, low=End(found.low.value)) if found.low.value == 0 else found

    return apply


def _between(low: float, high: float, reach: Reach = Reach.TOGETHER) -> Elementwise:
    """A function that comes to its limits where its operand is unbounded."""

    def apply(x: Range) -> Range:
        least, most = (min(end.reach, reach) if isinf(end.value) else Reach.UNPROVEN for end in (x.low, x.high))
        return Range(End(low, least), End(high, most), x.sources)

    return apply


def _dipping(least: float) -> Elementwise:
    """A smooth relative of ReLU: it dips below zero to `least`."""

    def apply(x: Range) -> Range:
        if x.low.value >= 0:
            return Range(End(0.0, x.at(0)), End(x.high.value), x.sources)
        return Range(End(least, x.low.reach if isinf(x.low.value) else Reach.UNPROVEN), x.high, x.sources)

    return apply


_ACTIVATIONS: Mapping[str, Elementwise] = {
    "linear": lambda x: x,
    "relu": _rising(lambda value: max(value, 0.0)),
    "relu6": _rising(lambda value: min(max(value, 0.0), 6.0)),
    "sigmoid": _rising(_sigmoid),
    "tanh": _rising(tanh),
    "softsign": _rising(lambda value: value / (1 + abs(value)) if not isinf(value) else (1.0 if value > 0 else -1.0)),
    "softplus": _above_zero(lambda value: value if value > 30 else log1p(exp(value))),
    "hard_sigmoid": _between(0.0, 1.0),
    "softmax": _between(0.0, 1.0, Reach.ALONE),
    "silu": _dipping(-0.2785),
    "gelu": _dipping(-0.17),
    "mish": _dipping(-0.3089),
    "hard_silu": _dipping(-0.375),
}

_FUNCTIONS: Mapping[str, Elementwise] = {
    "Abs": absolute,
    "Neg": negated,
    "Erf": _rising(erf),
    "Exp": _above_zero(exp),
    "Log": _rising(lambda value: log(value) if value > 0 else -inf),
    "Sqrt": _rising(lambda value: sqrt(max(value, 0.0))),
    "Reciprocal": lambda x: divided(constant(1.0, 1.0), x),
}


# --- several values, and many


def _power(x: Range, exponent: Range) -> Range:
    power = exponent.low.value
    if exponent != constant(power, power):
        return unknown(x, exponent)
    if power == 2:
        return square(x)
    return x.through(lambda value: value**power) if x.low.value >= 0 and power > 0 else unknown(x)


def _subtracted(a: Range, b: Range) -> Range:
    return added(a, negated(b))


_OPERATIONS: Mapping[str, Callable[[Range, Range], Range]] = {
    "Add": added,
    "Sum": added,
    "Mean": lambda a, b: united(a, b).unproven(),
    "Sub": _subtracted,
    "Mul": multiplied,
    "Div": divided,
    "Pow": _power,
    "Max": larger,
    "Min": smaller,
    "Where": lambda a, b: united(a, b).unproven(),  # what it takes is what some condition lets through
}


def _sum(x: Range) -> Range:
    """The sum of some elements; of how many, is open."""
    low, high = x.low.together(), x.high.together()
    if low.value:
        low = low if low.value > 0 else End(-inf, low.reach)
    if high.value:
        high = high if high.value < 0 else End(inf, high.reach)
    return replace(x, low=low, high=high)


_REDUCTIONS: Mapping[str, Elementwise] = {
    "ReduceMean": Range.together,
    "ReduceMax": lambda x: replace(x, low=x.low.together()),
    "ReduceMin": lambda x: replace(x, high=x.high.together()),
    "ReduceSum": _sum,
    "ReduceL1": lambda x: _sum(absolute(x)),
    "ReduceL2": lambda x: _sum(absolute(x)),
    "ReduceSumSquare": lambda x: _sum(square(x)),
}


# --- layers

_REARRANGING = frozenset(
    "identity reshape flatten permute masking activity_regularization repeat_vector upsampling slice split max_pool "
    "dropout spatial_dropout".split()
)
_POOLS = {"global_avg_pool": "ReduceMean", "global_max_pool": "ReduceMax", "avg_pool": "ReduceMean"}
_CENTERING = frozenset({"layer_norm", "group_norm", "instance_norm"})


def ranges(model: Model) -> list[Range]:
    """The values of each call's first output."""
    found: list[Range] = []
    for number, call in enumerate(model.calls):
        layer = model.layers[call.layer]
        twice = layer.args.get("op") == "Mul" and len(call.inputs) == 2 == call.inputs.count(call.inputs[0])
        operands = _operands(model, call, found)
        found.append(square(operands[0]) if twice else _made(layer, operands, number))
    return found


def _operands(model: Model, call: Call, found: Sequence[Range]) -> list[Range]:
    """The values of what a call reads, the constant of an operation among them."""
    layer, operands = model.layers[call.layer], []
    for tensor in call.inputs:
        maker = model.layers[model.calls[tensor.call].layer]
        known = tensor.output == 0 or maker.kind == "split"
        operands.append(found[tensor.call] if known else unknown(found[tensor.call]))
    held, limits = layer.args.get("operand"), layer.args.get("operand_range")
    if isinstance(held, int) and limits:
        operands.insert(held, constant(*limits))
    return operands


def _made(layer: Layer, operands: Sequence[Range], number: int) -> Range:
    if layer.kind == "input":
        return Range(End(-INPUTS), End(INPUTS), frozenset({number}))
    if not operands or layer.traits.opaque:
        return unknown(*operands, Range(sources=frozenset({number})))
    if layer.traits.affine:
        return _activated(layer, _affine(layer, operands, number))
    if layer.traits.recurrent:
        bounded = layer.kind in ("lstm", "gru") and layer.args.get("activation") == "tanh"
        return _between(-1.0, 1.0)(free(number)) if bounded else unknown(*operands)
    return _of_values(layer, operands)


def _activated(layer: Layer, x: Range) -> Range:
    if layer.activation == "leaky_relu":
        slope = layer.args.get("negative_slope")
        if not (isinstance(slope, float) and 0 < slope < 1):
            return unknown(x)
        return x.through(lambda value: max(value, value * slope))
    return _ACTIVATIONS.get(layer.activation or "", unknown)(x)


def _affine(layer: Layer, operands: Sequence[Range], number: int) -> Range:
    """A layer with a bias was learned. One without may be a filter bank or a mean, with weights of one sign only."""
    if layer.args.get("use_bias"):
        return free(number)
    return replace(free(number), sources=operands[0].sources) if operands[0].signed else unknown(*operands)


def _of_values(layer: Layer, operands: Sequence[Range]) -> Range:
    x, kind, operation = operands[0], layer.kind, str(layer.args.get("op"))
    if kind == "activation":
        return _activated(layer, x)
    if layer.traits.norm or kind == "layer_scale":
        return _normed(layer, x)
    if kind in _REARRANGING:
        return x
    if kind == "cast":
        return x if "float" in str(layer.args.get("dtype")) else unknown(x)
    if kind in _POOLS:
        padded = kind == "avg_pool" and layer.args.get("padding") != "valid"
        return unknown(x) if padded or "LpPool" in layer.class_name else _REDUCTIONS[_POOLS[kind]](x)
    if kind == "concat":
        return reduce(united, operands)
    if operation == "Clip":
        return _clipped(x, layer.args.get("range"))
    if operation in _REDUCTIONS:
        return _REDUCTIONS[operation](x)
    if operation in _FUNCTIONS:
        return _FUNCTIONS[operation](x)
    return _combined(operation, operands)


def _combined(operation: str, operands: Sequence[Range]) -> Range:
    if operation not in _OPERATIONS or len(operands) < 2:
        return unknown(*operands)
    return reduce(_OPERATIONS[operation], operands)


def _clipped(x: Range, limits: Any) -> Range:
    """Cut off at limits, of which None is one that is not there or not known."""
    low, high = limits
    x = smaller(x, constant(high, high)) if high is not None else replace(x, high=End(x.high.value))
    return larger(x, constant(low, low)) if low is not None else replace(x, low=End(x.low.value))


def _normed(layer: Layer, x: Range) -> Range:
    """A norm that takes off a mean makes both signs; a mere scale leaves them as they are, or turns them round."""
    centered = layer.kind in _CENTERING or (layer.kind == "batch_norm" and "epsilon" in layer.args)
    if not (centered or (x.signed and isinf(x.low.value) and isinf(x.high.value))):
        return unknown(x)
    reach = Reach.TOGETHER if layer.kind in ("batch_norm", "layer_scale") else Reach.ALONE
    return Range(End(-inf, reach), End(inf, reach), x.sources)


# --- operations that are not defined everywhere


class Domain(NamedTuple):
    """Where an operation gives finite numbers: from `least` to `most`, and at zero."""

    least: float = -inf
    most: float = inf
    zero: bool = True


class Operand(NamedTuple):
    """What an operation with limits is given: by the index of its layer."""

    layer: int
    op: str
    values: Range
    domain: Domain


_DOMAINS: Mapping[str, Domain] = {
    "Log": Domain(least=0.0, zero=False),
    "Sqrt": Domain(least=0.0),
    "Reciprocal": Domain(zero=False),
    "Div": Domain(zero=False),
    "Acos": Domain(least=-1.0, most=1.0),
    "Asin": Domain(least=-1.0, most=1.0),
    "Acosh": Domain(least=1.0),
}


def operands(model: Model) -> Iterator[Operand]:
    """What reaches the operations that are not defined for all numbers."""
    found = ranges(model)
    for call in model.calls:
        layer, given = model.layers[call.layer], _operands(model, call, found)
        operation = str(layer.args.get("op"))
        if layer.traits.norm and given:
            yield from _divisor(call.layer, layer, given[0])
        elif operation == "Div" and len(given) == 2:
            yield Operand(call.layer, operation, given[1], _DOMAINS[operation])
        elif given and (domain := _domain(layer, operation, given)):
            yield Operand(call.layer, operation, given[0], domain)


def _domain(layer: Layer, operation: str, given: Sequence[Range]) -> Domain | None:
    if operation == "Exp":
        return Domain(most=LARGEST_EXPONENT.get(str(layer.args.get("dtype")), inf))
    if operation == "Pow" and len(given) == 2 and given[1].low == given[1].high:
        power = given[1].low.value
        return Domain(least=-inf if power.is_integer() else 0.0, zero=power >= 0)
    return _DOMAINS.get(operation) if operation != "Div" else None


def _divisor(index: int, layer: Layer, x: Range) -> Iterator[Operand]:
    """What a norm divides by, squared, where it is written out; those of one operation have their own ways."""
    if layer.kind == "batch_norm" or "Normalization" in layer.class_name:
        return
    bare = layer.class_name == "ReduceL2+Div"
    epsilon = 0.0 if bare else layer.args.get("epsilon", inf)
    # In half precision so does the variance of values that differ by less than 0.0001.
    vanishes = layer.args.get("dtype") == "float16" and epsilon <= VANISHES_IN_HALF and not bare
    reach = Reach.TOGETHER if vanishes or x.at(0) is Reach.TOGETHER else Reach.UNPROVEN
    yield Operand(index, "Div", Range(End(0.0 if vanishes else epsilon, reach), End(inf)), _DOMAINS["Div"])
