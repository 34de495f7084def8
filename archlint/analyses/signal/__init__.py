"""How strong activations and gradients are at every layer when training begins, predicted without running anything.

Expectations over initializations and data, in the limit of wide layers: He et al. 2015; Poole et al. 2016; Schoenholz
et al. 2017; Yang & Schoenholz 2017 for residual nets, Yang et al. 2019 for batch norms. Inputs are taken to be
standardized, and independent from sample to sample and from place to place; batches to have 32 samples.
"""

from collections.abc import Mapping

from archlint.analyses.signal.backward import backward
from archlint.analyses.signal.forward import Forward
from archlint.analyses.signal.kernels import Measured
from archlint.analyses.signal.signals import Changes, Signals
from archlint.analyses.signal.state import Certainty, Gradient, State
from archlint.analyses.wiring import Wiring
from archlint.graph import Shape, Tensor

__all__ = ["Certainty", "Changes", "Gradient", "Measured", "Signals", "State", "predict"]


def predict(
    wiring: Wiring,
    shapes: Mapping[Tensor, Shape],
    *,
    measured: Measured | None = None,
    trained: bool = False,
    changes: Changes | None = None,
) -> Signals:
    """What is to be expected of every tensor of a model when training begins.

    `measured` are mean and standard deviation of stored weights, which count more than the initializers that the file
    declares. `trained`: the stored weights are no longer as they were drawn, so that what they make is only `partial`.
    """
    found, ways = Forward(wiring, shapes, measured or {}, trained, changes or Changes()).run()
    backward(wiring, shapes, found, ways)
    return found
