"""What is predicted of the signal in front of each layer, for the lab to measure."""

from collections.abc import Mapping

from archlint.evidence import Evidence, Reading
from archlint.facts.rows import Study
from archlint.graph import Model
from archlint.lab.arms import Expected, Strength


def expected(model: Model, names: Mapping[str, str]) -> dict[str, Expected]:
    """How strong what each layer receives should be before training, as in `archlint show --signal`.

    Args:
        model: as it is, or with a remedy.
        names: those that its layers have in Keras, by path.
    """
    signals = Study(model, Evidence(weights=Reading.never)).prediction.signals
    found: dict[str, Expected] = {}
    for call in model.calls:
        path = model.layers[call.layer].name
        name = names[path]
        if call.inputs and name not in found:  # of a layer that is called several times, the first call
            state, gradient = signals.forward.get(call.inputs[0]), signals.backward.get(call.inputs[0])
            known = state is not None and state.certainty != "unknown"
            spread = state.input_std if state and known else None
            found[name] = Expected(path, Strength(spread, gradient.norm if gradient else None))
    return found
