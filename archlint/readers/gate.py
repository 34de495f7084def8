"""The gate: every file is judged by its content before a parser sees it."""

from archlint.errors import ReadError
from archlint.readers.files import OpenFile
from archlint.readers.protobuf import is_onnx, other_kind

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
HDF5_USER_BLOCKS = (0, 512, 1024, 2048, 4096)  # HDF5 file format specification, section II.A: 0, 512 and doubling


def sniff(file: OpenFile) -> str:
    """`hdf5`, `zip` or `onnx`, from the content; raise `ReadError` that says what it is instead, and the way out."""
    head = file.head
    if any(head[start : start + len(HDF5_SIGNATURE)] == HDF5_SIGNATURE for start in HDF5_USER_BLOCKS):
        return "hdf5"
    if head.startswith(b"PK\x03\x04") and b"/data.pkl" not in head[:300]:
        return "zip"
    sentence = _other_kind(file)
    if sentence is None and is_onnx(file):  # last, as protobuf has no signature
        return "onnx"
    raise ReadError(sentence or other_kind(file) or _unknown(file))


def _unknown(file: OpenFile) -> str:
    if file.path.suffix == ".onnx":
        return "it is named .onnx, but does not begin as an ONNX model; download or export it again"
    return "it is neither HDF5 (.h5), nor a .keras archive, nor ONNX; give a model saved by Keras or exported to .onnx"


def _other_kind(file: OpenFile) -> str | None:
    head = file.head
    start = head.lstrip()[:200].lower()
    kinds = (
        (not head, "it is empty; save or download the model again"),
        (
            head.startswith(b"version https://git-lfs"),
            "it is a Git LFS pointer, not the model itself; run `git lfs pull` (in CI: checkout with `lfs: true`)",
        ),
        (
            start.startswith((b"<!doctype", b"<html", b"<?xml")),
            "it is a web page, not a model: the download brought an error or log-in page; download the file itself",
        ),
        (
            head.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")),
            "it is a Python pickle, which archlint never opens; "
            "save the model with model.save('name.keras') or torch.onnx.export()",
        ),
        (
            head.startswith(b"PK\x03\x04"),
            "it is a PyTorch checkpoint, which archlint never opens; export the model with torch.onnx.export()",
        ),
        (head.startswith(b"\x1f\x8b"), "it is gzip-compressed; unpack it first (gunzip)"),
        (head[257:262] == b"ustar", "it is a tar archive; unpack it first and check the model file inside"),
        (
            not head.startswith(b"\x08") and (b"ir_version" in start or b'"irversion"' in start),
            "it is an ONNX model as text; save it as onnx.save(onnx.load(path, format), 'name.onnx') does",
        ),
        (head[4:8] == b"ORTM", "it is ONNX Runtime's own format (.ort); check the .onnx model that it was made from"),
        (head.startswith(b"ftrt"), "it is a TensorRT engine; check the .onnx model that it was built from"),
        (
            head[8:10] == b'{"',
            "it holds weights only (safetensors), no architecture, so there is nothing to judge; save the whole model",
        ),
        (
            start.startswith(b"{"),
            "it is JSON: a configuration without a file around it; save the model with model.save('name.keras')",
        ),
        (head.startswith(b"CDF"), "it is a NetCDF file, not a Keras model; give a model saved by Keras"),
        (
            b"TFL3" in head[4:8],
            "it is a TensorFlow Lite model, which archlint does not read; check the Keras model it came from",
        ),
    )
    for found, sentence in kinds:
        if found:
            return sentence
    return None
