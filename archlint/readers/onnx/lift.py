"""From an ONNX graph to the neutral model: steps become layers, one by one or by pattern."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial

from archlint.graph import KINDS, Call, Layer, Model, Output, Shape, Tensor
from archlint.readers.onnx.exchange import exchange
from archlint.readers.onnx.folded import Folded, folded, without_norm
from archlint.readers.onnx.graph import Graph, Node, Source
from archlint.readers.onnx.meaning import meaning
from archlint.readers.onnx.meaning.norms import batch_norm_weights, trains
from archlint.readers.onnx.meaning.terms import Meaning
from archlint.readers.onnx.naming import Candidate, candidate, names
from archlint.readers.onnx.notes import was_training
from archlint.readers.onnx.patterns import applicable, best
from archlint.readers.onnx.shapes import infer
from archlint.readers.onnx.steps import Program, Step, program
from archlint.readers.onnx.stored import Part, stored_weights
from archlint.readers.onnx.trust import concerns

_NO_TRAINING = "an ONNX file carries no training configuration"
_NO_DEFINITION = "an ONNX file keeps the values of weights, not how they were initialized or regularized"
_NO_KERAS = "an ONNX file keeps what a recurrent layer computes, not how Keras is to run it"
_NO_DROPOUT = "exporting for inference takes dropout out of the graph"
_NO_MOMENTUM = "a model exported for inference keeps no momentum"
_NEVER = {
    _NO_TRAINING: "model.optimizer model.learning_rate model.schedule model.momentum model.clipnorm model.clipvalue "
    "model.global_clipnorm model.weight_decay model.loss_scaled output.loss output.loss_family output.from_logits "
    "metric.output metric.name metric.threshold metric.from_logits layer.frozen_before layer.trainable_before "
    "layer.trainable_params model.trainable_params",
    _NO_DEFINITION: "weight.drawn_std weight.drawn_magnitude weight.drawn_fit layer.initializer "
    "layer.initializer_family layer.init_gain layer.recurrent_initializer layer.recurrent_gain layer.forget_bias "
    "layer.l1 layer.l2 layer.regularized layer.recurrent_rate model.dtype_policy output.compute_dtype prospect.remedy "
    "prospect.first prospect.last prospect.head prospect.gradient prospect.input_std prospect.normed prospect.grade "
    "prospect.mends",
    _NO_KERAS: "layer.unroll layer.reset_after",
}
_BEFORE_NORM = "/before-norm"
"""Ends the name of a value that the file does not have any more: what went into a folded batch norm."""

_DROPOUT = "layer.rate layer.stochastic layer.whole_samples link.dropout link.dropout_rate link.stochastics"


@dataclass(frozen=True, slots=True)
class Draft:
    """A layer and its one use, before names and numbers: `steps` by number, the last one makes `outputs`."""

    meaning: Meaning
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    core: Node | None
    class_name: str
    steps: tuple[int, ...] = ()
    constants: tuple[str, ...] = ()
    label: str = ""
    trainable: bool = True


def lift(source: Source) -> Model:
    """The neutral model of an ONNX graph."""
    values = infer(source.graph)
    prog = program(source.graph, values)
    training = source.training or any(trains(prog, step) or was_training(step.node) for step in prog.steps)
    drafts = [part for draft in (*_inputs(source.graph), *_drafts(prog)) for part in _unfolded(draft)]
    drafts = _laid_out(drafts)
    if training:
        drafts = [replace(draft, trainable=not _is_frozen(prog, draft)) for draft in drafts]
    built = _Built.of(drafts, source, values.dtypes)
    stage = "training" if training else "inference"
    parts = [Part(built.layer_of[place], draft.meaning.kind, draft.steps) for place, draft in enumerate(drafts)]
    return Model(
        name=source.name,
        format="onnx",
        producer=source.producer,
        producer_version=source.producer_version,
        layers=built.layers,
        calls=built.calls,
        outputs=tuple(
            Output(name, built.tensors[value])
            for name, value in zip(source.graph.outputs, prog.outputs, strict=True)
            if value in built.tensors
        ),
        absent=_absent(drafts, stage),
        stored=cache(partial(stored_weights, source, prog, parts, built.layers)),
        shapes=_shapes(prog, built.tensors),
        stage=stage,
        concerns=concerns(source.graph),
        exchange=exchange(source, prog, _layers_of_nodes(prog, drafts, built.layer_of), built.layers),
    )


def _shapes(prog: Program, tensors: Mapping[str, Tensor]) -> dict[Tensor, Shape]:
    found = {tensor: prog.shape(value.removesuffix(_BEFORE_NORM)) for value, tensor in tensors.items()}
    return {tensor: shape for tensor, shape in found.items() if shape is not None}


def _is_frozen(prog: Program, draft: Draft) -> bool:
    """Whether a batch norm was left as it is in a model that is training otherwise."""
    if draft.meaning.kind != "batch_norm" or draft.core is None:
        return False
    return not (was_training(draft.core) or any(trains(prog, prog.steps[number]) for number in draft.steps))


def _inputs(graph: Graph) -> Iterator[Draft]:
    for name in graph.inputs:
        yield Draft(Meaning("input"), (), (name,), None, "Input", label=name)


def _drafts(prog: Program) -> list[Draft]:
    """One draft per layer, in the order of the steps that make their outputs.

    Steps are looked at from the last to the first, so that a pattern is seen before the parts of it.
    """
    patterns = applicable(prog)
    taken: set[int] = set()
    found: list[Draft] = []
    for number in reversed(range(len(prog.steps))):
        if number in taken:
            continue
        step = prog.steps[number]
        steps: tuple[int, ...] = (number,)
        if matched := best(prog, step, taken, patterns):
            meant, steps = matched[0], tuple(sorted(matched[1].steps))
        else:
            meant = meaning(prog, step)
        taken.update(steps)
        found.append(_draft(prog, meant, steps))
    return found[::-1]


def _draft(prog: Program, meant: Meaning, numbers: Sequence[int]) -> Draft:
    steps = [prog.steps[number] for number in numbers]
    made = {name for step in steps for name in step.outputs}
    read = [name for step in steps for name in step.inputs if name not in made and name not in prog.static]
    inputs = dict.fromkeys(read) if len(steps) > 1 else read  # x * x reads one value twice
    core = _core(meant, steps)
    class_name = "+".join(dict.fromkeys(step.op for step in steps)) if len(steps) < 4 else core.op
    constants = tuple(name for step in steps for name in step.inputs if name and name in prog.static)
    return Draft(meant, tuple(inputs), steps[-1].outputs, core.node, class_name, tuple(numbers), constants)


_CORES = ("Conv", "ConvTranspose", "MatMul", "Gemm", "MatMulInteger", "Gather", "InstanceNormalization", "Softmax")


def _core(meant: Meaning, steps: Sequence[Step]) -> Step:
    """The step that a layer is named after: the one with the kernel, of a pool the first, else the last."""
    if KINDS[meant.kind].pool:
        return steps[0]
    if KINDS[meant.kind].weighted or meant.kind in ("attention", "group_norm"):
        return next((step for step in steps if step.op in _CORES), steps[-1])
    return steps[-1]


def _unfolded(draft: Draft) -> Iterator[Draft]:
    """A kernel with a batch norm folded into it is two layers again."""
    norm = folded(draft.core) if draft.core and KINDS[draft.meaning.kind].affine else None
    if norm is None:
        yield draft
        return
    between = draft.outputs[0] + _BEFORE_NORM
    kernel = draft.core.inputs[1] if draft.core and len(draft.core.inputs) > 1 else ""
    label = kernel.removesuffix(".weight") if kernel.endswith(".weight") else ""
    yield replace(draft, meaning=without_norm(draft.meaning, norm), outputs=(between,), label=label)
    yield Draft(_norm(draft.meaning, norm), (between,), draft.outputs, draft.core, "BatchNormalization (folded)")


def _norm(kernel: Meaning, norm: Folded) -> Meaning:
    channels = kernel.args.get("filters") or kernel.args.get("units")
    weights = batch_norm_weights(channels) if channels else ()
    return Meaning("batch_norm", {"axis": 1, **norm.settings}, weights)


_ALIKE = frozenset(
    "activation batch_norm group_norm instance_norm layer_scale arithmetic dropout identity cast flatten zero_padding "
    "add subtract multiply divide average maximum minimum concat where".split()
)
"""Kinds that know nothing of where the channels are, and leave them there."""


def _laid_out(drafts: Sequence[Draft]) -> list[Draft]:
    """Layers on a map learn from the layers that made it, or read it, that its channels come first."""
    first: set[str] = set()
    found = [_behind(draft, first) for draft in drafts]
    wanted: set[str] = set()
    return [_before(draft, wanted) for draft in reversed(found)][::-1]


def _behind(draft: Draft, first: set[str]) -> Draft:
    """A layer behind others; `first` are the values whose channels come first, and grow."""
    if draft.meaning.kind in _ALIKE and not first.isdisjoint(draft.inputs):
        draft = _channels_first(draft)
    if draft.meaning.args.get("data_format") == "channels_first" and draft.meaning.kind != "flatten":
        first.update(draft.outputs)
    return draft


def _before(draft: Draft, wanted: set[str]) -> Draft:
    """A layer in front of others; `wanted` are the values that are read as having their channels first, and grow."""
    if draft.meaning.kind in (*_ALIKE, "input") and not wanted.isdisjoint(draft.outputs):
        draft = _channels_first(draft)
    if draft.meaning.args.get("data_format") == "channels_first":
        wanted.update(draft.inputs)
    return draft


def _channels_first(draft: Draft) -> Draft:
    return replace(draft, meaning=replace(draft.meaning, args={**draft.meaning.args, "data_format": "channels_first"}))


@dataclass(slots=True)
class _Built:
    """Layers and calls, and which tensor each value of the graph is."""

    layers: tuple[Layer, ...]
    calls: tuple[Call, ...]
    tensors: dict[str, Tensor] = field(default_factory=dict)
    layer_of: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, drafts: Sequence[Draft], source: Source, dtypes: Mapping[str, str]) -> "_Built":
        labels = _labels(drafts, source.producer)
        layers: list[Layer] = []
        calls: list[Call] = []
        tensors: dict[str, Tensor] = {}
        layer_of: list[int] = []
        shared: dict[object, int] = {}
        for draft, label in zip(drafts, labels, strict=True):
            key = _identity(draft, source.graph)
            index = shared.get(key, len(layers)) if key else len(layers)
            if index == len(layers):
                layers.append(_layer(draft, label, dtypes.get(draft.outputs[0])))
            shared[key] = index
            layer_of.append(index)
            tensors.update((name, Tensor(len(calls), place)) for place, name in enumerate(draft.outputs) if name)
            calls.append(Call(index, tuple(tensors[name] for name in draft.inputs if name in tensors)))
        return cls(tuple(layers), tuple(calls), tensors, layer_of)


def _labels(drafts: Sequence[Draft], producer: str | None) -> list[str]:
    return names(
        [
            Candidate("", draft.label, True)
            if draft.label or draft.core is None
            else candidate(draft.core, KINDS[draft.meaning.kind].weighted, producer)
            for draft in drafts
        ]
    )


_KERAS_DTYPES = {"float": "float32", "double": "float64"}


def _layer(draft: Draft, name: str, dtype: str | None) -> Layer:
    meant = draft.meaning
    args = {**meant.args, "dtype": _KERAS_DTYPES.get(dtype, dtype)} if dtype else meant.args
    return Layer(
        name,
        meant.kind,
        draft.class_name,
        args,
        wrapper=meant.wrapper,
        trainable=draft.trainable,
        weights=meant.weights,
    )


def _identity(draft: Draft, graph: Graph) -> object:
    """What makes two drafts the same layer: the same kernel, used in the same way; None if it has none."""
    if draft.core is None or not KINDS[draft.meaning.kind].weighted:
        return None
    place = 0 if draft.core.op == "Gather" else 3 if draft.core.op.startswith("Q") else 1
    kernel = draft.core.inputs[place] if len(draft.core.inputs) > place else ""
    if kernel not in graph.constants:
        return None
    return draft.meaning.kind, draft.class_name, kernel, draft.constants, repr(sorted(draft.meaning.args.items()))


def _layers_of_nodes(prog: Program, drafts: Sequence[Draft], layer_of: Sequence[int]) -> dict[int, int]:
    """The layer of each of the graph's nodes that is part of one."""
    return {
        node: layer_of[place]
        for place, draft in enumerate(drafts)
        for number in draft.steps
        for node in prog.steps[number].nodes
    }


def _absent(drafts: Sequence[Draft], stage: str) -> Mapping[str, str]:
    missing = {fact: why for why, facts in _NEVER.items() for fact in facts.split()}
    if stage == "inference":
        missing["layer.momentum"] = _NO_MOMENTUM
        if not any(draft.meaning.kind == "dropout" for draft in drafts):
            missing |= dict.fromkeys(_DROPOUT.split(), _NO_DROPOUT)
    return missing
