"""The whole pipeline: a file is read, its facts are laid out, the rules ask them."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType

from archlint.errors import ArchlintError, PageError, ReadError
from archlint.evidence import Evidence, Reading
from archlint.facts import build
from archlint.limits import SECONDS, WEIGHT_RATE
from archlint.readers import open_model
from archlint.reports.contract import Checked
from archlint.rules import Rule, run


def check(path: str | Path, rules: Sequence[Rule], evidence: Evidence | None = None) -> Checked:
    """What the rules say of the model file at `path`, going by the evidence, too.

    A file that cannot be read is reported as failed, never raised.
    """
    place = Path(path)
    try:
        with _deadline(time_for(place, evidence)), open_model(place) as model, closing(build(model, evidence)) as facts:
            report = run(rules, facts.connection, facts.absent)
            return Checked.of(str(path), model, report, facts.trained)
    except PageError:  # the fault is a rule's, not this file's
        raise
    except ArchlintError as error:
        return Checked.failed(str(path), str(error))
    # Whatever slipped through is a fault of archlint; the other files must still be checked, and this one not be clean.
    except Exception as error:
        fault = f"{type(error).__name__}: {error}"
        return Checked.failed(str(path), f"archlint itself failed on it ({fault}); please report this file")


def time_for(path: Path, evidence: Evidence | None = None) -> int:
    """The seconds that a file may take; more for a large one all of whose weights the user wants to be read."""
    if evidence is None or evidence.weights is not Reading.always:
        return SECONDS
    try:
        return SECONDS + path.stat().st_size // WEIGHT_RATE
    except (OSError, ValueError):  # there is no such file, as reading it is going to say
        return SECONDS


@contextmanager
def _deadline(seconds: int) -> Iterator[None]:
    """Raise `ReadError` in the block when its time is up, where the platform has a timer that nobody else uses."""
    if not _has_timer():
        yield
        return

    reason = f"it took longer than {seconds} s, more than any honest model; it was not read to the end"
    is_late = False

    def late(_number: int, _frame: FrameType | None) -> None:
        nonlocal is_late
        is_late = True
        raise ReadError(reason)

    before = signal.signal(signal.SIGALRM, late)
    # Again every second, and at the end: SQLite swallows what is raised while it asks for permission to go on.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if is_late:
        raise ReadError(reason)


def _has_timer() -> bool:
    """Whether this thread may set the timer of the process, and takes it from nobody: pytest-timeout has it running."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        return False
    return not signal.getitimer(signal.ITIMER_REAL)[0]
