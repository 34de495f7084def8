"""Many files: each is checked in one of several processes, all are reported in their order.

The pool of `concurrent.futures` breaks as a whole when one of its processes dies, and cannot tell what that one was
at. Here each process has a pipe of its own and one file in hand. So a file that ends the process which reads it (a
crash in C, memory that runs out), or keeps it beyond all time, is known: it is reported as failed, and a new process
goes on with the others.
"""

import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from archlint.errors import ArchlintError
from archlint.evidence import Evidence
from archlint.pipeline import check, time_for
from archlint.reports.contract import Checked
from archlint.rules import NotChecked, Rule

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkContext, SpawnContext

GRACE = 10
"""Seconds by which a process may miss the deadline of its file, which it keeps itself, before it is ended."""

WORKERS = 60
"""Processes at most; Windows waits for 63 things at once."""

COPY_FILES = 4
"""Small files for which another process is worth its start, as a copy of this one, and the import of its readers."""

START_FILES = 24
"""The same where it starts from nothing, which takes 0.3 s; a small file takes 0.03 s."""

KILLED = -9
"""What a process that was killed exits with; Windows has no such signal, nor a name for it."""

Progress = Callable[[int, str], None]
"""Called with how many files are done, and the path of the one that is in hand the longest."""

Outcome = Checked | ArchlintError
"""What a process has to say of a file; an error if a rule is at fault, not the file."""


@dataclass(frozen=True, slots=True)
class Job:
    """A file, the rules to check it by, and the evidence to go by; jobs may share the latter two."""

    path: str
    rules: tuple[Rule, ...]
    evidence: Evidence = field(default_factory=Evidence)


def workers_for(jobs: Sequence[Job], asked: int | None = None) -> int:
    """How many processes to check the files in: as many as were asked for, or as are worth it; 1 is this one."""
    worth = len(jobs) // (COPY_FILES if _is_alone() else START_FILES)
    wanted = min(_processors(), worth) if asked is None else min(asked, len(jobs))
    return max(1, min(wanted, WORKERS))


def check_all(jobs: Sequence[Job], workers: int, progress: Progress | None = None) -> Generator[Checked]:
    """What the rules say of each file, in the order of the jobs; with one worker, in this process.

    Raises:
        PageError: a row of a rule does not fit its page.
        ArchlintError: no process could be started.
    """
    tell = progress or (lambda _done, _path: None)
    size = min(workers, len(jobs))
    said: dict[NotChecked, NotChecked] = {}
    with closing(_together(jobs, size, tell) if size > 1 else _one_by_one(jobs, tell)) as files:
        for file in files:
            # Rules that lack facts say the same of file after file: nine tenths of the memory of a long report.
            shared = tuple(said.setdefault(unjudged, unjudged) for unjudged in file.not_checked)
            yield msgspec.structs.replace(file, not_checked=shared)


def _one_by_one(jobs: Sequence[Job], progress: Progress) -> Generator[Checked]:
    for done, job in enumerate(jobs):
        progress(done, job.path)
        yield check(job.path, job.rules, job.evidence)


def _together(jobs: Sequence[Job], workers: int, progress: Progress) -> Generator[Checked]:
    crew = _Crew(_without_bars(jobs), workers)
    early: dict[int, Outcome] = {}  # small, and needed for the report in any case
    try:
        for number in range(len(jobs)):
            while number not in early:
                early.update(crew.outcomes())
                progress(number + len(early), jobs[min(crew.in_hand, default=number)].path)
            outcome = early.pop(number)
            if isinstance(outcome, ArchlintError):
                raise outcome
            yield outcome
    finally:
        crew.end()


def _without_bars(jobs: Sequence[Job]) -> Sequence[Job]:
    """The jobs without progress of their weights, which other processes cannot show; evidence stays shared."""
    silent = {id(job.evidence): replace(job.evidence, progress=None) for job in jobs}
    return [replace(job, evidence=silent[id(job.evidence)]) for job in jobs]


class _Crew:
    """The processes, each with one job in hand, and the jobs that are left."""

    def __init__(self, jobs: Sequence[Job], size: int) -> None:
        self._jobs = jobs
        self._pickled = pickle.dumps(jobs)
        self._left = deque(range(len(jobs)))
        self._trouble = ""
        self._workers: list[_Worker] = []
        for _ in range(size):
            self._hire()

    @property
    def in_hand(self) -> Sequence[int]:
        """The numbers of the jobs that have been begun."""
        return [worker.number for worker in self._workers if worker.number is not None]

    def outcomes(self) -> Iterator[tuple[int, Outcome]]:
        """What came of the jobs that have ended since, if any; waits a second for one to end."""
        from multiprocessing.connection import wait

        if not self._workers:
            raise ArchlintError(f"processes to check files in do not start ({self._trouble}); use --jobs 1")
        answering = wait([worker.pipe for worker in self._workers], timeout=1)
        for worker in [worker for worker in self._workers if worker.pipe in answering or worker.is_late]:
            number, outcome = worker.number, worker.outcome()
            self._go_on(worker)
            if number is not None and outcome is not None:
                yield number, outcome

    def end(self) -> None:
        """End the processes, whatever they are at."""
        for worker in self._workers:
            worker.end()

    def _go_on(self, worker: "_Worker") -> None:
        """Give a process its next job; put another one in the place of one that a job has ended."""
        if not worker.has_ended:
            worker.take(self._left.popleft() if self._left else None)
            return
        worker.end()
        self._workers.remove(worker)
        if not worker.is_ready:  # nor would the next one get so far
            self._trouble = worker.cause
        elif self._left:
            self._hire()

    def _hire(self) -> None:
        try:
            self._workers.append(_Worker(self._jobs, self._pickled))
        except OSError as error:
            self._trouble = str(error.strerror)


class _Worker:
    """A process, whether it has begun to answer, and the number of the job that it has in hand."""

    def __init__(self, jobs: Sequence[Job], pickled: bytes) -> None:
        from multiprocessing import get_context  # here: it takes 0.01 s, for which a single file need not wait

        self.is_ready = False
        self.number: int | None = None
        self._jobs = jobs
        self._pickled = pickled
        self._begun, self._seconds = 0.0, 0
        context: ForkContext | SpawnContext = get_context("fork") if _is_alone() else get_context("spawn")
        self.pipe, theirs = context.Pipe()
        # The jobs are sent later: had they to be read here, a process that dies at once would keep this one for ever.
        self._process = context.Process(target=_serve, args=(self.pipe, theirs), daemon=True)
        with _undisturbed():
            self._process.start()
        theirs.close()

    @property
    def is_late(self) -> bool:
        """Whether it has missed the deadline of its job, which it should have kept itself."""
        return self.number is not None and monotonic() > self._begun + self._seconds + GRACE

    @property
    def has_ended(self) -> bool:
        """Whether there is no process any more."""
        return self._process.exitcode is not None

    @property
    def cause(self) -> str:
        """What ended the process."""
        code = self._process.exitcode or 0
        return f"signal {-code}, {signal.strsignal(-code)}" if code < 0 else f"exit code {code}"

    def take(self, number: int | None) -> None:
        """Begin a job, if there is one."""
        self.number = number
        if number is not None:
            job = self._jobs[number]
            self._begun, self._seconds = monotonic(), time_for(Path(job.path), job.evidence)
            self._send(pickle.dumps(number))

    def outcome(self) -> Outcome | None:
        """What came of the job in hand, if there was one. To be called when there is something to read, or it is late.

        A process that does not answer has ended afterwards.
        """
        if not self.pipe.poll():
            self._process.kill()
        try:
            answer: Outcome | None = self.pipe.recv()
        except (EOFError, OSError):
            was_late = self.is_late
            self.end()
            return None if self.number is None else self._failed(self._jobs[self.number].path, was_late)
        if not self.is_ready:
            self.is_ready = True
            self._send(self._pickled)
        return answer

    def end(self) -> None:
        """End the process, whatever it is at: it has nothing to lose."""
        self._process.kill()
        self._process.join()
        self.pipe.close()

    def _send(self, pickled: bytes) -> None:
        with suppress(OSError):  # it has died meanwhile, which is found when it should answer
            self.pipe.send_bytes(pickled)

    def _failed(self, path: str, was_late: bool) -> Checked:
        if was_late:
            why = f"it took longer than {self._seconds} s, more than any honest model; reading it was broken off"
        elif self._process.exitcode == KILLED:
            why = (
                f"the process that read it was killed ({self.cause}), as happens where memory runs out; check it alone"
            )
        else:
            why = f"the process that read it crashed ({self.cause}); please report this file"
        return Checked.failed(path, why)


def _serve(ours: "Connection", theirs: "Connection") -> None:
    """The life of a process: it says None, is sent all jobs, then the number of one after another, and answers."""
    ours.close()  # a copy
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_leave_with_parent, daemon=True).start()
    with suppress(OSError, EOFError):  # the other side is gone
        theirs.send(None)
        jobs: Sequence[Job] = theirs.recv()
        while True:
            theirs.send(_outcome(jobs[theirs.recv()]))


def _leave_with_parent() -> None:
    from multiprocessing import parent_process

    parent = parent_process()
    if parent:
        parent.join()
    os._exit(1)


def _outcome(job: Job) -> Outcome:
    try:
        return check(job.path, job.rules, job.evidence)
    except ArchlintError as error:
        return error


def _is_alone() -> bool:
    """Whether no other thread runs in this process, so that a copy of it is sound; never known but on Linux."""
    threads = Path("/proc/self/task")
    return threads.is_dir() and len(list(threads.iterdir())) == 1


def _processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep Ctrl-C waiting, and from the processes that start meanwhile for good: this one ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
