"""The rows of `data`, `feature` and `target`: training data brought together with a model's inputs and outputs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, prod
from typing import TYPE_CHECKING, Any

from archlint.errors import ReadError
from archlint.evidence import NO_DATA
from archlint.graph import Model, Shape, Tensor

if TYPE_CHECKING:
    from archlint.dataset import Dataset, Features, Targets, Values

Row = dict[str, Any]

_NO_TARGETS = "the training data holds no targets (only {held}); save them as y"


@dataclass(frozen=True, slots=True)
class Fit:
    """Training data and whom it is for: the values of each input by its layer, of each output by its number."""

    data: "Dataset"
    inputs: "dict[int, tuple[Values, Shape | None]]"
    outputs: "dict[int, tuple[Values, bool]]"

    def tables(self) -> dict[str, list[Row]]:
        """The rows of the tables that are about data."""
        return {
            "data": [
                {
                    "name": self.data.name,
                    "samples": self.data.samples,
                    "seen": self.data.seen,
                    "validation": self.data.validation,
                    "tabular": self.data.tabular,
                }
            ],
            "feature": [
                row for layer, (values, shape) in self.inputs.items() for row in _features(layer, values, shape)
            ],
            "target": [
                row
                for number, (values, sparse) in self.outputs.items()
                for row in _target(number, values, sparse, self.data.partial)
            ],
        }

    def target_low(self, output: int) -> float | None:
        """The least target of an output; None if it has none."""
        found = self.outputs[output][0].targets if output in self.outputs else None
        return _known(found.low) if found else None


def withheld(found: Fit | None) -> dict[str, str]:
    """The marks in the schema of facts that the data does not give, each with the reason."""
    if found is None:
        return {"data": NO_DATA, "targets": NO_DATA}
    return {} if found.outputs else {"targets": _NO_TARGETS.format(held=found.data.held)}


def fit(model: Model, shapes: dict[Tensor, Shape], data: "Dataset") -> Fit:
    """The data's arrays or columns, each with the input or output that it is for.

    Raises:
        ReadError: there are none for some input or output, or they have another shape than it.
    """
    return Fit(data, _inputs(model, shapes, data), _outputs(model, shapes, data))


def _inputs(model: Model, shapes: dict[Tensor, Shape], data: "Dataset") -> "dict[int, tuple[Values, Shape | None]]":
    read = [(number, call.layer) for number, call in enumerate(model.calls) if model.layers[call.layer].kind == "input"]
    found = {}
    for place, (number, layer) in enumerate(read):
        name, shape = model.layers[layer].name, shapes.get(Tensor(number))
        values = data.inputs.find(name, place, alone=len(read) == 1)
        if values is None:
            raise ReadError(_lacking(data, "input", name, [model.layers[known].name for _, known in read]))
        if shape is not None and not _feeds(values.shape, shape, data.tabular):
            raise ReadError(_mismatch(data, values, f"its input {name} reads {_sizes(shape)}"))
        found[layer] = (values, shape)
    return found


def _outputs(model: Model, shapes: dict[Tensor, Shape], data: "Dataset") -> "dict[int, tuple[Values, bool]]":
    names = [output.name for output in model.outputs]
    given = [data.targets.find(name, number, alone=len(names) == 1) for number, name in enumerate(names)]
    meant = any(given) or data.targets.whole or data.targets.numbered
    found = {}
    for number, (output, values) in enumerate(zip(model.outputs, given, strict=True)):
        if values is None:
            if meant and model.training and model.training.losses[number]:
                raise ReadError(_lacking(data, "output", output.name, names))
            continue
        shape = shapes.get(output.tensor)
        sparse = _sparse(values, shape)
        if sparse is None:
            raise ReadError(_mismatch(data, values, f"its output {output.name} puts out {_sizes(shape or ())}"))
        found[number] = (values, sparse)
    return found


def _feeds(given: Sequence[int], wanted: Shape, tabular: bool) -> bool:
    """Whether samples of this shape can be read; like Keras, a last axis of one may be there or not."""
    if tabular and prod(size or 0 for size in wanted[1:]) == given[1]:
        return True  # training code reshapes the columns of a table to a map
    return any(_matches(variant, wanted) for variant in _variants(given))


def _variants(given: Sequence[int]) -> Iterator[tuple[int, ...]]:
    yield tuple(given)
    yield (*given, 1)
    if len(given) > 1 and given[-1] == 1:
        yield tuple(given[:-1])


def _matches(given: Sequence[int], wanted: Shape) -> bool:
    return len(given) == len(wanted) and all(
        size in (None, own) for own, size in zip(given[1:], wanted[1:], strict=True)
    )


def _sparse(values: "Values", made: Shape | None) -> bool | None:
    """Whether the targets are labels, one for the last axis of the output; None if they do not fit it at all."""
    whole = values.targets is not None and values.targets.whole
    if made is None:
        return whole and (len(values.shape) == 1 or values.shape[-1] == 1)
    if any(_matches(variant, made) for variant in _variants(values.shape)):
        return whole and made[-1] in (1, None) and (len(values.shape) < len(made) or values.shape[-1] == 1)
    labelled = any(_matches(variant, (*made[:-1], 1)) for variant in _variants(values.shape))
    return True if whole and labelled else None


def _features(layer: int, values: "Values", shape: Shape | None) -> Iterator[Row]:
    features = values.features
    if features is None:
        return
    features, names = _arranged(features, values, shape)
    for number, (mean, std) in enumerate(zip(features.mean.tolist(), features.std.tolist(), strict=True)):
        known = bool(features.count[number])
        yield {
            "layer": layer,
            "number": number,
            "name": names[number] if names else None,
            "mean": _known(mean) if known else None,
            "std": _known(std) if known else None,
            "low": _known(float(features.low[number])),
            "high": _known(float(features.high[number])),
            "missing": int(features.missing[number]),
            "whole": bool(features.whole[number]),
        }


def _arranged(features: "Features", values: "Values", shape: Shape | None) -> "tuple[Features, Sequence[str]]":
    """The features by the places of the input's last axis: the columns of a table may be the pixels of a map."""
    last = shape[-1] if shape and len(shape) > len(values.shape) else None
    if last is None or last == features.width:
        return features, values.columns
    return features.folded(last), ()


def _target(output: int, values: "Values", sparse: bool, partial: bool) -> Iterator[Row]:
    targets = values.targets
    if targets is None:
        return
    kind = _kind(targets, values.shape, sparse)
    labels = None if targets.labels is None else len(targets.labels)
    classes = {"labels": labels, "one_hot": int(targets.present.sum())}.get(kind)
    yield {
        "output": output,
        "kind": kind,
        "width": 1 if sparse or len(values.shape) == 1 else values.shape[-1],
        "classes": None if partial else classes,
        "low": _known(targets.low),
        "high": _known(targets.high),
        "missing": targets.missing,
    }


def _kind(targets: "Targets", shape: Sequence[int], sparse: bool) -> str:
    if sparse:
        return "labels"
    if targets.shares and len(shape) > 1 and shape[-1] > 1:
        return "one_hot" if targets.binary else "distribution"
    return "multi_hot" if targets.binary else "real"


def _known(value: float) -> float | None:
    return value if isfinite(value) else None


def _lacking(data: "Dataset", what: str, name: str, names: Sequence[str]) -> str:
    letter = "x" if what == "input" else "y"
    if data.tabular:
        return (
            f"{data.name} has no column for its {what} {name}; for several {what}s ({', '.join(names)}) give a table "
            f"with columns of these names, or an .npz with arrays {letter}_0, {letter}_1, …"
        )
    wanted = letter if len(names) == 1 else f"{letter}_0, {letter}_1, … or {', '.join(names)}"
    return f"{data.name} holds {data.held}, but nothing for its {what} {name}; name the arrays {wanted}"


def _mismatch(data: "Dataset", values: "Values", wanted: str) -> str:
    size = "x".join(map(str, values.shape))
    return (
        f"the training data does not fit it: {values.label} in {data.name} is {size}, samples first, but {wanted}; "
        "give the data that it is trained with"
    )


def _sizes(shape: Shape) -> str:
    return "x".join(("N", *("any" if size is None else str(size) for size in shape[1:])))
