"""What a check does to the machine, from nothing: it opens the model, once, and nothing else; `test_hostile` looks at
what is left of that once all is imported."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from support import FIXTURES

sys.path.insert(0, str(FIXTURES.parent))

from fixtures.hostile import CASES  # beside the package, not in it
from fixtures.watched import ROOT, Watch, misdeeds

WATCHED = """
import json, sys
from fixtures.watched import watch
from archlint.cli import main

sys.dont_write_bytecode = True
seen = watch()
options = ["--isolated", "--jobs", "1", "--format", "json-lines", "--"]
sys.argv = ["archlint", "check", *options, *sys.stdin.read().split("\\0")]
try:
    main()
except SystemExit as end:
    sys.stdout.flush()
    print(json.dumps([end.code, seen._replace(modules=sorted(sys.modules))]), file=sys.stderr)
"""

VALID = sorted(path for folder in ("models", "exports") for path in (FIXTURES / folder).iterdir() if path.is_file())
KINDS = ("files", "zips", "names")


def watched(paths: Iterable[Path], folder: Path) -> tuple[int, Watch]:
    """Check the files in one process: its exit code, and what it did."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder), "OPENBLAS_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", WATCHED],
        input="\0".join(map(str, paths)).encode("utf-8", "surrogateescape"),
        capture_output=True,
        env=environment,
        check=False,
    )
    code, (events, code_run, modules) = json.loads(ran.stderr.splitlines()[-1])
    return code, Watch([*map(tuple, events)], [*map(tuple, code_run)], modules)


@pytest.mark.parametrize("corpus", ["valid", *KINDS])
def test_a_check_opens_each_model_once_and_no_other_file(corpus: str, tmp_path: Path) -> None:
    written = (case.into(tmp_path / "corpus") for case in CASES.values() if case.name.startswith(corpus))
    paths = [path for path in (VALID if corpus == "valid" else written) if not path.is_dir()]
    code, seen = watched(paths, tmp_path / "cache")
    assert code in (1, 2)
    assert misdeeds(seen, map(str, paths), tmp_path / "cache") == []


DEEDS = """
import json, sys
from fixtures.watched import watch

seen = watch()
open("/etc/hostname").close()
open("left", "w").close()
__import__("os").system("true")
__import__("marshal").loads(b"N")
exec("1")
__import__("socket").socket().close()
print(json.dumps(seen._replace(modules=["keras.src"])))
"""


def test_what_a_check_must_not_do_is_noticed(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", DEEDS], capture_output=True, cwd=tmp_path, env=environment, check=True)
    events, code_run, modules = json.loads(ran.stdout)
    found = misdeeds(Watch([*map(tuple, events)], [*map(tuple, code_run)], modules), [], tmp_path / "cache")
    noticed = ["opened /etc/hostname", "opened left", "wrote left", "os.system: ", "socket.__new__: "]
    noticed += ["marshal.loads of <string>", "exec of <string>", "imported keras.src"]
    assert [deed for deed in noticed if not any(line.startswith(deed) for line in found)] == []
