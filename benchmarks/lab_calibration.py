"""How often the lab finds what is there, and what is not: equal arms, known positives, and their controls.

    python benchmarks/lab_calibration.py [CASE …] [--runs N] [--pairs N] [--record FILE]

Draws networks of which it is known whether a claim holds (`lab_cases.py`), each with its data, lets the rules find
them, and counts the verdicts of `archlint.lab.run.prove`. Equal arms are trained besides: the same network under other
layer names, so that only the initial weights differ, compared as the lab compares arms, with seeds of its own for each
comparison. Prints a table, with Wilson's 95 % intervals and what was measured when the thresholds were chosen.
Positives hold if at least 90 % are confirmed, equal arms and controls if at most 8 % are, by the upper end of the
interval for all of them together.

With `--record`, what is found is added to a file, a line of JSON for each verdict, and what the file holds already is
not run again. What the rule of decision does by itself, `lab_null.py` simulates. Needs the extra `test`; a quarter of
an hour on one core.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any, NamedTuple
from unittest.mock import patch
from zlib import crc32

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import keras
import numpy as np
from keras import layers
from lab_cases import CONTROLS, POSITIVES, Case, twin
from lab_proof import proved
from rates import Rate

from archlint.graph import Loss, Optimizer, Training
from archlint.lab.arms import Arm, Curves, Data, Plan
from archlint.lab.statistics import Decision, decide, log_ratios
from archlint.lab.thresholds import LOOKS
from archlint.lab.training import trained
from archlint.lab.verdict import Answer
from archlint.remedies import REMEDIES

POWER, FALSE = 0.90, 0.08
"""The least share of positives that have to be confirmed, and the greatest of what may be confirmed falsely."""

NULL_STATED = "4 % [2, 8]"
SILENT = "no finding"


class Seen(NamedTuple):
    """What a comparison came to: whether it counts as confirmed, the outcome, and seconds of the processor."""

    case: str
    number: int
    confirmed: bool
    outcome: str
    seconds: float


class Record:
    """What was seen so far, kept in a file if there is one. Several processes may add to the same file."""

    def __init__(self, path: Path | None) -> None:
        lines = path.read_text("utf-8").splitlines() if path and path.exists() else []
        self._path = path
        self.seen = {(seen.case, seen.number): seen for seen in (Seen(**json.loads(line)) for line in lines)}

    def add(self, seen: Seen) -> None:
        self.seen[seen.case, seen.number] = seen
        if self._path:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(seen._asdict()) + "\n")

    def of(self, name: str, runs: int) -> list[Seen]:
        return [seen for number in range(runs) if (seen := self.seen.get((name, number)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="names, or parts of names; all if there is none")
    parser.add_argument("--runs", type=int, default=20, help="networks of each kind")
    parser.add_argument("--pairs", type=int, default=200, help="comparisons of equal arms for each of two tasks")
    parser.add_argument("--record", type=Path, metavar="FILE", help="add to this file what is found")
    asked = parser.parse_args()
    record, tasks = Record(asked.record), _wanted(TASKS, asked.cases)
    positives, controls = (_chosen(cases, asked.cases) for cases in (POSITIVES, CONTROLS))
    for number in range(asked.runs):  # what is broken off has as many of each
        for case in (*positives, *controls):
            _run(case, number, record)
    for name in tasks:
        _compare(name, asked.pairs, record)
    equal = {name: record.of(name, asked.pairs) for name in tasks}
    seen = {case: record.of(case.name, asked.runs) for case in (*positives, *controls)}
    print("| what | claim | when chosen | confirmed | 95 % | | outcomes | seconds each |")
    print("|---|---|---|---|---|---|---|---|")
    for name, found in equal.items():
        print(_row(name, "", NULL_STATED, found, _is_rare))
    for case, found in seen.items():
        print(_row(case.name, case.claim, case.stated, found, _is_found if case in positives else _is_rare))
    together = {
        "all equal arms": list(chain(*equal.values())),
        "all controls": list(chain(*(seen[case] for case in controls))),
    }
    for name, found in together.items():
        if found:
            print(_row(name, "", "", found, _is_surely_rare))


def _chosen(cases: Iterable[Case], parts: Sequence[str]) -> list[Case]:
    names = _wanted((case.name for case in cases), parts)
    return [case for case in cases if case.name in names]


def _wanted(names: Iterable[str], parts: Sequence[str]) -> list[str]:
    return [name for name in names if not parts or any(part in name for part in parts)]


def _is_found(rate: Rate) -> bool:
    return rate.share >= POWER


def _is_rare(rate: Rate) -> bool:
    return rate.share <= FALSE


def _is_surely_rare(rate: Rate) -> bool:
    return rate.bounds[1] <= FALSE


def _row(name: str, claim: str, stated: str, seen: Sequence[Seen], wanted: Callable[[Rate], bool]) -> str:
    rate = Rate(sum(found.confirmed for found in seen), len(seen))
    low, high = rate.bounds
    outcomes = ", ".join(f"{outcome} {many}" for outcome, many in Counter(one.outcome for one in seen).most_common())
    seconds = sum(found.seconds for found in seen) / len(seen)
    cells = (
        name, claim, stated, f"{rate.hits} of {rate.trials}", f"{low:.0%}–{high:.0%}",
        "holds" if wanted(rate) else "FAILS", outcomes, f"{seconds:.2g}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


# Through the front door


def _run(case: Case, number: int, record: Record) -> None:
    if (case.name, number) in record.seen:
        return
    began = process_time()
    drawn = case.draw(np.random.default_rng([crc32(case.name.encode()), number]), number)
    with TemporaryDirectory() as folder, patch.dict(REMEDIES, twin=twin):
        verdicts = proved(Path(folder), drawn.model, drawn.rule, data=drawn.data, **drawn.request).verdicts
    keras.backend.clear_session()
    confirmed = any(all(getattr(verdict, part).answer is Answer.yes for part in case.parts) for verdict in verdicts[:1])
    outcome = verdicts[0].outcome.value if verdicts else SILENT
    record.add(Seen(case.name, number, confirmed, outcome, process_time() - began))


# Equal arms


TASKS = {
    "equal arms, regression": (Loss("mean_squared_error", "regression"), None),
    "equal arms, two classes": (Loss("binary_crossentropy", "crossentropy", False), "sigmoid"),
}


def _compare(name: str, pairs: int, record: Record) -> None:
    """Adds the comparisons that the record lacks; they are trained together, as an arm is traced once."""
    lacking = [number for number in range(pairs) if (name, number) not in record.seen]
    began, most = process_time(), LOOKS[-1]
    seeds = [most * number + place for number in lacking for place in range(most)]
    first, second = _trained(name, seeds) if seeds else ([], [])
    each = (process_time() - began) / max(1, len(lacking))
    for place, number in enumerate(lacking):
        some = slice(most * place, most * (place + 1))
        ratios = log_ratios([run.best for run in first[some]], [run.best for run in second[some]])
        decision = decide(ratios)
        record.add(Seen(name, number, decision is Decision.confirmed, decision.value, each))


def _trained(name: str, seeds: Sequence[int]) -> list[list[Curves]]:
    (loss, activation), random = TASKS[name], np.random.default_rng(0)
    x = random.normal(size=(200, 10))
    y = x @ random.normal(size=10) / np.sqrt(10) + random.normal(size=200)
    data = Data((x.astype("float32"),), ((y if activation is None else y > 0).astype("float32"),))
    plan, training = Plan(epochs=10), Training(Optimizer("adam", 0.01), (loss,))
    return [trained(Arm(twin, _config(twin, activation), training), data, plan, seeds) for twin in ("one", "other")]


def _config(twin: str, activation: str | None) -> Any:
    hidden, output = layers.Dense(16, "relu", name=twin), layers.Dense(1, activation, name=f"{twin}_output")
    return keras.saving.serialize_keras_object(keras.Sequential([keras.Input((10,)), hidden, output]))


if __name__ == "__main__":
    main()
