"""What the file around a model says, apart from the model: other formats in it, links out of it, names of members."""

from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

from archlint.errors import ReadError
from archlint.graph import Concern
from archlint.limits import DIGEST_DIGITS
from archlint.readers.files import OpenFile, Source
from archlint.readers.gate import HDF5_SIGNATURE
from archlint.readers.protobuf import is_onnx

if TYPE_CHECKING:
    from zipfile import ZipInfo

_ENDINGS = {".h5": "hdf5", ".hdf5": "hdf5", ".keras": "zip", ".onnx": "onnx"}
_CALLED = {"hdf5": "an HDF5 file", "zip": "a .keras archive", "onnx": "an ONNX model"}

_END_OF_ARCHIVE = b"PK\5\6"
_END_BYTES = 2**16 + 22  # an archive ends with a record of 22 bytes and a comment of 64 KiB at most
_FIRST_BLOCK = 512  # an HDF5 file may begin there or at any doubling: format specification, section II.A

_LINK = 0xA000  # S_IFLNK, in the upper half of a member's attributes


def refuse_two_models(file: OpenFile, kind: str) -> None:
    """Raise ReadError for a file that is a model in two formats: Keras goes by its name, archlint by its beginning."""
    other = "zip" if kind != "zip" and _ends_as_archive(file) else None
    if kind != "hdf5" and _holds_hdf5_model(file):
        other = "hdf5"
    if kind == "hdf5" and not file.head.startswith(HDF5_SIGNATURE) and _begins_as_onnx(file):
        other = "onnx"
    if other:
        raise ReadError(
            f"it is {_CALLED[kind]} and {_CALLED[other]} at once, so readers would disagree; it was not read"
        )


def _ends_as_archive(file: OpenFile) -> bool:
    if _END_OF_ARCHIVE not in file.pread(_END_BYTES, max(0, file.size - _END_BYTES)):
        return False
    try:
        return bool(_listed(file))
    except ReadError:  # its directory is too long to be read, but it has one
        return True


def _listed(file: OpenFile) -> "list[ZipInfo]":
    """The members of the archive that a file ends as; none if it does not."""
    import zipfile  # a file without an archive needs none of it

    try:
        with zipfile.ZipFile(file.part(0, file.size)) as archive:
            return archive.infolist()
    # whatever zipfile raises at bytes that are no directory: no reader takes them for an archive either
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError, ValueError):
        return []


def _begins_as_onnx(file: OpenFile) -> bool:
    try:
        return is_onnx(file)
    except ReadError:  # it has no graph, but begins as a model
        return True


def _holds_hdf5_model(file: OpenFile) -> bool:
    """Whether an HDF5 file begins where its readers look for one. Weights may do so by chance, a model does not."""
    start = _FIRST_BLOCK
    while start < file.size:
        if file.pread(len(HDF5_SIGNATURE), start) == HDF5_SIGNATURE and _has_model(file.part(start, file.size)):
            return True
        start *= 2
    return False


def _has_model(source: Source) -> bool:
    from archlint.readers.hdf5 import open_hdf5

    try:
        return open_hdf5(source).has_attribute("model_config")
    except ReadError:
        return True


def concerns(file: OpenFile, kind: str) -> Iterator[Concern]:
    """What those who load the file have to trust, apart from its configuration."""
    suffix = file.path.suffix.lower()
    if _ENDINGS.get(suffix, kind) != kind:
        yield _concern("ambiguous", "ending", file.path.name, f"{_CALLED[kind]} named {suffix}")
    if kind == "hdf5":
        yield from _outside(file, "")
    elif kind == "zip":
        yield from _members(file)


def _members(file: OpenFile) -> Iterator[Concern]:
    from archlint.readers.archives import open_member
    from archlint.readers.pickles import content_digest, unpickled

    for member in _listed(file):
        kind = "path" if (member.external_attr >> 16) & 0xF000 == _LINK else "member"
        yield _concern("name", kind, member.filename, member.filename)
        if member.filename.lower().endswith(".h5") and member.file_size:
            yield from _outside(open_member(file, member), f"{member.filename}:")
        if member.filename.lower().endswith(".npz") and unpickled(content := open_member(file, member)):
            digest = content_digest(content)
            yield Concern("code", "pickle", member.filename, "pickle", digest, None, member.file_size)


def _outside(source: Source, prefix: str) -> Iterator[Concern]:
    from archlint.readers.hdf5 import open_hdf5

    for kind, path, found in open_hdf5(source).links_out():
        yield _concern("outside", kind, f"{prefix}{path}", found)


def _concern(category: str, kind: str, route: str, found: str) -> Concern:
    digest = sha256(f"{kind} {found}".encode("utf-8", "backslashreplace")).hexdigest()[:DIGEST_DIGITS]
    return Concern(category, kind, route, found, digest)
