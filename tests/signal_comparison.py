"""What archlint predicts of a file's signal, beside what was measured."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from math import inf
from pathlib import Path

from signal_truth import Measured

from archlint.facts import build
from archlint.readers import open_model

_SQL = """
    SELECT layer.name, layer.kind, certainty, gradient_certainty, mean, rms, std, input_std, gradient
    FROM layer LEFT JOIN signal ON signal.layer = layer.id ORDER BY layer.id
"""


@dataclass(frozen=True, slots=True)
class Compared:
    """One layer. `certainty` and `gradient_certainty` are those of the prediction."""

    layer: str
    kind: str
    certainty: str
    gradient_certainty: str
    predicted: Measured
    measured: Measured

    def factor(self, column: str) -> float | None:
        """How far off the prediction is, 1 at best; None where it is not exact, or there is nothing to measure."""
        sure = self.gradient_certainty if column == "gradient" else self.certainty
        predicted, measured = getattr(self.predicted, column), getattr(self.measured, column)
        if sure != "exact" or measured is None:
            return None
        if not predicted or not measured:
            return 1.0 if predicted == measured else inf
        return float(max(predicted / measured, measured / predicted))


def compare(path: Path, measured: Mapping[str, Measured]) -> list[Compared]:
    """Every layer that was measured and that archlint finds in the file, inputs of words or other integers left out."""
    with open_model(path) as model, closing(build(model)) as facts:
        rows = facts.connection.execute(_SQL).fetchall()
    return [
        Compared(name, kind, certainty or "unknown", gradient or "unknown", Measured(*numbers), measured[name])
        for name, kind, certainty, gradient, *numbers in rows
        if name in measured and not (kind == "input" and measured[name].gradient is None)
    ]
