"""Runs: what is trained with one seed, and the trainers that do it, in whichever process."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from archlint.errors import ArchlintError
from archlint.lab.arms import Arm, Curves, Data, Plan
from archlint.lab.network import NetworkError
from archlint.lab.training import Trainer

KEPT = 3
"""Trainers that are kept ready; each holds a copy of the samples."""

Result = Curves | Exception
"""What a run has shown, or what went wrong."""


@dataclass(frozen=True, slots=True)
class Run:
    """An arm that is to be trained by a plan with a seed. `key` is the same for runs that a trainer can share."""

    key: str
    arm: Arm
    plan: Plan
    seed: int


class Trainers:
    """Arms that are ready to be trained, the last few of them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Trainer] = OrderedDict()

    def ready(self, key: str, arm: Arm, data: Callable[[], Data], plan: Plan) -> Trainer:
        """The one with this key, made if it is not there, on these data.

        Raises:
            NetworkError: Keras cannot build the arm, or not train it on these data.
        """
        if key not in self._kept:
            self._kept[key] = _made(arm, data(), plan)
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]


def _made(arm: Arm, data: Data, plan: Plan) -> Trainer:
    try:
        return Trainer(arm, data, plan)
    except ArchlintError:
        raise
    except Exception as error:  # whatever Keras finds wrong with loss, optimizer and data together
        raise NetworkError(f"Keras cannot train it: {brief(error)}") from error


def brief(error: Exception, length: int = 200) -> str:
    """The first sentence or so of what an error says."""
    said = " ".join(str(error).split())
    return said[:length] or type(error).__name__
