"""Training data in memory: written as .npz for a moment, so that it is looked at exactly as a file is."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.lib import format as npy

from archlint.dataset import arrays as npz
from archlint.dataset.contents import Dataset, listed
from archlint.errors import UsageError


def of_arrays(arrays: Mapping[str, Any]) -> Dataset:
    """What these arrays show; they have the names that they would have in an .npz file.

    Raises:
        UsageError: they are of no use, or no arrays.
    """
    with TemporaryDirectory(prefix="archlint-") as folder:
        file = Path(folder) / "data.npz"
        try:
            write(file, arrays)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UsageError(f"data: not all of {listed([*arrays])} are arrays of numbers ({error})") from error
        return _read(file, f"the arrays {listed([*arrays])}")


def write(file: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays as .npz, whatever their names; ValueError for Python objects, which would have to be pickled."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, np.ascontiguousarray(values), allow_pickle=False)


def _read(file: Path, name: str) -> Dataset:
    try:
        # As in `load`: numbers that are too large to be squared are infinite, and nothing to be warned of.
        with file.open("rb") as content, np.errstate(over="ignore", invalid="ignore"):
            return npz.read(name, content, ())
    except UsageError as error:
        raise UsageError(f"data: {error}") from error
