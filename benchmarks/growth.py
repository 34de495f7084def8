"""How the time for facts and rules grows with the number of layers.

    python benchmarks/growth.py [LAYERS …]

The models are written as `.keras` archives without weights: a residual net of blocks of dense, batch norm, ReLU, dense
and add, and a plain chain of dense, batch norm, ReLU and dropout. Prints seconds for reading, for facts and for rules,
and the microseconds per layer.
"""

import json
import sys
import time
import zipfile
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from archlint.facts import build
from archlint.readers import open_model
from archlint.rules import Rule, load, run

WIDTH = 64


def main(sizes: list[int]) -> None:
    rules = load()
    print("| model | layers | read | facts | rules | all, per layer |")
    print("|---|---|---|---|---|---|")
    with TemporaryDirectory() as folder:
        for name, layers_of in (("residual", _residual), ("chain", _chain)):
            for size in sizes:
                path = Path(folder) / f"{name}-{size}.keras"
                _write(path, layers_of(size))
                print(_row(name, path, rules), flush=True)


def _row(name: str, path: Path, rules: Sequence[Rule]) -> str:
    times = [time.perf_counter()]
    with open_model(path) as model:
        times.append(time.perf_counter())
        with closing(build(model)) as facts:
            times.append(time.perf_counter())
            run(rules, facts.connection, facts.absent)
            times.append(time.perf_counter())
    seconds = " | ".join(f"{later - earlier:.2f} s" for earlier, later in pairwise(times))
    each = 1e6 * (times[-1] - times[0]) / len(model.layers)
    return f"| {name} | {len(model.layers):,} | {seconds} | {each:.0f} µs |"


def _residual(size: int) -> list[dict[str, Any]]:
    layers, before = [_input()], "input"
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
    return layers


def _chain(size: int) -> list[dict[str, Any]]:
    layers, before = [_input()], "input"
    for block in range(max(1, size // 4)):
        dense, norm, relu, drop = (f"{kind}_{block}" for kind in ("dense", "norm", "relu", "drop"))
        layers += [
            _layer(dense, "Dense", {"units": WIDTH, "use_bias": False, "kernel_initializer": "he_normal"}, [before]),
            _layer(norm, "BatchNormalization", {"axis": -1, "momentum": 0.99, "epsilon": 0.001}, [dense]),
            _layer(relu, "Activation", {"activation": "relu"}, [norm]),
            _layer(drop, "Dropout", {"rate": 0.1}, [relu]),
        ]
        before = drop
    return layers


def _write(path: Path, layers: list[dict[str, Any]]) -> None:
    ends = {"input_layers": [["input", 0, 0]], "output_layers": [[layers[-1]["name"], 0, 0]]}
    config = {"name": "generated", "layers": layers, **ends}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("config.json", json.dumps({"class_name": "Functional", "config": config}))


def _input() -> dict[str, Any]:
    return _layer("input", "InputLayer", {"batch_shape": [None, WIDTH], "dtype": "float32"}, [])


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
