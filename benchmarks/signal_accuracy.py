"""The predicted signal of architectures of keras.applications against the measured one.

    python benchmarks/signal_accuracy.py [NAME …] [--times N]

Each net is built with random weights for small images, written to a file, predicted from that file, and run forward and
backward from N fresh initializations (`tests/signal_truth.py`). Prints, for each net and for all, the factors between
prediction and measurement over the layers whose prediction is exact. Needs the extra `test`; some ten minutes.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from signal_comparison import Compared, compare  # with what the tests measure
from signal_truth import measured

SIZES = dict.fromkeys(
    "ConvNeXtTiny DenseNet121 EfficientNetB0 EfficientNetV2B0 InceptionV3 MobileNet MobileNetV2 MobileNetV3Small "
    "NASNetMobile ResNet50 ResNet50V2 VGG16 Xception".split(),
    96,
)
"""Pixels along each side."""

COLUMNS = ("rms", "input_std", "gradient")
PROTOTYPE = "prototype | 3,081 | ×1.005, 1.07, 1.38, 2.10 | | ×1.27, 1.94, –, 13.8 | "
"""What the first sketch of the prediction reached on 13 of them."""


class Net(NamedTuple):
    """A net and its layers."""

    name: str
    layers: list[Compared]

    def factors(self, column: str) -> list[float]:
        return [factor for layer in self.layers if (factor := layer.factor(column)) is not None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SIZES)}")
    parser.add_argument("--times", type=int, default=3, help="initializations of each net")
    parser.add_argument("--folder", type=Path, help="keep nets and what was measured there, or take them from there")
    parser.add_argument("--worst", type=int, default=0, help="also print so many of the worst layers of each net")
    asked = parser.parse_args()
    print("| net | layers | RMS: median, p90, p99, max | input-dependent std | gradient | exact |")
    print("|---|---|---|---|---|---|")
    nets = []
    with TemporaryDirectory() as temporary:
        for name in asked.names or SIZES:
            nets.append(Net(name, _compared(name, asked.folder or Path(temporary), asked.times)))
            print(_row(nets[-1]), flush=True)
            for line in _worst(nets[-1], asked.worst):
                print(line, file=sys.stderr)
    print(_row(Net("**all**", [layer for net in nets for layer in net.layers])))
    print(f"| {PROTOTYPE} |")


def _compared(name: str, folder: Path, times: int) -> list[Compared]:
    import keras

    shape = (SIZES[name], SIZES[name], 3)
    path = folder / f"{name}.keras"
    build = partial(getattr(keras.applications, name), weights=None, input_shape=shape)
    return compare(path, measured(path, keras, build, times, samples=16))


def _row(net: Net) -> str:
    exact = [layer.certainty == layer.gradient_certainty == "exact" for layer in net.layers]
    columns = " | ".join(_quantiles(net.factors(column)) for column in COLUMNS)
    return f"| {net.name} | {len(net.layers):,} | {columns} | {np.mean(exact):.0%} |"


def _quantiles(factors: Sequence[float]) -> str:
    if not factors:
        return "–"
    median, high, higher, highest = np.quantile(factors, [0.5, 0.9, 0.99, 1.0])
    return f"×{median:.3f}, {high:.2f}, {higher:.2f}, {highest:.2f}"


def _worst(net: Net, number: int) -> list[str]:
    found: list[tuple[float, str, Any]] = []
    for column in COLUMNS:
        known = [(factor, layer) for layer in net.layers if (factor := layer.factor(column)) is not None]
        ordered = sorted(known, key=lambda pair: pair[0], reverse=True)[:number]
        found += [(factor, column, layer) for factor, layer in ordered]
    return [
        f"    {layer.layer} ({layer.kind}) {column}: predicted {getattr(layer.predicted, column):.3g}, "
        f"measured {getattr(layer.measured, column):.3g}, ×{factor:.2f}"
        for factor, column, layer in found
    ]


if __name__ == "__main__":
    main()
