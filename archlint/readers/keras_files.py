"""The two containers Keras writes: HDF5 (`.h5`) and a zip archive (`.keras`)."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from archlint.errors import ReadError
from archlint.graph import Model
from archlint.limits import JSON_BYTES, ZIP_MEMBERS
from archlint.readers import strict_json
from archlint.readers.files import OpenFile
from archlint.readers.keras import from_attributes
from archlint.readers.strict_json import Json

if TYPE_CHECKING:
    from archlint.readers.hdf5 import Dataset, Hdf5

_WEIGHTS = "model.weights.h5"
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
    return from_attributes(attributes, "keras_h5", hdf5.datasets)


def read_keras(file: OpenFile) -> Model:
    """Read a whole model from a `.keras` archive.

    Raises:
        ReadError: the archive is damaged, or no Keras model.
    """
    with _unzipping(), zipfile.ZipFile(file) as archive:
        members = _json_members(archive)
        weights = [member for member in archive.infolist() if member.filename.lower() == _WEIGHTS]
    if "config.json" not in members:
        raise ReadError("it is a zip archive, but no Keras model: it has no config.json; give a .keras file")
    config, metadata = members["config.json"], members.get("metadata.json")
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    compiled = config.get("compile_config") if isinstance(config, dict) else None
    attributes = {"model_config": config, "training_config": compiled, "keras_version": version}
    return from_attributes(attributes, "keras_zip", lambda: _datasets(file, weights))


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

    if len(weights) > 1:
        raise ReadError(f"its archive has {_WEIGHTS} twice, so readers would disagree; it was not read")
    files = [open_hdf5(open_member(file, member)) for member in weights if member.file_size]
    return [dataset for hdf5 in files for dataset in hdf5.datasets()]


def _json_members(archive: zipfile.ZipFile) -> dict[str, Json]:
    """What the JSON files in the archive say, by name; never more bytes of one than the limit are unpacked."""
    members = archive.infolist()
    if len(members) > ZIP_MEMBERS:
        raise ReadError(f"its archive has {len(members):,} members, more than any honest model; it was not read")
    found: dict[str, Json] = {}
    for member in members:
        name = member.filename.lower()  # some systems take CONFIG.JSON for the same file
        if name not in ("config.json", "metadata.json"):
            continue
        if name in found:
            raise ReadError(f"its archive has {name} twice, so readers would disagree; it was not read")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ReadError(f"its {name} is packed in a way that Keras never uses; save the model again")
        with archive.open(member) as content:
            found[name] = strict_json.loads(content.read(JSON_BYTES + 1), name)
    return found


def _without_config(hdf5: "Hdf5") -> str:
    if any(map(hdf5.has_attribute, ("keras_version", "layer_names"))) or "model_weights" in hdf5.names():
        return _WEIGHTS_ONLY
    if any("vars" in path.split("/") for path in hdf5.paths()):  # Keras 3, also of a subclassed model
        return _WEIGHTS_ONLY
    return "it is an HDF5 file, but no Keras model (no model_config attribute); give a model saved with model.save()"


def _text(value: bytes | str | None) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
