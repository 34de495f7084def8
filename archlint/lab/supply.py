"""Training data from a function of the user's own: `--data package.module:function`.

It is the only code of others that archlint ever runs, only where that was asked for, and in a process of its own, from
the current directory and with the user's environment: data may lie anywhere. What the function returns is written as
.npz. From there on it is a file like any other, which the check and the lab read.
"""

import os
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from archlint.dataset.arrays import read
from archlint.dataset.memory import write
from archlint.errors import UsageError

_WANTED = "it must return x and y, or a dict of x, y and, if there are, x_val, y_val and groups"


# The parent


def supply(named: str, folder: Path) -> Path:
    """The file in `folder` with what a function returns; it is called as the function is: `package.module.function`.

    Raises:
        UsageError: the function is not there, fails, or returns what is no data; one sentence says which.
    """
    path = folder / named.replace(":", ".")
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "archlint.lab.supply", named, str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        check=False,
    )
    if fault := ran.stdout.decode("utf-8", "replace"):
        raise UsageError(f"--data {named}: {fault}")
    if ran.returncode:
        raise UsageError(f"--data {named}: its process ended with the code {ran.returncode} before it returned")
    return path


def _environment() -> dict[str, str]:
    package = str(Path(__file__).parents[2])
    found = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": found, "PYTHONDONTWRITEBYTECODE": "1"}


# The child


def main() -> None:
    """Runs the function that the first argument names, and writes what it returns to the path that is the second.

    Standard output is for what went wrong, in one sentence; what the user's code prints goes to standard error.
    """
    named, path = sys.argv[1:]
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        try:
            _write(arrays_of(_returned(named)), Path(path))
        except UsageError as error:
            out.write(str(error))


def _returned(named: str) -> Any:
    """What the function returns; whatever its code raises, it is a sentence."""
    name, _, function = named.partition(":")
    sys.path.insert(0, str(Path.cwd()))  # as `python -m` has it, but behind all that archlint imports itself
    try:
        module = import_module(name)
    except (Exception, SystemExit) as error:
        raise UsageError(f"importing {name} raised {_said(error)}") from error
    found = getattr(module, function, None)
    if not callable(found):
        raise UsageError(f"{name} has no function {function}")
    try:
        return found()
    except (Exception, SystemExit) as error:
        raise UsageError(f"{function} raised {_said(error)}{_line(error, module)}") from error


def _said(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")[:300]


def _line(error: BaseException, module: ModuleType) -> str:
    """Where in the user's module it was raised."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == module.__file__]
    return f", in line {lines[-1]} of {Path(str(module.__file__)).name}" if lines else ""


def arrays_of(returned: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays that a function has returned, by the names that they would have in an .npz file.

    Args:
        returned: x and y, or a mapping with these and others; each an array, a tuple or list of arrays for several
            inputs or outputs in their order, or a mapping by the names of their layers.

    Raises:
        UsageError: it is something else.
    """
    parts = dict(zip("xy", returned, strict=True)) if isinstance(returned, tuple) and len(returned) == 2 else returned
    if not isinstance(parts, Mapping):
        raise UsageError(f"it returned {_kind(returned)}; {_WANTED}")
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for role, value in parts.items():
        for name, array in _named(str(role), value):
            if name in arrays:
                raise UsageError(f"it returned two arrays for {name}; {_WANTED}")
            arrays[name] = _array(name, array)
    return arrays


def _named(role: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        if role not in ("x", "y"):
            raise UsageError(f"{role} cannot go by names of layers; give tuples, in the order of inputs and outputs")
        yield from ((str(name), array) for name, array in value.items())
    elif isinstance(value, tuple) or (isinstance(value, list) and value and all(map(_is_array, value))):
        yield from ((f"{role}_{place}", array) for place, array in enumerate(value))
    elif value is not None:  # no groups, no x_val
        yield role, value


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape")


def _array(name: str, value: Any) -> np.ndarray[Any, Any]:
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:  # rows of different lengths, tensors of another device
        raise UsageError(f"{name} is no array: {_said(error)}") from error
    if array.dtype.hasobject:
        raise UsageError(f"{name} holds Python objects, and no numbers")
    return array


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"{len(value)} values"
    return "nothing" if value is None else f"a {type(value).__name__}"


def _write(arrays: Mapping[str, np.ndarray[Any, Any]], path: Path) -> None:
    """Write them, and see that they can be read as data."""
    write(path, arrays)
    with path.open("rb") as file, np.errstate(over="ignore", invalid="ignore"):
        read(path.name, file, ())


if __name__ == "__main__":
    main()
