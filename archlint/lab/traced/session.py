"""onnxruntime: what becomes of a batch at some places of an ONNX graph. One thread, no file, nothing optimized away."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from archlint.lab.arms import Array
from archlint.lab.traced.trace import ExchangeError

_DTYPES: Mapping[str, str] = {
    "float": "f4",
    "double": "f8",
    "float16": "f2",
    "bool": "?",
    **{f"int{bits}": f"i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"u{bits // 8}" for bits in (8, 16, 32, 64)},
}
"""Types of inputs that can be fed, by what onnxruntime calls their elements."""

_OPEN_AXIS = 16
_REASON = 200
"""Characters that are shown of what onnxruntime says."""

_ABSENT = "to look into an ONNX file, the lab needs onnxruntime: pip install onnxruntime"


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples, by the input that reads them; the graph reads `step` of them at once."""

    arrays: Mapping[str, Array]
    samples: int
    step: int

    def pieces(self) -> Iterator[dict[str, Array]]:
        """What the graph reads at once, one after another; what is no sample (a first state) each time."""
        for start in range(0, self.samples, self.step):
            rows = slice(start, start + self.step)
            yield {name: array[rows] if self._is_sample(array) else array for name, array in self.arrays.items()}

    def _is_sample(self, array: Array) -> bool:
        return array.ndim > 0 and len(array) == self.samples


class Session:
    """A graph that is ready to be run.

    Args:
        data: a ModelProto, with the values to look at among its outputs.
        inputs: the names of what the samples are fed to.

    Raises:
        ExchangeError: onnxruntime is missing, or cannot run it.
    """

    def __init__(self, data: bytes, inputs: Sequence[str]) -> None:
        with _in_a_sentence():
            self._session = _started(data)
            known = {value.name: value for value in self._session.get_inputs()}
            self._forms = [_Form.of(known[name]) for name in inputs]

    def batch(self, samples: int, given: Sequence[Array] | None, indices: Mapping[str, int]) -> Batch:
        """Samples as the graph reads them: the user's, or standardized random ones.

        Args:
            samples: how many at most.
            given: an array for each input, None for random ones.
            indices: how many there are, for inputs that look something up.

        Raises:
            ExchangeError: there are fewer samples than the graph reads at once, or they do not fit.
        """
        step = self._forms[0].fixed if self._forms else None
        many = samples if given is None else min(samples, len(given[0]))
        count = max(1, many // step) * step if step else many
        if given is not None and count > len(given[0]):
            raise ExchangeError(f"the graph reads {count:,} samples at once, and the data hold {len(given[0]):,}")
        with _in_a_sentence():
            arrays = self._noise(count, indices) if given is None else self._drawn(given, count)
        names = (form.name for form in self._forms)
        return Batch(dict(zip(names, arrays, strict=True)), count, step or count)

    def _noise(self, count: int, indices: Mapping[str, int]) -> list[Array]:
        random = np.random.default_rng(0)
        return [form.noise(count, self._forms[0], indices.get(form.name, 2), random) for form in self._forms]

    def _drawn(self, given: Sequence[Array], count: int) -> list[Array]:
        rows = np.random.default_rng(0).permutation(len(given[0]))[:count]
        return [array[rows].astype(form.dtype) for form, array in zip(self._forms, given, strict=True)]

    def values(self, wanted: Sequence[str], batch: Batch, put_in: Mapping[str, Array] | None = None) -> list[Array]:
        """Some values, for all samples.

        Args:
            wanted: the names of inputs or outputs.
            batch: the samples.
            put_in: what goes to further inputs.

        Raises:
            ExchangeError: onnxruntime cannot run it.
        """
        asked = [name for name in dict.fromkeys(wanted) if name not in batch.arrays]
        with _in_a_sentence():
            _module().set_seed(0)
            parts = [self._session.run(asked, {**piece, **(put_in or {})}) for piece in batch.pieces() if asked]
            joined = [np.concatenate([np.atleast_1d(array) for array in arrays]) for arrays in zip(*parts, strict=True)]
        found = {**batch.arrays, **dict(zip(asked, joined, strict=True))}
        return [found[name] for name in wanted]


@dataclass(frozen=True, slots=True)
class _Form:
    """What an input reads: its type, and its axes by size or by name; None is an axis that is open without a name."""

    name: str
    dtype: str
    axes: tuple[int | str | None, ...]

    @classmethod
    def of(cls, value: Any) -> "_Form":
        element = value.type.removeprefix("tensor(").removesuffix(")")
        if element not in _DTYPES:
            raise ExchangeError(f"its input {value.name} takes {value.type}, and the lab feeds numbers")
        return cls(value.name, _DTYPES[element], tuple(value.shape))

    @property
    def fixed(self) -> int | None:
        """How many samples are read at once, if that is settled."""
        first = self.axes[0] if self.axes else None
        return first if isinstance(first, int) and first > 0 else None

    def noise(self, samples: int, leader: "_Form", indices: int, random: np.random.Generator) -> Array:
        """Random numbers, or indices; the axis of samples is the first one of the first input."""
        shape = [self._size(place, axis, samples, leader) for place, axis in enumerate(self.axes)]
        kind = np.dtype(self.dtype).kind
        made = random.normal(size=shape) if kind == "f" else random.integers(indices, size=shape)
        return np.asarray(made).astype(self.dtype)

    def _size(self, place: int, axis: int | str | None, samples: int, leader: "_Form") -> int:
        batch = leader.axes[0] if leader.axes else None
        if (place == 0 and axis is None) or (axis == batch and (place == 0 or isinstance(axis, str))):
            return samples
        return axis if isinstance(axis, int) else _OPEN_AXIS


@cache
def _module() -> Any:
    if find_spec("onnxruntime") is None:
        raise ExchangeError(_ABSENT)
    module = import_module("onnxruntime")
    module.disable_telemetry_events()
    return module


def _started(data: bytes) -> Any:
    module = _module()
    options = module.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = module.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_cpu_mem_arena = options.enable_profiling = False
    options.log_severity_level = 4
    return module.InferenceSession(data, options, providers=["CPUExecutionProvider"], enable_fallback=0)


@contextmanager
def _in_a_sentence() -> Iterator[None]:
    """Whatever onnxruntime says of an operator, a type or a shape becomes one sentence."""
    try:
        yield
    except ExchangeError:
        raise
    except Exception as error:  # its errors have no common class
        said = " ".join(str(error).split())[:_REASON]
        raise ExchangeError(f"onnxruntime cannot run it: {said or type(error).__name__}") from error
