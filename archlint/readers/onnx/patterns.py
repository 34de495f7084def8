"""The table of patterns: how exporters write layers that ONNX has no operation for, or had none for.

A pattern is an expression (see `expression`) and what its match means. The first that fits counts, so the larger
ones come first.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from archlint.graph import Weight
from archlint.readers.onnx.expression import Expression, Match, families, matches, parse, roots
from archlint.readers.onnx.meaning import meaning
from archlint.readers.onnx.meaning.kernels import conv, dense, einsum
from archlint.readers.onnx.meaning.terms import Meaning, elements, number, reduced_axes
from archlint.readers.onnx.steps import Program, Step
from archlint.shape_terms import UnknownError, axes_of

Builder = Callable[[Program, Match, Step], Meaning | None]
"""What a match means that ends in this step; None if a closer look refuses it."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """An expression, its meaning, and the operations without which there is no match."""

    expression: Expression
    build: Builder
    needs: frozenset[frozenset[str]]


def _activation(name: str, **settings: Any) -> Builder:
    return lambda _prog, _match, _step: Meaning("activation", {"activation": name, **settings})


def _prelu(prog: Program, match: Match, _step: Step) -> Meaning:
    count = elements(prog, match.names["A"]) or 0
    return Meaning("activation", {"activation": "prelu"}, (Weight("alpha", (count,)),) if count else ())


def _biased(prog: Program, match: Match, step: Step) -> Meaning | None:
    """A kernel operation and the addition of its bias."""
    core = _core(prog, match)
    bias = match.names.get("B", "")
    build = _BUILDS.get(core.op, conv)
    channels_last = build is not conv or core.channels_last
    fits = _is_trailing if build is einsum else partial(_is_vector, last=channels_last)
    return None if bias and not fits(prog, bias, step) else build(prog, core, bias)


_BUILDS = {"MatMul": dense, "Gemm": dense, "MatMulInteger": dense, "Einsum": einsum}
_KERNELS = (*_BUILDS, "Conv", "ConvTranspose")


def _core(prog: Program, match: Match) -> Step:
    return next(prog.steps[number] for number in sorted(match.steps) if prog.steps[number].op in _KERNELS)


def _is_vector(prog: Program, value: str, step: Step, last: bool) -> bool:
    """Whether a constant has one number per channel of what the step makes, and nothing more."""
    return _channel_axis(prog, value, step) in ((None, -1) if last else (None, 1))


def _is_trailing(prog: Program, value: str, step: Step) -> bool:
    """Whether a constant has one number for all that a step makes per position: (heads, size) of attention."""
    shape, made = prog.shape(value), prog.shape(step.outputs[0])
    return bool(shape and made and len(shape) < len(made) and made[-len(shape) :] == shape)


def _channel_axis(prog: Program, value: str, step: Step) -> int | None:
    """The axis of the step's output that a constant vector lies along: -1 for the last; None for a single number.

    -2 is no axis: the constant is no vector.
    """
    shape, made = prog.shape(value), prog.shape(step.outputs[0])
    if shape is None or None in shape:
        return -2
    long = [axis for axis, size in enumerate(shape) if size != 1]
    if not long:
        return None
    if len(long) > 1:
        return -2
    from_end = long[0] - len(shape)
    if from_end == -1:
        return -1
    return -2 if made is None else from_end + len(made)


def _sequence_dense(prog: Program, match: Match, step: Step) -> Meaning | None:
    """A dense layer over the last axis, for which the others were put together and apart again."""
    found = _biased(prog, match, step)
    before, after = prog.shape(match.names["x"]), prog.shape(step.outputs[0])
    if found is None or before is None or after is None or before[1:-1] != after[1:-1]:
        return None
    return found if after[-1] == found.args["units"] else None


def _scale_and_shift(prog: Program, match: Match, step: Step) -> Meaning | None:
    """A scale and a shift per channel is a batch normalization as it is run.

    Right at the input it is a standardization, and right at the output one taken back.
    """
    axis = _channel_axis(prog, match.names["K"], step)
    others = [match.names[name] for name in ("B", "M") if name in match.names]
    alike = all(elements(prog, name) == 1 or prog.shape(name) == prog.shape(match.names["K"]) for name in others)
    if axis in (None, -2) or not alike or ("M" in match.names and _adds_bias(prog, match)):
        return None
    channels = elements(prog, match.names["K"]) or 0
    if match.names["x"] in prog.graph.inputs or step.outputs[0] in prog.outputs:
        return Meaning("normalization", {"axis": axis})
    weights = tuple(Weight(name, (channels,)) for name in ("gamma", "beta"))
    return Meaning("batch_norm", {"axis": axis}, weights)


def _scaled_norm(prog: Program, match: Match, step: Step) -> Meaning | None:
    """A norm whose scale and shift are operations of their own, as Caffe has them."""
    if _channel_axis(prog, match.names["K"], step) in (None, -2):
        return None
    return meaning(prog, next(prog.steps[number] for number in match.steps if "Norm" in prog.steps[number].op))


def _adds_bias(prog: Program, match: Match) -> bool:
    """Whether the constant nearest to the data is no mean, but the bias of the kernel in front of it."""
    value = match.names["x"]
    maker, readers = prog.maker.get(value), prog.readers.get(value, ())
    kernel = maker is not None and prog.steps[maker].op in _KERNELS
    return kernel and any(prog.steps[number].op == "Add" for number in match.steps & set(readers))


def _scale(prog: Program, match: Match, step: Step) -> Meaning | None:
    """One factor per channel: a layer scale."""
    if _channel_axis(prog, match.names["K"], step) in (None, -2):
        return None
    return Meaning("layer_scale", {}, (Weight("gamma", (elements(prog, match.names["K"]) or 0,)),))


_MEANS = ("ReduceMean", "GlobalAveragePool", "ReduceSum")


def _norm(prog: Program, match: Match, _step: Step) -> Meaning | None:
    """A norm by hand: which one it is, the axes tell over which it takes the mean."""
    means = [prog.steps[number] for number in match.steps if prog.steps[number].op in _MEANS]
    shape = prog.shape(means[0].inputs[0])
    axes = _mean_axes(prog, means[0], len(shape)) if shape else None
    if axes is None or shape is None:
        return None
    epsilon = prog.scalar(match.names.get("E", ""))
    settings = {} if epsilon is None else {"epsilon": epsilon}
    grouped = any(prog.steps[number].op == "Reshape" for number in match.steps)
    kind = _norm_kind(axes, len(shape), grouped)
    if kind == "layer_norm":
        settings["axis"] = max(axes) - len(shape)
    return Meaning(kind, settings, _affine(prog, match))


def _rms_norm(prog: Program, match: Match, _step: Step) -> Meaning:
    epsilon = prog.scalar(match.names.get("E", ""))
    return Meaning("rms_norm", {"axis": -1, **({} if epsilon is None else {"epsilon": epsilon})}, _affine(prog, match))


def _affine(prog: Program, match: Match) -> tuple[Weight, ...]:
    names = {"G": "gamma", "B": "beta"}
    return tuple(
        Weight(names[name], (count,))
        for name in names
        if name in match.names and (count := elements(prog, match.names[name]))
    )


def _mean_axes(prog: Program, step: Step, rank: int) -> set[int] | None:
    if step.op == "GlobalAveragePool":
        return set(range(2, rank))
    axes = reduced_axes(prog, step)
    return set(axes_of(axes, rank)) if axes else None


def _norm_kind(axes: set[int], rank: int, grouped: bool) -> str:
    if grouped and len(axes) > 1:
        return "group_norm"
    if axes == {rank - 1} or {1, rank - 1} <= axes or (axes == {1} and rank > 3):
        return "layer_norm"
    if axes == {0}:
        return "batch_norm"
    return "instance_norm"


def _fused_norm(prog: Program, match: Match, _step: Step) -> Meaning:
    """A layer norm, for which every position was made a channel of a batch norm on the data's own statistics."""
    core = next(prog.steps[number] for number in match.steps if prog.steps[number].op == "BatchNormalization")
    return Meaning("layer_norm", {"axis": -1, "epsilon": number(core, "epsilon", 1e-5)}, _affine(prog, match))


def _group_norm(prog: Program, match: Match, _step: Step) -> Meaning | None:
    """Exporters write a group norm as an instance norm, without a scale of its own, of the groups."""
    core = next(prog.steps[number] for number in match.steps if prog.steps[number].op == "InstanceNormalization")
    if prog.scalar(core.inputs[1]) != 1:
        return None
    settings = {"epsilon": number(core, "epsilon", 1e-5), "groups": elements(prog, core.inputs[1])}
    return Meaning("group_norm", settings, _affine(prog, match))


def _global_pool(prog: Program, match: Match, step: Step) -> Meaning | None:
    """A global pool whose axes of size 1 are taken off."""
    core = next(prog.steps[number] for number in sorted(match.steps))
    shape = prog.shape(step.outputs[0])
    found = meaning(prog, core)
    return found if shape is not None and len(shape) == 2 and found.kind.startswith("global_") else None


def _of_kind(kind: str) -> Builder:
    return lambda _prog, _match, _step: Meaning(kind)


def _embedding(prog: Program, match: Match, step: Step) -> Meaning | None:
    """A lookup whose negative indices are counted from the end."""
    shape = prog.shape(match.names["W"])
    if shape is None or len(shape) < 2 or None in shape or step.attrs.get("axis"):
        return None
    sizes = tuple(size or 0 for size in shape)
    return Meaning("embedding", {"input_dim": sizes[0], "output_dim": sizes[-1]}, (Weight("embeddings", sizes),))


_INDEX = (
    "~Less(~x, 0) * (x + N) + x * ~Not(~Less(~x, 0))",
    "Where(~Less(~x, 0), x + N, x)",
)
_MEAN = "Mean({x})"
_VARIANCES = (
    "Mean(({x} - Mean({x}))**2)",
    "Mean(~(({x} - Mean({x}))**2))",
    "Mean({x}**2) - Mean({x})**2",
)
_WEIGHTED_MEAN = "Where(Q, Z, ReduceSum({x} * U) / S)"  # Keras 2's group normalization, with weights of one
_WEIGHTED_VARIANCE = f"Where(Q, Z, ReduceSum(({{x}} - {_WEIGHTED_MEAN})**2 * U) / S)"
_MOMENTS = (*((_MEAN, variance) for variance in _VARIANCES), (_WEIGHTED_MEAN, _WEIGHTED_VARIANCE))
_PLAIN_NORMS = tuple(f"({{x}} - {mean}) / Sqrt({variance} + E)" for mean, variance in _MOMENTS)
_KERAS_NORMS = tuple(  # scale and shift worked out first, as tf.nn.batch_normalization does
    f"{{x}} * (G / Sqrt({variance} + E)) + ({shift})"
    for mean, variance in _MOMENTS
    for shift in (f"B - {mean} * (G / Sqrt({variance} + E))", f"-{mean} * (G / Sqrt({variance} + E)) + B")
)
_FUSED_NORM = (  # Keras 2's layer normalization, on TensorFlow's fused batch norm
    "BatchNormalization(Reshape(x), K, Z, Squeeze(Mean(Reshape(x))), "
    "ReduceSumSquare(Reshape(x) - Mean(Reshape(x))) / N)"
)
_RMS = "x / Sqrt(Mean(x**2) + E)"
_SCORES = "Softmax(~MatMul(q, k))"


def _around(text: str) -> Iterator[str]:
    """A norm over groups: what goes in is taken apart before, and put together after."""
    yield text.format(x="x")
    inner = text.format(x="Reshape(x)")
    yield f"Reshape({inner})"


_TABLE: tuple[tuple[Builder, tuple[str, ...]], ...] = (
    # attention
    (_of_kind("attention"), (f"MatMul(~{_SCORES}, v)", f"MatMul(~Where(IsNaN({_SCORES}), Z, {_SCORES}), v)")),
    # norms
    (_norm, tuple(text for norm in _KERAS_NORMS for text in _around(norm))),
    (_norm, tuple(f"({text}) * G + B" for norm in _PLAIN_NORMS for text in _around(norm))),
    (_norm, tuple(f"({text}) * G" for norm in _PLAIN_NORMS for text in _around(norm))),
    (_norm, tuple(text for norm in _PLAIN_NORMS for text in _around(norm))),
    (_rms_norm, (f"{_RMS} * G", "x * (G / Sqrt(Mean(x**2) + E))", _RMS)),
    (_fused_norm, tuple(f"Reshape({_FUSED_NORM}){affine}" for affine in (" * G + B", " * G", ""))),
    (
        _group_norm,
        (
            "Reshape(InstanceNormalization(Reshape(x))) * G + B",
            "Reshape(InstanceNormalization(Reshape(x))) * G",
            "Reshape(InstanceNormalization(Reshape(x)))",
            "InstanceNormalization(x) * G + B",
            "InstanceNormalization(x) * G",
        ),
    ),
    (
        _of_kind("unit_norm"),
        (
            "x / Bounded(ReduceL2(x))",
            "x / ~Bounded(ReduceL2(x))",
            "x / ReduceL2(x)",
            "x / Sqrt(ReduceSum(x**2))",
            "x / Pow(ReduceSum(x**2), 0.5)",
        ),
    ),
    # activations
    (
        _activation("gelu"),
        (
            "x * 0.5 * (1 + Erf(x * 0.70710678))",
            "x * 0.5 * Erfc(-x * 0.70710678)",
            "x * 0.5 * (1 + Tanh(0.7978845 * (x + 0.044715 * Pow(x, 3))))",
            "x * 0.5 * (1 + Tanh(0.7978845 * (x + 0.044715 * x * x * x)))",
            "x * 0.5 * (1 + Tanh(x * 0.7978845 * (1 + 0.044715 * x**2)))",
            "x * 0.5 * (1 + Tanh(x * 0.7978845 * (1 + 0.044715 * x * x)))",
            "x * Sigmoid(x * 1.702)",
        ),
    ),
    (_activation("silu"), ("x * Sigmoid(x)", "x / (1 + Exp(-x))")),
    (_activation("hard_silu"), ("x * Clip(x + 3) / 6", "x * HardSigmoid(x)", "x * Clip(x * 0.1666667 + 0.5)")),
    (
        _activation("hard_sigmoid"),
        ("Clip(x + 3) / 6", "Clip(x * 0.1666667 + 0.5)", "Clip(x * 0.2 + 0.5)", "Max(Min(x * 0.2 + 0.5, 1), 0)"),
    ),
    (_activation("relu6"), ("Max(Min(x, 6), 0)", "Min(Relu(x), 6)", "Min(Max(x, 0), 6)")),
    (_activation("relu"), ("Max(x, 0)",)),
    (_activation("mish"), ("x * Tanh(Softplus(x))", "x * Tanh(Log(1 + Exp(x)))")),
    (_activation("softsign"), ("x / (1 + Abs(x))",)),
    (_activation("softplus"), ("Where(Greater(x, K), x, Softplus(x))", "Log(1 + Exp(x))")),
    (_activation("sigmoid"), ("1 / (1 + Exp(-x))",)),
    (_activation("elu"), ("Where(Greater(x, 0), x, Exp(x) - 1)", "Where(Greater(x, 0), x, K * (Exp(x) - 1))")),
    (
        _activation("softmax"),
        ("Exp(x - ReduceMax(x)) / ReduceSum(Exp(x - ReduceMax(x)))", "Exp(x) / ReduceSum(Exp(x))"),
    ),
    (_activation("leaky_relu"), ("Max(x, x * 0.2)", "Max(x, x * 0.1)", "Max(x, x * 0.01)", "Max(x, x * 0.3)")),
    (_prelu, ("Relu(x) + A * Relu(-x)", "Relu(x) - A * Relu(-x)")),
    # kernels
    (_sequence_dense, ("Reshape(Product(Reshape(x), W)) + B", "Reshape(Product(Reshape(x), W))")),
    (_biased, ("Cast(MatMulInteger(x, W)) * K + B", "Cast(MatMulInteger(x, W)) * K")),
    (_biased, ("Product(x, W) + B", "Map(x, W) + B", "Einsum(x, W) + B")),
    (_embedding, tuple(f"Gather(W, {index})" for index in _INDEX)),
    (_scaled_norm, ("BatchNormalization(x) * K + B", "InstanceNormalization(x) * K + B")),
    # batch norm as it is run
    (_scale_and_shift, ("(x - M) * K + B", "x * K + B")),
    (_scale, ("x * K",)),
    # pools
    (
        _global_pool,
        ("Flat(GlobalAveragePool(x))", "Flat(GlobalMaxPool(x))", "Flat(ReduceMean(x))", "Flat(ReduceMax(x))"),
    ),
)


@cache
def _patterns() -> tuple[Pattern, ...]:
    """All patterns in order."""
    expressions = [(parse(text), build) for build, texts in _TABLE for text in texts]
    return tuple(Pattern(parsed, build, frozenset(families(parsed))) for parsed, build in expressions)


def applicable(prog: Program) -> Mapping[str, Sequence[Pattern]]:
    """The patterns that the graph has the operations for, in order, by the operation they end in."""
    found: dict[str, list[Pattern]] = defaultdict(list)
    for pattern in _patterns():
        if not any(ops.isdisjoint(prog.ops) for ops in pattern.needs):
            for root in roots(pattern.expression):
                found[root].append(pattern)
    return found


def best(
    prog: Program, step: Step, taken: AbstractSet[int], patterns: Mapping[str, Sequence[Pattern]]
) -> tuple[Meaning, Match] | None:
    """The first pattern that fits what a step makes, of steps that are not taken yet."""
    for pattern in patterns.get(step.op, ()) if step.node.standard else ():
        for match in matches(prog, pattern.expression, step):
            if not match.steps & taken and (found := _built(pattern, prog, match, step)):
                return found, match
    return None


def _built(pattern: Pattern, prog: Program, match: Match, step: Step) -> Meaning | None:
    try:
        return pattern.build(prog, match, step)
    except UnknownError:  # an attribute makes no sense
        return None
