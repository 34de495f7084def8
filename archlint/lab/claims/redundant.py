"""A bias that a normalization takes out again."""

from typing import Any

from archlint.lab import probes
from archlint.lab.bench import Bench
from archlint.lab.claims.base import Claim, Judged, Work, answer, as_it_is
from archlint.lab.thresholds import REDUNDANT_BIAS
from archlint.lab.trial import Trial
from archlint.lab.verdict import Part

METRIC = "gradient of the bias over that of the kernel"


class RedundantBias(Claim):
    """No gradient reaches the bias: it is dead weight, which does no harm."""

    name = "redundant-bias"
    compares = False

    def work(self, trial: Trial, bench: Bench) -> list[Work]:
        """A gradient takes about three times as long as a look; the network is drawn once for all biases."""
        arm = as_it_is(trial)
        draw, look = bench.look_cost(arm)
        return [Work(f"drawn {bench.key(arm)}", draw), Work(f"bias {trial.info.number}", 3 * look)]

    def judge(self, trial: Trial, bench: Bench) -> Judged:
        """The gradient tells; the change makes the network smaller and nothing else, so that it is not trained."""
        arm = as_it_is(trial)
        model = bench.kept_network(arm)
        layer = inner(model.get_layer(trial.names[trial.info.layer or ""]))
        share = probes.bias_share(model, layer, bench.inputs(model))
        bench.measured(arm, 0, {"share": share})
        mechanism = Part(
            answer=answer(share < REDUNDANT_BIAS, share), metric=METRIC, value=share, threshold=REDUNDANT_BIAS
        )
        return Judged(mechanism=mechanism, numbers={"share": share})


def inner(layer: Any) -> Any:
    """The layer inside of its wrappers."""
    return inner(layer.layer) if hasattr(layer, "layer") else layer
