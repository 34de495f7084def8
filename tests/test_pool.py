"""Many files in several processes: the order, what is shared, and processes that die, hang or are interrupted."""

import contextlib
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from support import FIXTURES, PAGE, Archlint

from archlint.cli.progress import bars
from archlint.dataset import load as load_data
from archlint.errors import PageError
from archlint.evidence import Evidence
from archlint.pool import Job, check_all, workers_for
from archlint.rules import Rule, load
from archlint.rules.catalogue import parse_and_prove

ROOT = Path(__file__).parents[1]
MODELS = sorted(map(str, (FIXTURES / "models").glob("clean_*.h5")))
FAULTY = str(FIXTURES / "models" / "faulty.h5")
RULES = load()

SLOW = (
    "SELECT a.name AS layer FROM layer a, layer b, layer c, layer d, layer e, layer f, layer g WHERE a.id + g.id < -1"
)
"""Takes all the steps that a query may take, about a second, on a model of 14 layers."""

CODES = [f"USR00{number}" for number in range(1, 10)]


def rule(sql: str, code: str = "USR001") -> Rule:
    return next(parse_and_prove([page(sql, code)]))


def page(sql: str, code: str = "USR001") -> tuple[Path, bytes]:
    name = f"wide-{code.lower()}"
    text = PAGE.format(code=code, name=name, severity="error", message='"{layer} is wide"', sql=sql)
    return Path(f"{code}-{name}.md"), text.encode()


def jobs_for(*paths: str, rules: tuple[Rule, ...] = RULES, evidence: Evidence | None = None) -> list[Job]:
    return [Job(path, rules, evidence or Evidence()) for path in paths]


@contextmanager
def threaded() -> Iterator[None]:
    """A second thread, beside which processes cannot be started as copies of this one."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class TestWhatIsReported:
    def test_is_the_same_in_any_number_of_processes_in_the_order_of_the_files(self) -> None:
        jobs = jobs_for(FAULTY, *MODELS, "missing.h5", *reversed(MODELS))
        assert list(check_all(jobs, 3)) == list(check_all(jobs, 1))

    def test_comes_in_order_even_if_the_first_file_takes_longest(self) -> None:
        jobs = [Job(FAULTY, (rule(SLOW),)), *jobs_for(*MODELS)]
        assert [file.path for file in check_all(jobs, 2)] == [FAULTY, *MODELS]

    def test_of_a_bad_file_hides_no_other(self, tmp_path: Path) -> None:
        (tmp_path / "bad.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 50)
        checked = list(check_all(jobs_for(*MODELS, str(tmp_path / "bad.h5"), *MODELS), 2))
        assert [file.status for file in checked] == [*["checked"] * len(MODELS), "failed", *["checked"] * len(MODELS)]

    def test_goes_by_the_rules_and_the_evidence_of_each_file(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "data.npz", x=np.zeros((9, 3), np.float32), y=np.zeros((9, 1), np.float32))
        misfit = Evidence(data=load_data(tmp_path / "data.npz", ()))
        wide = rule("SELECT name AS layer FROM layer WHERE units > 3")
        checked = list(check_all([Job(FAULTY, (wide,)), Job(FAULTY, ()), Job(FAULTY, (wide,), misfit)], 2))
        assert [bool(file.findings) for file in checked] == [True, False, False]
        assert "3" in (checked[2].error or "")

    def test_is_the_same_where_processes_start_from_nothing(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "data.npz", x=np.zeros((9, 3), np.float32), y=np.zeros((9, 1), np.float32))
        evidence = Evidence(data=load_data(tmp_path / "data.npz", ()), progress=lambda _done, _total: None)
        jobs = jobs_for(FAULTY, *MODELS, evidence=evidence)
        with threaded():
            assert list(check_all(jobs, 2)) == list(check_all(jobs, 1))

    def test_is_kept_once_where_many_files_lack_the_same(self) -> None:
        one, two = check_all(jobs_for(FAULTY, FAULTY), 2)
        assert {id(unjudged) for unjudged in one.not_checked} == {id(unjudged) for unjudged in two.not_checked}

    def test_leaves_no_process_behind_even_if_nobody_waits_for_the_end(self) -> None:
        results = check_all(jobs_for(*MODELS, *MODELS), 2)
        next(results)
        assert len(active_children()) == 2
        results.close()
        assert active_children() == []

    def test_names_how_many_are_done_and_one_that_is_in_hand(self) -> None:
        for workers in (1, 2):
            told: list[tuple[int, str]] = []
            jobs = jobs_for(*MODELS)
            list(check_all(jobs, workers, lambda done, path, told=told: told.append((done, path))))
            assert [done for done, _ in told] == sorted(done for done, _ in told)
            assert {path for _, path in told} <= set(MODELS)


def test_a_fault_of_a_rule_is_raised_when_it_is_the_turn_of_the_file() -> None:
    wrong = rule("SELECT name AS layer, 'grave' AS severity FROM layer")
    results = check_all([*jobs_for(FAULTY), Job(FAULTY, (wrong,)), *jobs_for(FAULTY)], 2)
    assert next(results).path == FAULTY
    with pytest.raises(PageError, match="grades 'grave'"):
        next(results)


class Holder:
    """Sends a signal to the process that has a file open, once."""

    def __init__(self, path: str, number: signal.Signals) -> None:
        self.path = path
        self.number = number
        self.sent = False

    def __call__(self, _done: int, _path: str) -> None:
        for child in active_children():
            opened = {os.path.realpath(link) for link in Path(f"/proc/{child.pid}/fd").iterdir()}
            if self.path in opened and not self.sent:
                os.kill(child.pid or 0, self.number)
                self.sent = True


class TestAFileThat:
    SLOW = tuple(rule(SLOW, code) for code in CODES)

    @pytest.mark.parametrize(
        ("number", "words"),
        [
            (signal.SIGKILL, "was killed (signal 9, Killed), as happens where memory runs out; check it alone"),
            (signal.SIGSEGV, "crashed (signal 11, Segmentation fault); please report this file"),
        ],
        ids=["killed", "crash"],
    )
    def test_ends_its_process_is_reported_and_all_others_are_checked(self, number: signal.Signals, words: str) -> None:
        jobs = [*jobs_for(*MODELS), Job(FAULTY, self.SLOW), *jobs_for(*MODELS, *MODELS)]
        checked = list(check_all(jobs, 2, Holder(FAULTY, number)))
        assert [file.path for file in checked] == [job.path for job in jobs]
        assert [file.error for file in checked if file.error] == [f"the process that read it {words}"]

    def test_hangs_its_process_is_reported_and_all_others_are_checked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("archlint.pipeline.SECONDS", 5)
        monkeypatch.setattr("archlint.pool.GRACE", 0)
        jobs = [Job(FAULTY, self.SLOW), *jobs_for(*MODELS)]
        checked = list(check_all(jobs, 2, Holder(FAULTY, signal.SIGSTOP)))
        late = "it took longer than 5 s, more than any honest model; reading it was broken off"
        assert [file.error for file in checked] == [late, *[None] * len(MODELS)]

    def test_takes_too_long_is_given_up_by_its_process_itself(self, tmp_path: Path) -> None:
        ran = run_script(
            tmp_path,
            """
            from archlint import pipeline
            from test_pool import FAULTY, TestAFileThat
            from archlint.pool import Job, check_all
            pipeline.SECONDS = 1  # processes begin as copies of this one
            for file in check_all([Job(FAULTY, TestAFileThat.SLOW)] * 2, 2):
                print(file.error)
            """,
        )
        late = "it took longer than 1 s, more than any honest model; it was not read to the end"
        assert ran.stdout.splitlines() == [late, late]


def run_script(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """What a script does in which nothing but itself runs."""
    path = folder / "script.py"
    path.write_text(dedent(code))
    paths = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **paths})


def test_a_run_ends_the_same_in_any_number_of_processes(archlint: Archlint) -> None:
    """Also if something cannot be read: exit code 2, and nothing is hidden."""
    for named, code in (((FAULTY, "missing.h5", MODELS[0]), 2), ((MODELS[0], FAULTY), 1), (MODELS[:2], 0)):
        one, two = (archlint("check", *named, "--jobs", jobs, "--format", "json") for jobs in (1, 2))
        assert one == two
        assert (one.code, len(one.json["files"])) == (code, len(named))


class TestARunThat:
    @pytest.fixture
    def command(self, tmp_path: Path) -> list[str]:
        """A check of four files in two processes that takes a quarter of a minute."""
        for code in CODES:
            name, content = page(SLOW, code)
            (tmp_path / name).write_bytes(content)
        for number in range(4):
            shutil.copy(FAULTY, tmp_path / f"{number}.h5")
        options = ["--jobs", "2", "--rules", str(tmp_path), "--select", "USR"]
        return [sys.executable, "-m", "archlint", "check", str(tmp_path), *options]

    def test_is_interrupted_ends_at_once_with_all_its_processes(self, command: list[str]) -> None:
        started = self.started(command)
        os.killpg(started.pid, signal.SIGINT)  # as a terminal does: to all of them
        _, said = started.communicate(timeout=10)
        assert (started.returncode, said.strip()) == (130, "")
        assert self.group(started.pid) == 0

    def test_is_killed_takes_its_processes_with_it(self, command: list[str]) -> None:
        started = self.started(command)
        started.kill()
        _, said = started.communicate()
        assert said == ""
        while self.group(started.pid):  # not for as long as the files take
            time.sleep(0.1)

    def test_lasts_shows_in_a_terminal_how_far_it_is(self, command: list[str]) -> None:
        ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "NO_COLOR": "1"}
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=theirs, start_new_session=True
        ) as started:
            os.close(theirs)
            shown = ""
            while not re.search(r"checking .* 0/4 0\.0/s [01]\.h5", shown):
                shown += os.read(ours, 1000).decode("utf-8", "replace")
            os.killpg(started.pid, signal.SIGINT)
            with contextlib.suppress(OSError):  # at the end of what is written
                while os.read(ours, 1000):  # or nothing could be written any more, and the process would wait for that
                    pass
        os.close(ours)
        assert started.returncode == 130

    def started(self, command: list[str]) -> subprocess.Popen[str]:
        """The command, at work in three processes of a group of their own."""
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        started = subprocess.Popen(command, cwd=ROOT, text=True, start_new_session=True, **pipes)
        while started.poll() is None and self.group(started.pid) < 3:
            time.sleep(0.1)
        assert started.poll() is None
        return started

    def group(self, number: int) -> int:
        """How many processes of a group there are."""
        states = [text(path) for path in Path("/proc").glob("[0-9]*/stat")]
        fields = [state.rpartition(")")[2].split() for state in states if state]
        return sum(int(group) == number and state != "Z" for state, _, group, *_ in fields)


def text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended
        return ""


def test_processes_that_do_not_start_are_one_sentence(tmp_path: Path) -> None:
    """As in a script that starts its work when it is imported, which a process that starts from nothing does."""
    ran = run_script(
        tmp_path,
        """
        from archlint.errors import ArchlintError
        from archlint.pool import check_all
        from test_pool import MODELS, jobs_for, threaded
        with threaded():
            try:
                print(list(check_all(jobs_for(*MODELS), 2)))
            except ArchlintError as error:
                print(error)
        """,
    )
    assert ran.stdout == "processes to check files in do not start (exit code 1); use --jobs 1\n"


def test_where_nobody_looks_nothing_is_shown() -> None:
    with bars(9) as shown:
        assert shown == (None, None)


class TestTheNumberOfProcesses:
    def test_is_what_the_user_asks_for_if_there_are_as_many_files(self) -> None:
        jobs = jobs_for(*MODELS)
        assert [workers_for(jobs, asked) for asked in (1, 2, 100)] == [1, 2, len(MODELS)]
        assert workers_for(jobs * 100, 1000) == 60

    def test_is_one_for_few_files(self) -> None:
        assert workers_for(jobs_for(FAULTY) * 7) == 1

    def test_is_that_of_the_processors_for_many_files(self) -> None:
        assert workers_for(jobs_for(FAULTY) * 10_000) == min(60, len(os.sched_getaffinity(0)))
