"""How fast the stored weights are weighed, against NumPy's own single pass over the same numbers, in one run.

    python benchmarks/weights.py [--layers N] [--times N]

Prints a table: gigabytes per second of one core (processor time, with the files in the page cache) and the peak memory
of the process. Needs the extra `test`; the files, 64 MiB a layer, are written into a temporary folder first.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

WIDTH = 4096

WRITE = """
import sys, keras
import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

folder, width, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random = np.random.default_rng(0)
kernels = [random.standard_normal((width, width), dtype=np.float32) / np.float32(64) for _ in range(count)]
with open(folder + "/dense.raw", "wb") as file:
    for kernel in kernels:
        kernel.tofile(file)

layers = [keras.layers.Dense(width, use_bias=False, kernel_initializer="zeros") for _ in kernels]
model = keras.Sequential([keras.Input((width,)), *layers])
for layer, kernel in zip(layers, kernels):
    layer.set_weights([kernel])
model.save(folder + "/dense.h5")
model.save(folder + "/dense.keras")

nodes = [helper.make_node("MatMul", [f"x{at}", f"w{at}"], [f"x{at + 1}"]) for at in range(count)]
ends = [helper.make_tensor_value_info(f"x{end}", TensorProto.FLOAT, ["N", width]) for end in (0, count)]
stored = [numpy_helper.from_array(kernel, f"w{at}") for at, kernel in enumerate(kernels)]
graph = helper.make_graph(nodes, "dense", ends[:1], ends[1:], stored)
save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), folder + "/dense.onnx")
"""


def numpy_pass(path: Path) -> Iterator[int]:
    """Sum and greatest magnitude, 64 MiB at a time: what anybody would write, of the numbers in a raw file."""
    import numpy as np

    for start in range(0, path.stat().st_size, 4 * WIDTH**2):
        array = np.fromfile(path, np.float32, WIDTH**2, offset=start)
        array.sum(), np.abs(array).max()
        yield array.nbytes


def archlint_pass(path: Path) -> Iterator[int]:
    """All statistics, tests and digests."""
    from archlint.analyses.weighing import weigh
    from archlint.readers import open_model

    with open_model(path) as model:
        stored = model.stored()
        weigh(model, stored)
        yield sum(weight.nbytes for weight in stored)


PASSES: dict[str, Callable[[Path], Iterator[int]]] = {"numpy": numpy_pass, "archlint": archlint_pass}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=16, help="layers of 64 MiB")
    parser.add_argument("--times", type=int, default=3, help="counted runs of each")
    parser.add_argument("--pass", nargs=2, dest="one", metavar=("WHICH", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        _measure(options.one[0], Path(options.one[1]))
        return
    print("| pass | file | speed | memory |")
    print("|---|---|---|---|")
    with TemporaryDirectory() as folder:
        # In a process of its own: a measured process starts as a copy of this one, and its peak memory counts the copy.
        write = [sys.executable, "-c", WRITE, folder, str(WIDTH), str(options.layers)]
        subprocess.run(write, check=True, stderr=subprocess.DEVNULL)
        for row in _rows(Path(folder), options.times):
            print(row, flush=True)


def _measure(which: str, path: Path) -> None:
    """In a process of its own: print bytes, seconds of processor time and peak memory."""
    sum(PASSES[which](path))  # imports, and what is slow only once, are not counted
    start = time.process_time()
    count = sum(PASSES[which](path))
    seconds = time.process_time() - start
    print(count, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _rows(folder: Path, times: int) -> Iterator[str]:
    """All passes in turn, so that they see the same machine; a first round is not counted."""
    passes = [("numpy", "dense.raw"), *(("archlint", f"dense{suffix}") for suffix in (".h5", ".keras", ".onnx"))]
    rounds = [[_run(which, folder / name) for which, name in passes] for _ in range(times + 1)][1:]
    for (which, name), runs in zip(passes, zip(*rounds, strict=True), strict=True):
        speed, peak = median(speed for speed, _ in runs), median(peak for _, peak in runs)
        yield f"| {which} | {name} | {speed:.1f} GB/s | {peak:,.0f} MB |"


def _run(which: str, path: Path) -> tuple[float, float]:
    command = [sys.executable, __file__, "--pass", which, str(path)]
    one_core = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    count, seconds, peak = map(float, subprocess.check_output(command, env=one_core, text=True).split())
    return count / 1e9 / seconds, peak


if __name__ == "__main__":
    main()
