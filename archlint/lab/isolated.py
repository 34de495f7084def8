"""The lab in a process of its own, with limits: what goes wrong in TensorFlow ends that process and nothing else.

The parent imports no TensorFlow. It sends a `Request` to the child's standard input and reads events, a line each, from
its standard output. The child reads the model file itself, has it checked, and builds the network from what archlint
read: Keras never opens the file.
"""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import msgspec

from archlint.errors import ArchlintError
from archlint.evidence import Evidence
from archlint.facts import build
from archlint.lab.events import Done, Event, Failed, Request, Tell
from archlint.readers import open_model
from archlint.rules import Finding, Report, Rule, load, run

MEMORY = 6 * 2**30
"""Bytes of address space beyond what TensorFlow takes at its start."""

FILE_BYTES = 64 * 2**20
"""Of any file that the child writes; it needs none, its libraries a few small ones in its temporary folder."""

OPEN_FILES = 256
"""At a time; a run has about 40."""

SPARE_SECONDS = 60
"""Of processor time beyond the deadline, at which the child ends even if nobody is left to end it."""

SAFETY = "SEC"
"""How the codes of rules begin whose findings forbid to load a file."""

_KEPT = (
    "PATH",
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "SYSTEMROOT",
    "WINDIR",
)
"""Variables that the child gets: what it takes to find Python's libraries. Keys and tokens are in others."""

_SET = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}

_NO_TENSORFLOW = "TensorFlow is not installed, and verifying trains with it: pip install archlint[verify]"

_DEATHS = {
    "SIGKILL": "it was killed, most likely for want of memory",
    "SIGABRT": "TensorFlow gave up, most likely for want of memory",
    "SIGSEGV": "TensorFlow crashed",
    "SIGXCPU": "it used up its processor time",
}


# The parent


def verify(request: Request, tell: Tell, deadline: float) -> None:
    """Puts the findings of a model file to the test, in a separate process.

    Args:
        request: what to test; its paths must be absolute.
        tell: is told of every event. The last one is `Done` or `Failed`.
        deadline: seconds after which the process is ended, whatever it does.
    """
    if importlib.util.find_spec("tensorflow") is None:
        tell(Failed(sentence=_NO_TENSORFLOW))
        return
    with TemporaryDirectory(prefix="archlint-", ignore_cleanup_errors=True) as folder:
        process = _started(Path(folder), deadline)
        with _ended(process, deadline) as late:
            _send(process, _with_safety(request))
            last = None
            for last in _events(process):
                tell(last)
            process.wait()
    if not isinstance(last, Done | Failed):
        tell(Failed(sentence=_death(process.returncode, deadline, is_late=late.is_set())))


def _with_safety(request: Request) -> Request:
    """The request with all rules about safety, as archlint ships them, whatever the user has chosen."""
    rules = {rule.code: rule for rule in request.rules} | {
        rule.code: rule for rule in load() if rule.code.startswith(SAFETY)
    }
    return msgspec.structs.replace(request, rules=tuple(rules.values()))


def _started(folder: Path, deadline: float) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "archlint.lab.isolated", str(deadline)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=_environment(folder),
        start_new_session=True,  # Ctrl-C in the terminal is the parent's to handle
    )


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    package = str(Path(__file__).parents[2])
    found = os.pathsep.join([package, *filter(None, [kept.get("PYTHONPATH")])])
    places = dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP", "KERAS_HOME", "XDG_CACHE_HOME"), str(folder))
    return {**kept, **places, **_SET, "PYTHONPATH": found}


@contextmanager
def _ended(process: "subprocess.Popen[bytes]", deadline: float) -> Iterator[threading.Event]:
    """Ends the process on the deadline (which the event tells), and when the block is left, by Ctrl-C, too."""
    late = threading.Event()

    def end() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(deadline, end)
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
        _kill(process)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                if pipe:
                    pipe.close()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Ends it with all that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        if process.poll() is not None:
            return
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _send(process: "subprocess.Popen[bytes]", request: Request) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it is dead, which the missing events tell
        process.stdin.write(msgspec.json.encode(request))
        process.stdin.close()


def _events(process: "subprocess.Popen[bytes]") -> Iterator[Event]:
    assert process.stdout is not None
    decoder = msgspec.json.Decoder(Event)
    for line in process.stdout:
        with suppress(msgspec.DecodeError):  # the half line of one who was killed while writing
            yield decoder.decode(line)


def _death(code: int, deadline: float, *, is_late: bool) -> str:
    if is_late:
        return f"the lab was ended, as it had not come to an end within {deadline:.0f} s"
    if code >= 0:
        return f"the lab ended with the exit code {code} and said nothing"
    name = signal.Signals(-code).name
    return f"the lab ended by {name}: {_DEATHS.get(name, 'somebody ended it')}"


# The child


def main() -> None:
    """Answers the request on standard input with events on standard output, and leaves that to nobody else."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        tell = _Teller(out)
        try:
            _limit(int(float(sys.argv[1])))
            _answer(msgspec.json.decode(sys.stdin.buffer.read(), type=Request), tell)
        except ArchlintError as error:
            tell(Failed(sentence=str(error)))
        except MemoryError:
            tell(Failed(sentence=f"the lab needs more than the {MEMORY / 2**30:.0f} GB of memory that it may take"))
        except Exception as error:  # a fault of archlint, which must not pass for a verdict
            fault = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            tell(Failed(sentence=f"archlint itself failed ({fault}); please report this file"))


class _Teller:
    def __init__(self, out: IO[bytes]) -> None:
        self._out = out

    def __call__(self, event: Event) -> None:
        self._out.write(msgspec.json.encode(event) + b"\n")
        self._out.flush()


def _answer(request: Request, tell: Tell) -> None:
    data = None
    if request.data is not None:
        from archlint.dataset import load as load_data

        data = load_data(Path(request.data), request.columns)
    with open_model(Path(request.path)) as model, closing(build(model, Evidence(None, request.weights, data))) as facts:
        report = run(request.rules, facts.connection, facts.absent)
        if refusal := _refusal(report):
            tell(Failed(sentence=refusal))
            return
        from archlint.lab import samples
        from archlint.lab.run import prove
        from archlint.lab.training import pin_threads

        pin_threads()
        _limit_memory()
        given = samples.load(Path(request.data), data, model, request.columns) if request.data and data else None
        prove(model, _claimed(request, report), given, request, tell, trained=facts.trained)


def _refusal(report: Report) -> str | None:
    """Why the file is not touched any further."""
    found = [finding for finding in report.findings if finding.code.startswith(SAFETY)]
    unjudged = [rule for rule in report.not_checked if rule.code.startswith(SAFETY) and not rule.needs]
    if found:
        return f"the lab does not touch this file: {found[0].name}: {found[0].message}"
    return f"the lab does not touch this file: {unjudged[0].name} could not judge it" if unjudged else None


def _claimed(request: Request, report: Report) -> list[tuple[Rule, Finding]]:
    """The findings to test, each with its rule."""
    rules = {rule.code: rule for rule in request.rules if rule.claim}
    wanted = None if request.only is None else set(request.only)
    return [
        (rules[finding.code], finding)
        for finding in report.findings
        if finding.code in rules and (wanted is None or (finding.code, finding.layer) in wanted)
    ]


def _limit(seconds: int) -> None:
    """Bounds what the process may take, where the platform can."""
    if sys.platform == "win32":
        return
    import resource

    limits: Mapping[int, int] = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: seconds + SPARE_SECONDS,
        resource.RLIMIT_FSIZE: FILE_BYTES,
        resource.RLIMIT_NOFILE: OPEN_FILES,
    }
    for limit, value in limits.items():
        with suppress(ValueError, OSError):  # it is lower already
            resource.setrlimit(limit, (value, value))


def _limit_memory() -> None:
    """Bounds the address space, once TensorFlow has taken its own."""
    if sys.platform != "linux":
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = pages * resource.getpagesize() + MEMORY
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main()
