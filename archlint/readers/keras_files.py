"""The two containers Keras writes: HDF5 (`.h5`) and a zip archive (`.keras`)."""

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from archlint.errors import ReadError
from archlint.graph import Model
from archlint.limits import JSON_BYTES
from archlint.readers import strict_json
from archlint.readers.files import OpenFile
from archlint.readers.keras import from_attributes
from archlint.readers.strict_json import Json
from archlint.readers.zip_directory import members

if TYPE_CHECKING:
    from archlint.readers.hdf5 import Dataset, Hdf5

_TEXTS = ("config.json", "metadata.json")
_WEIGHTS, _OTHER_WEIGHTS = "model.weights.h5", "model.weights.npz"
_NOT_READ = f"its weights are in {_OTHER_WEIGHTS}, which archlint does not read; save the model again"
_WEIGHTS_ONLY = (
    "it holds weights only, no architecture, so there is nothing to judge; "
    "save the whole model with model.save('name.keras')"
)


def read_h5(file: OpenFile) -> Model:
    """Read a whole model from HDF5.

    Raises:
        ReadError: the file is damaged, holds weights only, or is no Keras model.
    """
    from archlint.readers.hdf5 import open_hdf5  # numpy comes with it, which a .keras file does not need

    hdf5 = open_hdf5(file)
    config = hdf5.attribute("model_config")
    if config is None:
        raise ReadError(_without_config(hdf5))

    attributes: dict[str, Json] = {"model_config": strict_json.loads(config, "model_config")}
    compiled = hdf5.attribute("training_config")
    if compiled is not None:
        attributes["training_config"] = strict_json.loads(compiled, "training_config")
    attributes["keras_version"] = _text(hdf5.attribute("keras_version"))
    return from_attributes(attributes, "keras_h5", hdf5.datasets, hdf5)


def read_keras(file: OpenFile) -> Model:
    """Read a whole model from a `.keras` archive.

    Raises:
        ReadError: the archive is damaged, or no Keras model.
    """
    with _unzipping():
        listed = members(file, (*_TEXTS, _WEIGHTS, _OTHER_WEIGHTS))
        texts = _texts(file, listed)
    if "config.json" not in texts:
        raise ReadError("it is a zip archive, but no Keras model: it has no config.json; give a .keras file")
    config, metadata = texts["config.json"], texts.get("metadata.json")
    weights = [member for member in listed if member.filename.lower() == _WEIGHTS]
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    compiled = config.get("compile_config") if isinstance(config, dict) else None
    attributes = {"model_config": config, "training_config": compiled, "keras_version": version, "metadata": metadata}
    if not _has_other_weights(listed):
        return from_attributes(attributes, "keras_zip", lambda: _datasets(file, weights))
    model = from_attributes(attributes, "keras_zip")
    return replace(model, absent={**model.absent, "weight.layer": _NOT_READ})


def _has_other_weights(listed: Iterable[zipfile.ZipInfo]) -> bool:
    """Whether Keras takes the weights from the other file: it does if none has the very name of the first."""
    names = {member.filename for member in listed}
    return _WEIGHTS not in names and _OTHER_WEIGHTS in map(str.lower, names)


@contextmanager
def _unzipping() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ReadError(
            f"it begins as a zip archive, but is damaged or cut short ({error}); save or download it again"
        ) from error


def _datasets(file: OpenFile, weights: list[zipfile.ZipInfo]) -> "list[Dataset]":
    """The datasets of the HDF5 file in an archive, which has none if the model was never built."""
    from archlint.readers.archives import open_member
    from archlint.readers.hdf5 import open_hdf5

    files = [open_hdf5(open_member(file, member)) for member in weights if member.file_size]
    return [dataset for hdf5 in files for dataset in hdf5.datasets()]


def _texts(file: OpenFile, listed: list[zipfile.ZipInfo]) -> dict[str, Json]:
    """What the JSON files in the archive say, by name; never more bytes of one than the limit are unpacked."""
    found: dict[str, Json] = {}
    with zipfile.ZipFile(file) as archive:
        for member in listed:
            name = member.filename.lower()  # some systems take CONFIG.JSON for the same file
            if name not in _TEXTS:
                continue
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ReadError(f"its {name} is packed in a way that Keras never uses; save the model again")
            with archive.open(member) as content:
                data = content.read(JSON_BYTES + 1)
            if len(data) != member.file_size and len(data) <= JSON_BYTES:
                raise ReadError(f"its {name} is shorter than its archive says; save or download it again")
            found[name] = strict_json.loads(data, name)
    return found


def _without_config(hdf5: "Hdf5") -> str:
    if any(map(hdf5.has_attribute, ("keras_version", "layer_names"))) or "model_weights" in hdf5.names():
        return _WEIGHTS_ONLY
    if any("vars" in path.split("/") for path in hdf5.paths()):  # Keras 3, also of a subclassed model
        return _WEIGHTS_ONLY
    return "it is an HDF5 file, but no Keras model (no model_config attribute); give a model saved with model.save()"


def _text(value: bytes | str | None) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
