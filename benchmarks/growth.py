"""How the time for facts and rules grows with the number of layers.

    python benchmarks/growth.py [LAYERS …]

The model is a residual net of blocks of dense, batch norm, ReLU, dense and add, written as a `.keras` archive without
weights. Prints seconds for reading, for facts and for rules, and the microseconds per layer.
"""

import json
import sys
import time
import zipfile
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from archlint.facts import absent, build
from archlint.readers import open_model
from archlint.rules import load, run

WIDTH = 64


def main(sizes: list[int]) -> None:
    rules = load()
    print("| layers | read | facts | rules | all, per layer |")
    print("|---|---|---|---|---|")
    with TemporaryDirectory() as folder:
        for size in sizes:
            path = Path(folder) / f"{size}.keras"
            _write(path, size)
            times = [time.perf_counter()]
            with open_model(path) as model:
                times.append(time.perf_counter())
                with closing(build(model)) as facts:
                    times.append(time.perf_counter())
                    run(rules, facts, absent(model, facts))
                    times.append(time.perf_counter())
            read, laid_out, judged = (later - earlier for earlier, later in pairwise(times))
            each = 1e6 * (times[-1] - times[0]) / len(model.layers)
            print(f"| {len(model.layers):,} | {read:.2f} s | {laid_out:.2f} s | {judged:.2f} s | {each:.0f} µs |")


def _write(path: Path, size: int) -> None:
    layers = [_layer("input", "InputLayer", {"batch_shape": [None, WIDTH], "dtype": "float32"}, [])]
    before = "input"
    for block in range(max(1, size // 5)):
        first, norm, relu, second, total = (f"{kind}_{block}" for kind in ("first", "norm", "relu", "second", "total"))
        layers += [
            _layer(first, "Dense", {"units": WIDTH, "use_bias": False, "kernel_initializer": "he_normal"}, [before]),
            _layer(norm, "BatchNormalization", {"axis": -1, "momentum": 0.99, "epsilon": 0.001}, [first]),
            _layer(relu, "Activation", {"activation": "relu"}, [norm]),
            _layer(second, "Dense", {"units": WIDTH, "activation": "linear", "use_bias": True}, [relu]),
            _layer(total, "Add", {}, [before, second]),
        ]
        before = total
    ends = {"input_layers": [["input", 0, 0]], "output_layers": [[before, 0, 0]]}
    config = {"name": "residual", "layers": layers, **ends}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("config.json", json.dumps({"class_name": "Functional", "config": config}))


def _layer(name: str, class_name: str, config: dict[str, Any], inputs: list[str]) -> dict[str, Any]:
    tensors = [
        {"class_name": "__keras_tensor__", "config": {"shape": [None, WIDTH], "keras_history": [source, 0, 0]}}
        for source in inputs
    ]
    args = [tensors] if class_name == "Add" else tensors
    return {
        "class_name": class_name,
        "name": name,
        "config": {"name": name, "trainable": True, **config},
        "inbound_nodes": [{"args": args, "kwargs": {}}] if inputs else [],
    }


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [1_000, 3_000, 10_000])
