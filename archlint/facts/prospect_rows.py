"""The rows of the table `prospect`."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archlint.facts.rows import Study


def rows(study: "Study") -> Iterator[dict[str, Any]]:
    """How well the model can start to learn; nothing of an exported one."""
    if study.model.exchange is not None:  # it is for running, and how its kernels were drawn is not in the file
        return
    from archlint.analyses.prospect import prospects  # here: it needs numpy

    yield from map(asdict, prospects(study.wiring, study.flow, study.signals, study.predict, adaptive=adaptive(study)))


def adaptive(study: "Study") -> bool:
    """Whether the optimizer scales its steps by itself, as all but plain SGD do; so if it is not known."""
    training = study.model.training
    return training is None or training.optimizer is None or training.optimizer.name != "sgd"
