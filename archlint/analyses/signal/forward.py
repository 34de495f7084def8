"""The pass forwards: every call by the rule of its layer's kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from archlint.analyses.shapes import KNOWN_WRAPPERS, without_time, wrappers
from archlint.analyses.signal import (
    activations,
    affine,
    arithmetic,
    attention,
    forms,
    joins,
    merges,
    noise,
    norms,
    pooling,
    products,
    recurrent,
    sources,
)
from archlint.analyses.signal.kernels import Drawn, Measured, Source, drawn
from archlint.analyses.signal.node import MISFITS, Backs, Node, Passed, Rule
from archlint.analyses.signal.signals import Changes, Signals
from archlint.analyses.signal.state import STANDARD, Certainty, Gradient, State
from archlint.analyses.weights import declared_weights
from archlint.analyses.wiring import Wiring
from archlint.graph import Layer, Shape, Tensor, release
from archlint.shape_terms import MOST_OUTPUTS, Use, unknown

_RULES: Mapping[str, Rule] = {
    **affine.RULES,
    **activations.RULES,
    **arithmetic.RULES,
    **attention.RULES,
    **forms.RULES,
    **joins.RULES,
    **merges.RULES,
    **noise.RULES,
    **norms.RULES,
    **pooling.RULES,
    **products.RULES,
    **recurrent.RULES,
    **sources.RULES,
}

_FINAL = ("softmax", "sigmoid", "log_softmax")


@dataclass
class Forward:
    """A model, what is known of its weights, and what is taken to be different."""

    wiring: Wiring
    shapes: Mapping[Tensor, Shape]
    measured: Measured
    trained: bool
    changes: Changes

    def __post_init__(self) -> None:
        self._weights: dict[int, Mapping[str, Drawn]] = {}
        self._measured: dict[int, dict[str, tuple[float, float]]] = {}
        for (layer, name), numbers in self.measured.items():
            self._measured.setdefault(layer, {})[name] = numbers

    def run(self) -> tuple[Signals, Sequence[Sequence[Backs]]]:
        """The states of all tensors, and for every call the ways back from its outputs."""
        found = Signals()
        return found, [self._forward(number, found) for number in range(len(self.wiring.model.calls))]

    @cached_property
    def _source(self) -> Source:
        model = self.wiring.model
        return Source(release(model.producer_version), model.exchange is not None, self.trained)

    @cached_property
    def _training(self) -> bool:
        return self.wiring.model.stage == "training"

    @cached_property
    def _read(self) -> Mapping[int, int]:
        """By call, the highest number of its outputs that is read."""
        found: dict[int, int] = {}
        for tensor in (*self.wiring.readers_of, *self.wiring.ends):
            found[tensor.call] = max(found.get(tensor.call, 0), tensor.output)
        return found

    def _forward(self, number: int, found: Signals) -> Sequence[Backs]:
        node = self._node(number, found)
        passed = _passed(node)
        layer = self.wiring.model.calls[number].layer
        for output in range(1 + min(self._read.get(number, 0), len(passed.states) - 1)):
            state = passed.states[output]
            # what is frozen holds the weights of an earlier training, as a rule
            found.forward[Tensor(number, output)] = state.doubted(Certainty.partial) if self._frozen(node) else state
        if passed.gain is not None:
            found.gains.setdefault(layer, passed.gain)
        if passed.horizon is not None:
            found.horizons.setdefault(layer, passed.horizon)
        if number in self._heads:
            passed = _passed(replace(node, changed=replace(node.changed, activation="linear")))
        return (passed.back, *passed.others)

    def _node(self, number: int, found: Signals) -> Node:
        model, call = self.wiring.model, self.wiring.model.calls[number]
        layer = model.layers[call.layer]
        use = without_time(Use(layer, tuple(map(self.shapes.get, call.inputs)), call.constants))
        inputs = tuple(_arriving(found, tensor) for tensor in call.inputs)
        if not inputs:
            inputs = (sources.RAW if self._scales_itself(number) else STANDARD,)
        made = self.shapes.get(Tensor(number))
        cut = None if made is None else (*made[:1], *made[1 + layer.time_distributed :])
        outputs = min(MOST_OUTPUTS, 1 + self._read.get(number, 0)) if layer.kind == "split" else 1
        makers = tuple(model.calls[tensor.call].layer for tensor in call.inputs)
        return Node(
            use,
            inputs,
            (cut,) * outputs,
            self._drawn(call.layer, use),
            self.changes.of(call.layer),
            self._source.version,
            self._trains(layer, call.constants.get("training")),
            call.inputs,
            tuple(map(self._original, call.inputs)),
            makers,
            tuple(model.layers[maker].kind for maker in makers),
        )

    def _frozen(self, node: Node) -> bool:
        return bool(node.weights) and not node.use.layer.trainable and not self._source.stored

    def _trains(self, layer: Layer, stated: object) -> bool:
        """Whether a call does what it does in training; a frozen batch norm never does."""
        # Keras 3 writes what held while the graph was built, and goes by the loop that runs it
        if isinstance(stated, bool) and self._source.version < (3,):
            return stated
        return self._training and (layer.trainable or layer.kind != "batch_norm")

    def _original(self, tensor: Tensor) -> Tensor:
        """The first tensor that is known to hold the same numbers."""
        return Tensor(self._copied.get(tensor.call, tensor.call), tensor.output)

    @cached_property
    def _copied(self) -> Mapping[int, int]:
        """The calls that do again what an earlier call did: that one's number."""
        first: dict[object, int] = {}
        copied: dict[int, int] = {}
        for number, call in enumerate(self.wiring.model.calls):
            layer = self.wiring.layer_of(number)
            inputs = tuple(Tensor(copied.get(tensor.call, tensor.call), tensor.output) for tensor in call.inputs)
            if inputs and layer.traits.pool:
                settings = repr(sorted(layer.args.items())), repr(sorted(call.constants.items()))
                copied[number] = first.setdefault((layer.kind, layer.wrapper, settings, inputs), number)
        return copied

    def _scales_itself(self, number: int) -> bool:
        readers = self.wiring.readers[number]
        return bool(readers) and all(self.wiring.layer_of(reader).kind == "rescaling" for reader in readers)

    def _drawn(self, index: int, use: Use) -> Mapping[str, Drawn]:
        if index not in self._weights:
            layer = self.wiring.model.layers[index]
            weights = layer.weights
            if weights is None:
                weights = declared_weights(replace(layer, time_distributed=0), use.inputs, self._source.version)
            self._weights[index] = drawn(layer, weights or (), self._measured.get(index, {}), self._source)
        return self._weights[index]

    @cached_property
    def _heads(self) -> frozenset[int]:
        """The calls that end in an activation which the loss takes apart again."""
        return frozenset(filter(self._is_final, map(self._before_forms, self.wiring.ends)))

    def _before_forms(self, tensor: Tensor) -> int:
        """The call that made a value, seen through layers that only change its form."""
        number = tensor.call
        while True:
            layer, inputs = self.wiring.layer_of(number), self.wiring.model.calls[number].inputs
            forms = layer.traits.pass_through or (layer.activation == "linear" and layer.traits.activation)
            if not forms or len(inputs) != 1:
                return number
            number = inputs[0].call

    def _is_final(self, number: int) -> bool:
        layer = self.wiring.layer_of(number)
        return (self.changes.activations.get(self.wiring.model.calls[number].layer) or layer.activation) in _FINAL


def _arriving(found: Signals, tensor: Tensor) -> State:
    state = found.forward.get(tensor)
    if state is None:
        return replace(STANDARD, certainty=Certainty.partial)
    return replace(STANDARD, certainty=Certainty.partial) if state.certainty == Certainty.unknown else state


def _passed(node: Node) -> Passed:
    layer = node.use.layer
    try:
        rule = _RULES.get(layer.kind) if wrappers(layer) <= KNOWN_WRAPPERS else None
        return unknown() if rule is None else rule(node)
    except MISFITS:
        return _not_known(node)


def _not_known(node: Node) -> Passed:
    state = replace(STANDARD, certainty=Certainty.unknown)

    def back(gradient: Gradient) -> Sequence[Gradient | None]:
        return [gradient.along(STANDARD.groups).doubted(Certainty.partial)] * len(node.inputs)

    return Passed((state,) * len(node.made), back, (back,) * (len(node.made) - 1))
