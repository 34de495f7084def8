"""`archlint check` against scanners that look for harm in model files. Linux only.

    python benchmarks/against_modelscan.py [--peer COMMAND]… [--every N]

Prints the tables of docs/comparison.md. The files are written into a temporary folder first: those of `attacks.py`, and
the corpus of `fixtures/hostile`, of which the names that attack reports are left out; then the models in `fixtures/`.
Each file is a process of its own for each scanner, in turns. A scanner is a command that takes a path behind it and
ends with 0 if it found nothing, with 1 if it found something, and with 2 or more if it could not tell. archlint runs
with its rules about trust. Seconds are those of the processor.
"""

import argparse
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, TemporaryFile
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
ARCHLINT = f"{shlex.quote(sys.executable)} -m archlint check --isolated --select SEC --format concise --quiet --"
SECONDS = 120
"""On the wall; who takes longer is ended."""
MEGABYTES = 4096
"""Of resident memory; who takes more is ended."""
OUTCOMES = ("found", "refused", "silent", "crashed", "endless")
"""Something was found; the scanner says that it could not tell; it is content; it ended by a signal or with a
traceback; it had to be ended."""
KINDS = ("files", "hdf5", "zips", "configs", "onnx")
ENDINGS = (".h5", ".keras", ".onnx")


class Run(NamedTuple):
    """What came of a process."""

    outcome: str
    seconds: float
    megabytes: float


class Scanner(NamedTuple):
    """A scanner: what it is called in tables, and its command."""

    name: str
    command: Sequence[str]

    def scan(self, path: Path) -> Run:
        """Let it look at a file."""
        with TemporaryFile() as said:
            arguments = [*self.command, str(path)]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)} if self.name == "archlint" else None
            process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment, start_new_session=True
            )
            ended, status, usage = _watched(process.pid)
            said.seek(0)
            outcome = "endless" if ended else _outcome(os.waitstatus_to_exitcode(status), said.read())
        return Run(outcome, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", action="append", help="command of another scanner (default: modelscan -p)")
    parser.add_argument("--every", type=int, default=1, help="of the corpus and the models, take every so many-th")
    asked = parser.parse_args()
    peers = [shlex.split(command) for command in asked.peer or ["modelscan -p"]]
    scanners = [Scanner("archlint", shlex.split(ARCHLINT)), *(Scanner(Path(peer[0]).name, peer) for peer in peers)]
    with TemporaryDirectory() as folder:
        # In other processes: a measured one starts as a copy of this one, and its peak memory counts the copy.
        for name, command in (("attacks", ["benchmarks/attacks.py"]), ("hostile", ["-m", "fixtures.hostile"])):
            writing = [sys.executable, *command, str(Path(folder) / name)]
            subprocess.run(writing, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        _tell_attacks(Path(folder) / "attacks", scanners)
        _tell_costs(_groups(Path(folder), asked.every), scanners)


def _tell_attacks(folder: Path, scanners: Sequence[Scanner]) -> None:
    for kind in ("harmful", "honest"):
        print(f"| {kind} | {' | '.join(scanner.name for scanner in scanners)} |")
        print("|---" * (len(scanners) + 1) + "|")
        for path in sorted((folder / kind).iterdir()):
            print(f"| {path.name} | {' | '.join(one.scan(path).outcome for one in scanners)} |", flush=True)
        print()


def _groups(folder: Path, every: int) -> dict[str, list[Path]]:
    """The files by what they are."""
    corpus = sorted((folder / "hostile").iterdir())
    groups = {kind: [_file(case) for case in corpus if case.name.startswith(f"{kind}-")] for kind in KINDS}
    models = sorted(path for path in (ROOT / "fixtures").rglob("*") if path.suffix in ENDINGS and path.is_file())
    return {kind: files[::every] for kind, files in {**groups, "honest models": models}.items()}


def _file(case: Path) -> Path:
    """The file of a case that is to be checked, which has the ending of a model, or is the only one."""
    inside = sorted(case.iterdir(), key=lambda path: (path.suffix not in ENDINGS, path.name))
    return inside[0] if inside else case


def _tell_costs(groups: dict[str, list[Path]], scanners: Sequence[Scanner]) -> None:
    print(f"| | files | | {' | '.join(OUTCOMES)} | median s | most s | most MB |")
    print("|---" * (len(OUTCOMES) + 6) + "|")
    for kind, files in groups.items():
        runs = [[scanner.scan(path) for scanner in scanners] for path in files]
        for scanner, own in zip(scanners, zip(*runs, strict=True), strict=True):
            print(f"| {kind} | {len(files)} | {scanner.name} | {_row(own)} |", flush=True)


def _row(runs: Sequence[Run]) -> str:
    counts = Counter(run.outcome for run in runs)
    seconds, megabytes = [run.seconds for run in runs], [run.megabytes for run in runs]
    outcomes = " | ".join(str(counts[outcome] or "–") for outcome in OUTCOMES)
    return f"{outcomes} | {median(seconds):.2f} | {max(seconds):.1f} | {max(megabytes):,.0f}"


def _watched(process: int) -> tuple[bool, int, resource.struct_rusage]:
    """Wait for a process, and end it if it takes too much: whether it was, and what `os.wait4` says."""
    until, is_ended = time.monotonic() + SECONDS, False
    while True:
        found, status, usage = os.wait4(process, os.WNOHANG)
        if found:
            return is_ended, status, usage
        if not is_ended and (time.monotonic() > until or _resident(process) > MEGABYTES):
            os.killpg(process, signal.SIGKILL)
            is_ended = True
        time.sleep(0.01)


def _resident(process: int) -> float:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (OSError, IndexError):  # it has ended
        return 0


def _outcome(code: int, said: bytes) -> str:
    if code < 0 or b"Traceback (most recent call last)" in said:
        return "crashed"
    return {0: "silent", 1: "found"}.get(code, "refused")


if __name__ == "__main__":
    main()
