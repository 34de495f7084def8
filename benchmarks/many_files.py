"""Many small files in one run of `archlint check`, against a run for each, and the memory that it takes. Linux only.

    python benchmarks/many_files.py [--files N] [--runs N]

Prints the tables of docs/comparison.md. The files are copies of the small fixtures in a temporary folder, models in
`.keras` archives each with a name of its own. Of the runs for one file each only some are done, and the rest is taken
to last as long. Memory is what a process and its workers have together, shared pages counted once (PSS), 20 times a
second.
"""

import argparse
import re
import resource
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

FIXTURES = Path(__file__).parents[1] / "fixtures"
CHECK = (sys.executable, "-m", "archlint", "check", "--exit-zero", "--format", "concise", "--quiet")


class Run(NamedTuple):
    """Seconds on the wall and of processors, and the most memory that a process and its workers had."""

    seconds: float
    processor: float
    megabytes: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000, help="files of the comparison")
    parser.add_argument("--runs", type=int, default=100, help="runs for one file each that are really done")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        models = _written(Path(folder), 5 * asked.files)
        _compare(Path(folder) / "0", models[: asked.files], asked.runs)
        _weigh(Path(folder), asked.files)


def _compare(folder: Path, models: Sequence[Path], runs: int) -> None:
    every = models[:: max(1, len(models) // runs)]
    done = [_run([*CHECK, str(path)]) for path in every]
    alone = [sum(times) * len(models) / len(done) for times in list(zip(*done, strict=True))[:2]]
    print(f"| {len(models):,} files | time | | processor time | |")
    print("|---|---|---|---|---|")
    print(f"| a run for each ({len(done)} done) | {alone[0]:.0f} s | | {alone[1]:.0f} s | |")
    for name, options in (("one run, `--jobs 1`", ("--jobs", "1")), ("`--jobs 2`", ("--jobs", "2")), ("as it is", ())):
        run = _run([*CHECK, *options, str(folder)])
        times = (f"{ours:.1f} s | {theirs / ours:.1f}x less" for ours, theirs in zip(run[:2], alone, strict=True))
        print(f"| {name} | {' | '.join(times)} |", flush=True)


def _weigh(folder: Path, files: int) -> None:
    print("\n| files | memory at most |")
    print("|---|---|")
    for count, part in ((files // 10, folder / "0" / "0"), (files, folder / "0"), (5 * files, folder)):
        print(f"| {count:,} | {_run([*CHECK, str(part)]).megabytes:,.0f} MB |", flush=True)


def _written(folder: Path, count: int) -> list[Path]:
    """So many files: a fifth of them in the folder `0`, of which a tenth in another `0`."""
    models = [path for path in sorted(FIXTURES.glob("*/*.*")) if path.suffix in (".h5", ".keras", ".onnx")]
    sources = [path for path in models if path.parent.name != "applications"]  # which have hundreds of layers
    places = [_place(folder, number, count // 5) / f"{number:05}" for number in range(count)]
    return [
        _altered(source, place.with_suffix(source.suffix), f"model_{place.name}")
        for source, place in zip(islice(cycle(sources), count), places, strict=True)
    ]


def _place(folder: Path, number: int, group: int) -> Path:
    part = folder / str(number // group)
    part = part / "0" if number < group // 10 else part
    part.mkdir(parents=True, exist_ok=True)
    return part


def _altered(source: Path, target: Path, name: str) -> Path:
    """A copy; of a `.keras` archive, one whose model has this name."""
    if source.suffix != ".keras":
        return Path(shutil.copy(source, target))
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            content = old.read(member)
            new.writestr(member, content.replace(b'"name": "', f'"name": "{name}_'.encode(), 1))
    return target


def _run(command: Sequence[str]) -> Run:
    """A run to its end."""
    start, before, most = time.perf_counter(), _processor(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        while process.poll() is None:
            group = [path for path in Path("/proc").glob("[0-9]*") if _is_of(process.pid, path)]
            most = max(most, sum(map(_kilobytes, group)))
            time.sleep(0.05)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return Run(time.perf_counter() - start, _processor() - before, most / 1024)


def _processor() -> float:
    """The processor time of all processes that this one has started, and these."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _is_of(group: int, process: Path) -> bool:
    return _text(process / "stat").rpartition(")")[2].split()[2:3] == [str(group)]


def _kilobytes(process: Path) -> int:
    share = re.search(r"^Pss: +(\d+)", _text(process / "smaps_rollup"), re.MULTILINE)
    return int(share[1]) if share else 0


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended meanwhile
        return ""


if __name__ == "__main__":
    main()
