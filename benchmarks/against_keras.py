"""`archlint check` against loading the same file in Keras, as whole processes in one run.

    python benchmarks/against_keras.py [--times N]

Prints the table of the README. Needs the extra `test`; VGG16 and DenseNet121 are written, with random weights, into a
temporary folder first.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import Run, in_turn

SMALL = Path(__file__).parents[1] / "fixtures" / "models" / "faulty.h5"
LARGE = ("DenseNet121", "VGG16")
LOAD = "import keras, sys; keras.models.load_model(sys.argv[1])"
WRITE = """
import keras, sys
for name in sys.argv[2:]:
    getattr(keras.applications, name)(weights=None).save(f"{sys.argv[1]}/{name}.h5")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="counted runs of each command")
    times = parser.parse_args().times
    print("| model | file | archlint check | keras load_model | time | memory |")
    print("|---|---|---|---|---|---|")
    with TemporaryDirectory() as folder:
        for name, path in {"small CNN": SMALL, **_written(Path(folder))}.items():
            ours, keras = in_turn([_archlint(path), [sys.executable, "-c", LOAD, str(path)]], times)
            print(_row(name, path, ours, keras), flush=True)


def _archlint(path: Path) -> list[str]:
    return [sys.executable, "-m", "archlint", "check", str(path)]


def _written(folder: Path) -> dict[str, Path]:
    # In a process of its own: a measured process starts as a copy of this one, and its peak memory counts the copy.
    subprocess.run([sys.executable, "-c", WRITE, str(folder), *LARGE], check=True, stderr=subprocess.DEVNULL)
    return {name: folder / f"{name}.h5" for name in LARGE}


def _row(name: str, path: Path, ours: Run, keras: Run) -> str:
    size = path.stat().st_size / 1e6
    return (
        f"| {name} | {size:,.1f} MB | {_text(ours)} | {_text(keras)} "
        f"| {keras.seconds / ours.seconds:.0f}x less | {keras.megabytes / ours.megabytes:.0f}x less |"
    )


def _text(run: Run) -> str:
    return f"{run.seconds:.2f} s, {run.megabytes:,.0f} MB"


if __name__ == "__main__":
    main()
