"""Cuts into the graph of a model: calls that refer to each other, so that putting one in renumbers nothing.

A `Draft` is made of a model, changed, and finished: then calls and layers get their numbers, and the stored weights
follow their layers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, count
from typing import Any, NamedTuple

from archlint.graph import Call, Layer, Model, Output, Shape, StoredWeight, Tensor
from archlint.remedies.case import RemedyError

_Stored = Callable[[], tuple[StoredWeight, ...]]


class Value(NamedTuple):
    """Output number `output` of a use."""

    use: "Use"
    output: int = 0


@dataclass(slots=True, eq=False)
class Use:
    """A call by reference: the path of its layer, and the values that it reads."""

    layer: str
    inputs: list[Value]
    constants: Mapping[str, Any]
    recorded: Mapping[int, Shape]


class Draft:
    """A model that is being changed; layers go by their paths."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.layers = {layer.name: layer for layer in model.layers}
        self._uses: list[Use] = []
        for call in model.calls:
            inputs = [self._value(tensor) for tensor in call.inputs]
            self._uses.append(Use(model.layers[call.layer].name, inputs, call.constants, call.recorded))
        self._outputs = [(output.name, self._value(output.tensor)) for output in model.outputs]

    def _value(self, tensor: Tensor) -> Value:
        return Value(self._uses[tensor.call], tensor.output)

    def uses(self, path: str) -> list[Use]:
        """The uses of a layer, in order."""
        return [use for use in self._uses if use.layer == path]

    def only_use(self, path: str) -> Use:
        """The use of a layer that is called once; RemedyError if it is called more often."""
        uses = self.uses(path)
        if len(uses) > 1:
            raise RemedyError(f"{path} is called {len(uses)} times, and what suits one call may not suit another")
        return uses[0]

    def readers(self, use: Use) -> list[str]:
        """The paths of the layers that read what a use makes, once for each value that they read."""
        return [reader.layer for reader in self._uses for value in reader.inputs if value.use is use]

    def is_output(self, use: Use) -> bool:
        """Whether what a use makes is an output of the model."""
        return any(value.use is use for _, value in self._outputs)

    def sole_reader(self, use: Use) -> str | None:
        """The path of the layer that alone reads what a use makes; None if others do, or it is an output."""
        readers = self.readers(use)
        return readers[0] if len(readers) == 1 and not self.is_output(use) else None

    def beside(self, path: str, what: str) -> str:
        """A free path for a new layer in the same (nested) model as another one: `encoder/dense_dropout`."""
        wanted = f"{path}_{what}"
        numbered = (f"{wanted}_{number}" for number in count(1))
        return next(free for free in chain([wanted], numbered) if free not in self.layers)

    def replace(self, layer: Layer) -> None:
        """Put a layer in the place of the one that has its name."""
        if "op" in self.layers[layer.name].args:  # what an operation is called with are its settings
            for use in self.uses(layer.name):
                use.constants = {}
        self.layers[layer.name] = layer

    def insert_before(self, path: str, layer: Layer) -> None:
        """Let every use of a layer read what a new layer makes of its input; RemedyError if it has several inputs."""
        self.layers[layer.name] = layer
        for use in self.uses(path):
            if len(use.inputs) != 1:
                raise RemedyError(f"{path} reads {len(use.inputs)} values, so nothing can be put in front of it")
            made = Use(layer.name, list(use.inputs), {}, {})
            self._uses.insert(self._uses.index(use), made)
            use.inputs = [Value(made)]

    def insert_behind(self, path: str, layer: Layer) -> None:
        """Let all that reads the first output of a layer read what a new layer makes of it."""
        self.layers[layer.name] = layer
        for use in self.uses(path):
            self._put_behind(use, Use(layer.name, [], {}, {}))

    def move_behind(self, path: str, other: str) -> None:
        """Take a layer that is called once out of its place, and put it behind another one."""
        use, target = self.only_use(path), self.only_use(other)
        (value,) = use.inputs
        self._redirect(Value(use), value)
        self._uses.remove(use)
        use.recorded = {}
        self._put_behind(target, use)

    def _put_behind(self, use: Use, made: Use) -> None:
        self._redirect(Value(use), Value(made))
        made.inputs = [Value(use)]
        self._uses.insert(self._uses.index(use) + 1, made)

    def _redirect(self, old: Value, new: Value) -> None:
        for use in self._uses:
            use.inputs = [new if value == old else value for value in use.inputs]
        self._outputs = [(name, new if value == old else value) for name, value in self._outputs]

    def finished(self) -> Model:
        """The changed model: layers in the order of their first call, weights with their layers."""
        numbers = {use: number for number, use in enumerate(self._uses)}
        paths = list(dict.fromkeys(use.layer for use in self._uses))
        places = {path: place for place, path in enumerate(paths)}

        def tensor(value: Value) -> Tensor:
            return Tensor(numbers[value.use], value.output)

        return replace(
            self._model,
            layers=tuple(self.layers[path] for path in paths),
            calls=tuple(
                Call(places[use.layer], tuple(map(tensor, use.inputs)), use.constants, use.recorded)
                for use in self._uses
            ),
            outputs=tuple(Output(name, tensor(value)) for name, value in self._outputs),
            stored=partial(_placed, self._model.stored, [places.get(layer.name) for layer in self._model.layers]),
        )


def with_layers(model: Model, changed: Callable[[Layer], Layer]) -> Model:
    """The model with each layer as a function changes it; none may change its name or its inputs and outputs."""
    draft = Draft(model)
    for layer in model.layers:
        if (new := changed(layer)) is not layer:
            draft.replace(new)
    return draft.finished()


def with_args(layer: Layer, **settings: Any) -> Layer:
    """The layer with some settings changed."""
    return replace(layer, args={**layer.args, **settings})


def without_weight(model: Model, path: str, name: str) -> Model:
    """The model without the stored numbers of one weight, which its layer no longer has."""
    place = next(place for place, layer in enumerate(model.layers) if layer.name == path)
    return replace(model, stored=partial(_without, model.stored, place, name))


def _placed(stored: _Stored, places: list[int | None]) -> tuple[StoredWeight, ...]:
    """The stored weights, each with the new number of its layer."""
    return tuple(weight if weight.layer is None else replace(weight, layer=places[weight.layer]) for weight in stored())


def _without(stored: _Stored, place: int, name: str) -> tuple[StoredWeight, ...]:
    return tuple(weight for weight in stored() if (weight.layer, weight.name) != (place, name))
