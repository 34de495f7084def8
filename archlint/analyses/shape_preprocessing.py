"""The output shapes of preprocessing and augmentation layers, which share a kind and differ by class."""

from collections.abc import Callable, Mapping

from archlint.analyses.shape_maps import channels_first
from archlint.graph import Shape
from archlint.shape_terms import UnknownError, Use, items, positive, unknown


def augmentation(use: Use) -> Shape:
    """Random changes keep the shape, but for a crop to a size and for stretching to a random one."""
    if use.layer.class_name in ("RandomHeight", "RandomWidth"):
        raise UnknownError
    return resizing(use) if use.layer.class_name == "RandomCrop" else use.input()


def resizing(use: Use) -> Shape:
    """(batch, h, w, c) → (batch, height, width, c); an unbatched image has three axes."""
    shape = use.input()
    if len(shape) not in (3, 4):
        raise UnknownError
    start = len(shape) - (2 if channels_first(use) else 3)
    return (*shape[:start], positive(use.arg("height")), positive(use.arg("width")), *shape[start + 2 :])


def encoding(use: Use) -> Shape:
    """Integers → an axis of `num_tokens`; the default counts over the last axis."""
    return encoded(use.input(), positive(use.arg("num_tokens")), use.arg("output_mode", "multi_hot"))


def encoded(shape: Shape, depth: int, mode: str) -> Shape:
    """`shape` with its values encoded along an axis of `depth`."""
    if mode == "int":
        return shape
    appended = mode == "one_hot" and (len(shape) < 2 or shape[-1] != 1)
    return (*(shape if appended else shape[:-1]), depth)


def discretization(use: Use) -> Shape:
    """Numbers → the number of the bin that they fall in, encoded."""
    mode, boundaries = use.arg("output_mode", "int"), use.arg("bin_boundaries")
    if mode not in ("int", "one_hot"):
        raise UnknownError
    if mode == "int":
        return use.input()
    depth = use.arg("num_bins") if boundaries is None else len(items(boundaries)) + 1
    return encoded(use.input(), positive(depth), mode)


def hashing(use: Use) -> Shape:
    """Anything → the number of a bin."""
    return use.input() if use.arg("output_mode", "int") == "int" else unknown()


def lookup(use: Use) -> Shape:
    """Words → indices, encoded; the depth is only known where the vocabulary is padded to a maximum."""
    mode = use.arg("output_mode", "int")
    if mode == "int":
        return use.input()
    depth = positive(use.arg("max_tokens")) if use.arg("pad_to_max_tokens", False) else unknown()
    return encoded(use.input(), depth, mode)


def text_vectorization(use: Use) -> Shape:
    """Texts → (batch, output_sequence_length) of indices."""
    if use.arg("output_mode", "int") != "int":
        raise UnknownError
    length = use.arg("output_sequence_length")
    return (use.input()[0], None if length is None else positive(length)) if use.input() else unknown()


PREPROCESSING: Mapping[str, Callable[[Use], Shape]] = {
    "Resizing": resizing,
    "CenterCrop": resizing,
    "CategoryEncoding": encoding,
    "Discretization": discretization,
    "Hashing": hashing,
    "StringLookup": lookup,
    "IntegerLookup": lookup,
    "TextVectorization": text_vectorization,
}


def preprocessing(use: Use) -> Shape:
    """Preprocessing has one kind for many classes."""
    return PREPROCESSING[use.layer.class_name](use) if use.layer.class_name in PREPROCESSING else unknown()
