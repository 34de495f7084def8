"""What a check does to the machine, by Python's own audit events: it opens the model, once, and nothing else."""

import json
import os
import subprocess
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support import FIXTURES

ROOT = FIXTURES.parent
sys.path.insert(0, str(ROOT))

from fixtures.hostile import CASES  # noqa: E402 # beside the package, not in it

AUDITED = """
import json, sys

events, run = [], set()

def hook(event, arguments):
    if event in ("compile", "exec", "marshal.loads", "marshal.load"):
        run.add((event, sys._getframe(1).f_code.co_filename))
    elif event == "open":
        events.append((event, str(arguments[0]), arguments[2] or 0))
    elif event == "import" or event.partition(".")[0] in WATCHED or event in WATCHED:
        events.append((event, str(arguments[0] if arguments else "")[:200], 0))

WATCHED = {"socket", "subprocess", "urllib", "pickle", "http", "ftplib", "smtplib", "webbrowser", "code",
           "os.system", "os.exec", "os.fork", "os.forkpty", "os.spawn", "os.posix_spawn", "os.remove", "os.rename",
           "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.chown", "os.truncate", "shutil",
           "tempfile.mkstemp", "builtins.input"}

from archlint.cli import main
sys.dont_write_bytecode = True
sys.addaudithook(hook)
options = ["--isolated", "--jobs", "1", "--format", "json-lines", "--"]
sys.argv = ["archlint", "check", *options, *sys.stdin.read().split("\\0")]
try:
    main()
except SystemExit as end:
    sys.stdout.flush()
    modules = sorted(sys.modules)
    print(json.dumps([end.code, events, sorted(run), modules]), file=sys.stderr)
"""

FOREIGN = frozenset({"keras", "tf_keras", "tensorflow", "h5py", "torch", "onnx", "jax", "pickle5", "fsspec"})
VALID = sorted(path for folder in ("models", "exports") for path in (FIXTURES / folder).iterdir() if path.is_file())


class Audit(NamedTuple):
    """What a process did: its exit code, its events, which files ran code that was not there before, its modules."""

    code: int
    events: list[tuple[str, str, int]]
    ran: list[tuple[str, str]]
    modules: list[str]

    def of(self, *kinds: str) -> list[str]:
        """What the events of these kinds were about."""
        return [said for event, said, _ in self.events if event in kinds]


def audited(paths: Iterable[Path], folder: Path) -> Audit:
    """Check the files in one process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder), "OPENBLAS_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", AUDITED],
        input="\0".join(map(str, paths)).encode("utf-8", "surrogateescape"),
        capture_output=True,
        env=environment,
        check=False,
    )
    code, events, code_run, modules = json.loads(ran.stderr.splitlines()[-1])
    return Audit(code, [(event, said, flags) for event, said, flags in events], list(map(tuple, code_run)), modules)


def is_ours(path: str, cache: Path) -> bool:
    """Whether a file belongs to archlint, Python or the packages they need, or tells of the process itself."""
    roots = [
        ROOT / "archlint",
        ROOT / "rules",
        cache,
        Path("/proc/self"),
        Path("/sys"),
        Path(sys.base_prefix),
        Path(sys.prefix),
    ]
    return path.isdigit() or any(
        Path(path).is_relative_to(root) for root in (*roots, *map(Path, filter(None, sys.path[1:])))
    )


def is_python(path: str) -> bool:
    """Whether code that makes code is of Python itself: its import system, or what builds classes and tuples."""
    own = [
        Path(sysconfig.get_path("stdlib")) / name
        for name in ("dataclasses.py", "collections", "importlib", "typing.py", "ast.py")
    ]
    return path.startswith("<frozen importlib") or any(map(Path(path).is_relative_to, own))


CORPORA: dict[str, Any] = {
    kind: lambda folder, kind=kind: [case.into(folder) for case in CASES.values() if case.name.startswith(kind)]
    for kind in ("files", "hdf5", "zips", "configs", "onnx", "names")
}
CORPORA["valid"] = lambda _folder: VALID
"""Files by kind; folders that hold none are left out."""


def files(corpus: str, folder: Path) -> Iterator[Path]:
    for path in CORPORA[corpus](folder):
        if not path.is_dir():
            yield path


@pytest.mark.parametrize("corpus", CORPORA)
def test_a_check_opens_each_model_once_and_no_other_file(corpus: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    paths = list(files(corpus, tmp_path / "corpus"))
    audit = audited(paths, cache)
    assert audit.code in (1, 2)

    models = {str(path) for path in paths}
    opened = Counter(audit.of("open"))
    assert [path for path in models if opened[path] > 1] == []
    assert [path for path in opened if path not in models and not is_ours(path, cache)] == []
    written = [said for event, said, flags in audit.events if event == "open" and flags & (os.O_WRONLY | os.O_RDWR)]
    assert [path for path in written if not Path(path).is_relative_to(cache)] == []

    assert [path for _, path in audit.ran if not is_python(path)] == []
    assert {name.partition(".")[0] for name in (*audit.modules, *audit.of("import"))} & FOREIGN == set()
    done = [(event, said) for event, said, _ in audit.events if event not in ("open", "import")]
    assert [(event, said) for event, said in done if str(cache) not in said] == []
