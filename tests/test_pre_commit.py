"""The hooks, as pre-commit itself installs and runs them, from a repository that holds what ours does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from support import FIXTURES

ROOT = FIXTURES.parent
PACKAGE = ("archlint", "rules", "pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml")
MODELS = FIXTURES / "models"
POINTER = """\
version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 132735
"""


class Users(NamedTuple):
    """A repository of a user's, whose commits are checked by the hook."""

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command in it."""
        return subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)

    def commit(self, **models: Path) -> subprocess.CompletedProcess[str]:
        """Commits models under these names."""
        for name, model in models.items():
            shutil.copy(model, self.folder / f"{name}{model.suffix}")
        self.run("git", "add", "--all")
        return self.run("git", "commit", "-m", "models")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables under which git and pre-commit know nothing of who runs the tests, and where."""
    theirs = {
        name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PRE_COMMIT", "PYTHON"))
    }
    return theirs | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": "tester@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        "PRE_COMMIT_HOME": str(tmp_path_factory.mktemp("pre-commit")),
        "PIP_NO_COMPILE": "1",  # of what is installed, little is run: this saves two thirds of the time
    }


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> tuple[Path, str]:
    """A repository with what ours would have if it was committed now, and its revision."""
    folder = tmp_path_factory.mktemp("archlint")
    for name in PACKAGE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    ours = Users(folder, environment)
    for command in (("init", "-q"), ("add", "--all"), ("commit", "-qm", "archlint")):
        assert ours.run("git", *command).returncode == 0
    return folder, ours.run("git", "rev-parse", "HEAD").stdout.strip()


@pytest.fixture
def users(
    request: pytest.FixtureRequest, tmp_path: Path, hooks: tuple[Path, str], environment: dict[str, str]
) -> Users:
    """A repository with a hook, `archlint` or what the test names; installed once, used by all tests."""
    folder, revision = hooks
    repository = Users(tmp_path, environment | {"XDG_CACHE_HOME": str(folder.parent / "cache")})
    hook = getattr(request, "param", "archlint")
    config = f"repos:\n- repo: {folder}\n  rev: {revision}\n  hooks:\n  - id: {hook}\n"
    (tmp_path / ".pre-commit-config.yaml").write_text(config, encoding="utf-8")
    repository.run("git", "init", "-q")
    installed = Users(tmp_path, environment).run(sys.executable, "-m", "pre_commit", "install", "--install-hooks")
    assert installed.returncode == 0, installed.stdout + installed.stderr
    return repository


def test_a_commit_of_a_good_model_goes_through(users: Users) -> None:
    ran = users.commit(good=MODELS / "clean_mlp.h5")
    assert ran.returncode == 0, ran.stderr
    assert "archlint" in ran.stderr
    assert "Passed" in ran.stderr


def test_a_commit_with_a_bad_model_is_stopped_and_says_why(users: Users) -> None:
    ran = users.commit(good=MODELS / "clean_mlp.h5", bad=MODELS / "faulty.keras")
    assert ran.returncode == 1
    assert "exit code: 1" in ran.stderr
    assert "bad.keras" in ran.stderr
    assert "softmax-one-unit" in ran.stderr
    assert "good.h5" not in ran.stderr


def test_a_commit_with_a_pointer_in_place_of_a_model_is_stopped(
    users: Users, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pointer = tmp_path_factory.mktemp("lfs") / "pointer.h5"
    pointer.write_text(POINTER, encoding="utf-8")
    ran = users.commit(pulled=MODELS / "clean_mlp.h5", pointer=pointer)
    assert ran.returncode == 1
    assert "exit code: 2" in ran.stderr
    assert "run `git lfs pull`" in ran.stderr


def test_what_is_no_model_is_not_checked(users: Users) -> None:
    (users.folder / "epoch.weights.h5").write_text("weights alone", encoding="utf-8")
    ran = users.commit()
    assert ran.returncode == 0
    assert "no files to check" in ran.stderr


def test_a_model_that_the_configuration_excludes_is_not_checked_though_it_is_named(users: Users) -> None:
    (users.folder / "archlint.toml").write_text('exclude = ["bad.*"]\n', encoding="utf-8")
    ran = users.commit(good=MODELS / "clean_mlp.h5", bad=MODELS / "faulty.h5")
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(("users", "code"), [("archlint", 0), ("archlint-advice", 1)], indirect=["users"])
def test_advice_stops_a_commit_if_one_wants_that(users: Users, code: int) -> None:
    ran = users.commit(advised=MODELS / "clipvalue_mlp.keras")
    assert ran.returncode == code, ran.stderr
