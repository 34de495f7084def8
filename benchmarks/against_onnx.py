"""`archlint check` against loading and checking the same file with onnx, and against opening it in ONNX Runtime.

    python benchmarks/against_onnx.py [--times N]

Prints the table of the README: whole processes, in turns. Needs the extra `dev`, 3 GB of disk and 8 GB of memory: the
models are written into a temporary folder first. Their weights are random; those of the two largest, which are for
archlint alone, are zeros.
"""

import argparse
import math
import sys
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measure import Run, in_turn

COMPARED = {"1 MB": (128, 8), "100 MB": (2048, 6), "1 GB": (4096, 15)}
"""The models by the size of their weights: how wide their dense layers are, and how many."""
EMBEDDED = {"2 GB": (4096, 30)}
EXTERNAL = {"10 GB in another file": (4096, 149)}
LOCATION = "weights.bin"
CHECK = "import onnx, sys; onnx.checker.check_model(onnx.load(sys.argv[1]))"
SESSION = "import onnxruntime, sys; onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="counted runs of each command")
    times = parser.parse_args().times
    print("| weights | archlint check | onnx.load, check_model | onnxruntime session |")
    print("|---|---|---|---|")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        for name, size in (COMPARED | EMBEDDED | EXTERNAL).items():
            _in_own_process(path, *size, random=name in COMPARED, external=name in EXTERNAL)
            commands = [[sys.executable, "-m", "archlint", "check", str(path)]]
            if name in COMPARED:
                commands += [[sys.executable, "-c", code, str(path)] for code in (CHECK, SESSION)]
            print(_row(name, in_turn(commands, times)), flush=True)


def _in_own_process(path: Path, width: int, dense: int, **weights: bool) -> None:
    # A measured process starts as a copy of this one, and its peak memory counts the copy.
    writer = get_context("spawn").Process(target=write, args=(path, width, dense), kwargs=weights)
    writer.start()
    writer.join()
    if writer.exitcode:
        sys.exit("the model could not be written")


class Weights:
    """Tensors of float32: random numbers or zeros, or numbers in another file."""

    def __init__(self, random: bool, external: bool) -> None:
        self.tensors: list[Any] = []
        self.size = 0
        self._random, self._external = random, external

    def add(self, name: str, shape: tuple[int, ...]) -> str:
        """Add a tensor and give back its name."""
        import numpy as np
        from onnx import TensorProto

        length = 4 * math.prod(shape)
        tensor = TensorProto(name=name, dims=shape, data_type=TensorProto.FLOAT)
        if self._external:
            tensor.data_location = TensorProto.EXTERNAL
            for key, entry in {"location": LOCATION, "offset": self.size, "length": length}.items():
                tensor.external_data.add(key=key, value=str(entry))
        elif self._random:
            numbers = np.random.default_rng(len(self.tensors)).standard_normal(shape, np.float32)
            tensor.raw_data = (numbers * np.float32(0.02)).tobytes()
        else:
            tensor.raw_data = bytes(length)
        self.tensors.append(tensor)
        self.size += length
        return name


def _row(name: str, runs: list[Run]) -> str:
    cells = [f"{run.seconds:.2f} s, {run.megabytes:,.0f} MB" for run in runs]
    return f"| {name} | {' | '.join(cells + ['–'] * (3 - len(cells)))} |"


def write(path: Path, width: int, dense: int, random: bool, external: bool) -> None:
    """Write an image classifier: four convolutions, then so many dense layers, each with its ReLU."""
    from onnx import parser, save

    weights = Weights(random, external)
    lines: list[str] = []

    def layer(value: str, operator: str, shape: tuple[int, ...]) -> str:
        name = f"layer{len(lines)}"
        weight, bias = weights.add(f"{name}_weight", shape), weights.add(f"{name}_bias", shape[:1])
        lines.append(f"{name} = {operator} ({value}, {weight}, {bias})")
        lines.append(f"{name}_relu = Relu ({name})")
        return f"{name}_relu"

    value = "image"
    for inputs, filters in pairwise((3, 16, 32, 64, width)):
        value = layer(value, "Conv <strides = [2, 2], pads = [1, 1, 1, 1]>", (filters, inputs, 3, 3))
    lines += [f"pooled = GlobalAveragePool ({value})", "flat = Flatten (pooled)"]
    value = "flat"
    for _ in range(dense):
        value = layer(value, "Gemm <transB = 1>", (width, width))
    model = parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]>'
        f"classifier (float[batch, 3, 224, 224] image) => (float[batch, {width}] {value})"
        f"{{ {' '.join(lines)} }}"
    )
    model.graph.initializer.extend(weights.tensors)
    save(model, path)
    if external:
        with (path.parent / LOCATION).open("wb") as file:
            file.truncate(weights.size)  # a file of holes


if __name__ == "__main__":
    main()
