"""The rows of `signal` and `prospect`: what is predicted of a model at initialization."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from archlint.analyses.flow import Flow
from archlint.analyses.wiring import Wiring
from archlint.facts.weight_rows import Weights
from archlint.graph import Shape, Tensor, Training

if TYPE_CHECKING:
    from archlint.analyses.signal import Changes, Signals

_LEARNED_FROM_DATA = frozenset({"mean", "variance"})
"""Weights of a `Normalization` layer: they are not initialized, but adapted to data before training."""


class Prediction:
    """The signal of one model, predicted when it is first asked for."""

    def __init__(self, wiring: Wiring, flow: Flow, shapes: Mapping[Tensor, Shape], weights: Weights) -> None:
        self.wiring, self.flow, self.shapes, self.weights = wiring, flow, shapes, weights
        self.exported = wiring.model.exchange is not None

    @cached_property
    def signals(self) -> "Signals":
        """The signal of every tensor at initialization."""
        return self.predict()

    def predict(self, changes: "Changes | None" = None) -> "Signals":
        """The same, if some things were different."""
        from archlint.analyses.signal import predict  # here: it needs numpy

        trained = self.exported and self.weights.trained is True
        return predict(self.wiring, self.shapes, measured=self._measured(), trained=trained, changes=changes)

    def _measured(self) -> Mapping[tuple[int, str], tuple[float, float]]:
        """The stored weights that count.

        A Keras file says how weights are drawn, so it does not matter whether it has been trained since; of an ONNX
        file there are only their numbers.
        """
        if self.exported:
            return self.weights.moments
        if not any(layer.kind == "normalization" for layer in self.wiring.model.layers):
            return {}
        return {key: numbers for key, numbers in self.weights.moments.items() if key[1] in _LEARNED_FROM_DATA}

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows of `signal`: one for each layer whose output is reached, of its first call."""
        for layer, (number, *_) in enumerate(self.wiring.calls_of):
            if Tensor(number) in self.signals.forward and self.shapes.get(Tensor(number)) is not None:
                yield {"layer": layer, **self._row(number), "horizon": self.signals.horizons.get(layer)}

    def _row(self, number: int) -> dict[str, Any]:
        inputs = self.wiring.model.calls[number].inputs
        state, gradient = self.signals.forward[Tensor(number)], self.signals.backward.get(Tensor(number))
        before = self.signals.forward.get(inputs[0]) if inputs else None
        known = state.certainty != "unknown"
        return {
            "certainty": str(state.certainty),
            "mean": state.mean if known else None,
            "std": state.std if known else None,
            "rms": state.rms if known else None,
            "input_std": state.input_std if known else None,
            "gain": state.rms / before.rms if known and before and before.rms > 0 else None,
            "gradient": gradient.norm if gradient else None,
            "gradient_certainty": str(gradient.certainty) if gradient else "unknown",
        }

    def prospects(self) -> Iterator[dict[str, Any]]:
        """The rows of `prospect`: none of an exported model, as it is for running."""
        if self.exported:
            return
        from archlint.analyses.prospect import prospects  # here: it needs numpy

        steps = adaptive(self.wiring.model.training)
        yield from map(asdict, prospects(self.wiring, self.flow, self.signals, self.predict, adaptive=steps))


def adaptive(training: Training | None) -> bool:
    """Whether the optimizer scales its steps by itself, as all but plain SGD do; so if it is not known."""
    return training is None or training.optimizer is None or training.optimizer.name != "sgd"
