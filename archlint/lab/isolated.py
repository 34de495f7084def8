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
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import IO

import msgspec

from archlint.errors import ArchlintError
from archlint.evidence import Evidence
from archlint.facts import build
from archlint.lab.events import Backend, Done, Event, Failed, Request, Tell
from archlint.lab.untried import told
from archlint.readers import open_model
from archlint.rules import Finding, Report, Rule, load, run

MEMORY = 6 * 2**30
"""Bytes of address space beyond what TensorFlow takes at its start."""

FILE_BYTES = 64 * 2**20
"""Of any file that the child writes; it needs none, its libraries a few small ones in its temporary folder."""

OPEN_FILES = 256
"""At a time; a run has about 40."""

CLUSTER_FILE_BYTES = 512 * 2**20
"""The same where a cluster is started: the memory that Ray's processes share is a file."""

CLUSTER_OPEN_FILES = 4096
"""The same: sockets between its processes."""

SPARE_SECONDS = 60
"""Of processor time beyond the deadline, at which the child ends even if nobody is left to end it."""

GRACE = 4.0
"""Seconds to tidy up in: what loky shares between processes is left behind by one that is killed. Ray takes three."""

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

_CLUSTERS: Mapping[Backend | None, Mapping[str, str | None]] = {
    Backend.dask: {"DASK_SCHEDULER_ADDRESS": None, "DASK_CONFIG": "~/.config/dask"},
    Backend.ray: {
        "RAY_ADDRESS": None,
        "RAY_AUTH_MODE": None,
        "RAY_AUTH_TOKEN": None,
        "RAY_AUTH_TOKEN_PATH": "~/.ray/auth_token",
    },
}
"""The same for who asks for a cluster: where it is and how to get in, and the files that say so if no variable does."""

_SET = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray tells its makers of each cluster otherwise
}

_PLACES = ("HOME", "TMPDIR", "TEMP", "TMP", "KERAS_HOME", "XDG_CACHE_HOME", "JOBLIB_TEMP_FOLDER")

_NO_TENSORFLOW = "TensorFlow is not installed, and verifying trains with it: pip install archlint[verify]"

_DEATHS = {
    "SIGKILL": "it was killed, most likely for want of memory",
    "SIGABRT": "a library gave up, most likely for want of memory",
    "SIGSEGV": "a library crashed",
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
    with (
        TemporaryDirectory(prefix="archlint-", ignore_cleanup_errors=True) as folder,
        _running(Path(folder), deadline, request.backend) as (process, late),
    ):
        _send(process, _with_safety(request))
        last = None
        for last in _events(process):
            tell(last)
            if isinstance(last, Done | Failed):  # what it has started need not come to an end
                break
        else:
            process.wait()
    if not isinstance(last, Done | Failed):
        tell(Failed(sentence=_death(process.returncode, deadline, is_late=late.is_set())))


def _with_safety(request: Request) -> Request:
    """The request with all rules about safety, as archlint ships them, whatever the user has chosen."""
    rules = {rule.code: rule for rule in request.rules} | {
        rule.code: rule for rule in load() if rule.code.startswith(SAFETY)
    }
    return msgspec.structs.replace(request, rules=tuple(rules.values()))


def _started(folder: Path, deadline: float, backend: Backend | None) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "archlint.lab.isolated", str(deadline)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=_environment(folder, backend),
        start_new_session=True,  # Ctrl-C in the terminal is the parent's to handle
    )


def _environment(folder: Path, backend: Backend | None) -> dict[str, str]:
    cluster = _CLUSTERS.get(backend, {})
    usual = {name: Path(place).expanduser() for name, place in cluster.items() if place}
    found = {name: str(path) for name, path in usual.items() if path.exists()}
    kept = found | {name: os.environ[name] for name in (*_KEPT, *cluster) if name in os.environ}
    package = str(Path(__file__).parents[2])
    searched = os.pathsep.join([package, *filter(None, [kept.get("PYTHONPATH")])])
    places = dict.fromkeys(_PLACES, str(folder))
    return {**kept, **places, **_SET, "PYTHONPATH": searched}


@contextmanager
def _running(
    folder: Path, deadline: float, backend: Backend | None
) -> Iterator[tuple["subprocess.Popen[bytes]", threading.Event]]:
    """A process, ended on the deadline (which the event tells), and when the block is left, by Ctrl-C, too."""
    process = None
    try:
        with _uninterrupted():  # or nobody would know of it
            process = _started(folder, deadline, backend)
        with _timed(process, deadline) as late:
            yield process, late
    finally:
        if process is not None:
            with _uninterrupted():
                _kill(process)
                _close(process)


@contextmanager
def _timed(process: "subprocess.Popen[bytes]", deadline: float) -> Iterator[threading.Event]:
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


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until the block is left."""
    handled = callable(signal.getsignal(signal.SIGINT))  # in the background, a shell has it ignored
    if threading.current_thread() is not threading.main_thread() or not handled:
        yield
        return
    waiting: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: waiting.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if waiting:
        raise KeyboardInterrupt


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Ends it with all that it has started: first so that it can tidy up, then in any case."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):  # all are gone
            os.killpg(process.pid, signal.SIGTERM)
            _wait_for_all(process, GRACE)
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _wait_for_all(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """Waits for its group; ProcessLookupError once there is none."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        process.poll()
        os.killpg(process.pid, 0)
        time.sleep(0.02)


def _close(process: "subprocess.Popen[bytes]") -> None:
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):
            if pipe:
                pipe.close()


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
            request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
            _limit(int(float(sys.argv[1])), clustered=request.backend in _CLUSTERS)
            _answer(request, tell)
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
        if refusal := _refusal(report, request.path):
            tell(Failed(sentence=refusal))
            return
        found = _claimed(request, report)
        if told(model, found, request, data.name if data else None, tell):
            return
        began = time.perf_counter()
        from archlint.lab import samples
        from archlint.lab.engines import engine
        from archlint.lab.run import prove
        from archlint.lab.training import pin_threads

        starting = time.perf_counter() - began
        pin_threads()
        _limit_memory()
        given = samples.load(Path(request.data), data, model, request.columns) if request.data and data else None
        with engine(request, starting) as workers:
            prove(model, found, given, request, tell, trained=facts.trained, engine=workers)


def _refusal(report: Report, path: str) -> str | None:
    """Why the file is not touched any further, and how to learn more."""
    found = [finding for finding in report.findings if finding.code.startswith(SAFETY)]
    unjudged = [rule for rule in report.not_checked if rule.code.startswith(SAFETY) and not rule.needs]
    if not found and not unjudged:
        return None
    why = f"{found[0].name}: {found[0].message}" if found else f"{unjudged[0].name} could not judge it"
    shown = f"archlint check --isolated --select {SAFETY} {quote(path)}"
    return f"the lab does not touch this file: {why}; `{shown}` says all that speaks against it"


def _claimed(request: Request, report: Report) -> list[tuple[Rule, Finding]]:
    """The findings to test, each with its rule."""
    rules = {rule.code: rule for rule in request.rules if rule.claim}
    wanted = None if request.only is None else set(request.only)
    return [
        (rules[finding.code], finding)
        for finding in report.findings
        if finding.code in rules and (wanted is None or (finding.code, finding.layer) in wanted)
    ]


def _limit(seconds: int, *, clustered: bool) -> None:
    """Bounds what the process may take, and each that it starts, where the platform can."""
    if sys.platform == "win32":
        return
    import resource

    limits: Mapping[int, int] = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: seconds + SPARE_SECONDS,
        resource.RLIMIT_FSIZE: CLUSTER_FILE_BYTES if clustered else FILE_BYTES,
        resource.RLIMIT_NOFILE: CLUSTER_OPEN_FILES if clustered else OPEN_FILES,
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
