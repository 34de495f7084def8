"""Alpha dropout in the place of plain dropout."""

from dataclasses import replace

from archlint.graph import DROPOUTS, Model
from archlint.remedies.case import Case, RemedyError
from archlint.remedies.defaults import ALPHA_DROPOUT_RATE
from archlint.remedies.surgery import Draft


def alpha_dropout(model: Model, case: Case) -> Model:
    """Makes the dropout layer that the finding names alpha dropout, at its own rate or the highest useful one."""
    layer, draft = case.layer(model), Draft(model)
    if layer.kind not in DROPOUTS:
        raise RemedyError(f"{layer.name} is no dropout layer")
    settings = {key: value for key, value in layer.args.items() if key in ("dtype", "seed")}
    rate = min(layer.args.get("rate", ALPHA_DROPOUT_RATE), ALPHA_DROPOUT_RATE)
    draft.replace(replace(layer, kind="alpha_dropout", class_name="AlphaDropout", args={**settings, "rate": rate}))
    return draft.finished()
