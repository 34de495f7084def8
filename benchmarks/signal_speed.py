"""How long the signal of a model takes to predict, against building the same model in Keras and running it once.

    python benchmarks/signal_speed.py [--alone]

Both work from the same file in `fixtures/applications`, in one run. `first` is the prediction for the first model of a
process, which also fills the tables of integrals; `then` the median of five more. Keras builds the layers and runs one
sample forward and backward, for one initialization; --alone leaves it out. Needs the extra `test`.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from statistics import median
from typing import Any

from archlint.analyses.shapes import infer
from archlint.analyses.signal import predict
from archlint.analyses.wiring import wire
from archlint.readers import open_model

APPLICATIONS = Path(__file__).parents[1] / "fixtures" / "applications"
NAMES = ("VGG16", "ResNet50", "DenseNet121", "EfficientNetB4", "InceptionResNetV2", "NASNetLarge")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alone", action="store_true", help="leave Keras out")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:  # in a process of its own, so that the first prediction is a first one
        print(json.dumps(_predicted(asked.one)))
        return
    print("| model | layers | prediction: first, then | each layer | Keras: build and run | ratio |")
    print("|---|---|---|---|---|---|")
    for name in NAMES:
        print(_row(name, asked.alone), flush=True)


def _row(name: str, alone: bool) -> str:
    command = [sys.executable, __file__, "--one", name]
    layers, first, then = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    ours = f"| {name} | {layers:,} | {first:.3f} s, {then:.3f} s | {1e6 * then / layers:.0f} µs |"
    if alone:
        return f"{ours} – | – |"
    theirs = _run_in_keras(name)
    return f"{ours} {theirs:.2f} s | {theirs / then:.0f}x less |"


def _predicted(name: str) -> tuple[int, float, float]:
    """Layers, seconds of the first prediction, and median seconds of five more."""
    with open_model(APPLICATIONS / f"{name}.keras") as model:
        wiring, shapes = wire(model), infer(model)
        seconds = []
        for _ in range(6):
            start = time.perf_counter()
            predict(wiring, shapes, measured={}, trained=False)
            seconds.append(time.perf_counter() - start)
        return len(model.layers), seconds[0], median(seconds[1:])


def _run_in_keras(name: str) -> float:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import tensorflow as tf

    with zipfile.ZipFile(APPLICATIONS / f"{name}.keras") as archive:
        config = json.loads(archive.read("config.json"))
    start = time.perf_counter()
    model: Any = keras.saving.deserialize_keras_object(config)
    with tf.GradientTape() as tape:
        values = tf.random.normal((1, *model.input_shape[1:]))
        tape.watch(values)
        loss = tf.reduce_sum(model(values, training=True))
    tape.gradient(loss, values)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
