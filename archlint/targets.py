"""What `--target` names: the runtime that a model is meant for, and the columns of a table that it is to learn."""

from collections.abc import Sequence
from enum import StrEnum

from archlint.errors import UsageError


class Target(StrEnum):
    """A runtime that `--target` can name; the rules about a runtime speak only of the one that is named."""

    onnxruntime = "onnxruntime"
    tensorrt = "tensorrt"
    coreml = "coreml"
    nnapi = "nnapi"


def told_apart(names: Sequence[str], *, data: bool) -> tuple[Target | None, tuple[str, ...]]:
    """The runtime among the names, and the others, which are columns of the data.

    Raises:
        UsageError: there are two runtimes, or a column without data.
    """
    runtimes = [Target(name) for name in dict.fromkeys(names) if name in [*Target]]
    columns = tuple(name for name in names if name not in runtimes)
    if len(runtimes) > 1:
        raise UsageError(f"--target names {' and '.join(runtimes)}; check the model for one runtime at a time")
    if columns and not data:
        raise UsageError(
            f"--target {columns[0]} is no runtime; there are {', '.join(Target)}; "
            "to name the column that a model learns, give its table with --data"
        )
    return (runtimes[0] if runtimes else None), columns
