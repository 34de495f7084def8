"""The rows of the table `signal`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from archlint.graph import Tensor

if TYPE_CHECKING:
    from archlint.analyses.signal import Changes, Signals
    from archlint.facts.rows import Study

_LEARNED_FROM_DATA = frozenset({"mean", "variance"})
"""Weights of a `Normalization` layer: they are not initialized, but adapted to data before training."""


def predicted(study: "Study", changes: "Changes | None" = None) -> "Signals":
    """The signal of a model at initialization.

    A Keras file says how weights are drawn, so it does not matter whether it has been trained since; of an ONNX file
    there are only their numbers.
    """
    from archlint.analyses.signal import predict  # here: it needs numpy

    exported = study.model.exchange is not None
    reads = exported or any(layer.kind == "normalization" for layer in study.model.layers)
    measured = study.weights.moments if reads else {}
    if not exported:
        measured = {key: numbers for key, numbers in measured.items() if key[1] in _LEARNED_FROM_DATA}
    trained = exported and study.weights.trained is True
    return predict(study.wiring, study.shapes, measured=measured, trained=trained, changes=changes)


def rows(study: "Study") -> Iterator[dict[str, Any]]:
    """One row for each layer whose output is reached, of its first call."""
    signals = study.signals
    for layer in range(len(study.model.layers)):
        number = study.wiring.calls_of[layer][0]
        inputs = study.model.calls[number].inputs
        state, gradient = signals.forward.get(Tensor(number)), signals.backward.get(Tensor(number))
        if state is None or study.shapes.get(Tensor(number)) is None:
            continue
        before = signals.forward.get(inputs[0]) if inputs else None
        known = state.certainty != "unknown"
        yield {
            "layer": layer,
            "certainty": str(state.certainty),
            "mean": state.mean if known else None,
            "std": state.std if known else None,
            "rms": state.rms if known else None,
            "input_std": state.input_std if known else None,
            "gain": state.rms / before.rms if known and before and before.rms > 0 else None,
            "gradient": gradient.norm if gradient else None,
            "gradient_certainty": str(gradient.certainty) if gradient else "unknown",
            "horizon": signals.horizons.get(layer),
        }
