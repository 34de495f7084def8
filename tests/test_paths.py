"""From what the user names to model files."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support import FIXTURES, Archlint

from archlint.errors import UsageError
from archlint.globs import file_matches
from archlint.paths import model_files

Tree = Callable[..., None]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """Makes files in a folder, which is the current one."""
    monkeypatch.chdir(tmp_path)

    def make(*names: str) -> None:
        for name in names:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).touch()

    return make


def without(*patterns: str, forced: bool = False) -> Callable[[str, bool], bool]:
    """Passes over what matches, and what was named only if forced to."""
    return lambda path, named: (forced or not named) and file_matches(patterns, path)


class TestLinks:
    def test_to_files_are_followed(self, tree: Tree) -> None:
        tree("store/1f.h5", "models/a.h5")
        Path("models/b.h5").symlink_to("../store/1f.h5")
        assert model_files(["models"]) == ["models/a.h5", "models/b.h5"]

    def test_to_folders_are_followed_only_if_they_are_named(self, tree: Tree) -> None:
        tree("store/a.h5", "models/b.h5")
        Path("models/linked").symlink_to("../store")
        assert model_files(["models"]) == ["models/b.h5"]
        assert model_files(["models/linked"]) == ["models/linked/a.h5"]

    def test_that_lead_in_circles_end(self, tree: Tree) -> None:
        tree("models/a.h5", "models/deep/b.h5")
        for name in ("one", "two", "three"):
            Path(f"models/{name}").symlink_to(".")
        both = ["models/a.h5", "models/deep/b.h5"]
        assert [model_files([name]) for name in (".", "models", "**/*.h5", "**/*/**/b.h5", "**")] == [
            ["models/a.h5", "models/deep/b.h5"],
            both,
            both,
            ["models/deep/b.h5"],
            ["models/a.h5", "models/deep/b.h5"],
        ]

    def test_to_a_file_that_is_there_as_well_do_not_make_two_of_it(self, tree: Tree) -> None:
        tree("epoch_9.h5")
        Path("latest.h5").symlink_to("epoch_9.h5")
        assert model_files(["."]) == ["epoch_9.h5"]
        assert model_files(["latest.h5", "."]) == ["latest.h5"]

    def test_to_nothing_are_kept_to_be_reported(self, tree: Tree) -> None:
        tree()
        Path("gone.h5").symlink_to("nothing.h5")
        assert model_files(["."]) == ["gone.h5"]


class TestGlobs:
    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("**/*.h5", ["a.h5", "m/b.h5", "m/n/c.h5"]),
            ("m/**/*.h5", ["m/b.h5", "m/n/c.h5"]),
            ("m/**", ["m/b.h5", "m/n/c.h5"]),
            ("**/n/*", ["m/n/c.h5"]),
            ("*/n/**/c.*", ["m/n/c.h5"]),
            ("m**/*.h5", ["m/b.h5"]),
            ("*", ["a.h5", "m/b.h5", "m/n/c.h5"]),
        ],
    )
    def test_stand_for_what_they_do_in_a_shell(self, tree: Tree, pattern: str, expected: list[str]) -> None:
        tree("a.h5", "m/b.h5", "m/n/c.h5", "m/n/notes.txt", ".hidden/d.h5")
        assert model_files([pattern]) == expected

    def test_are_told_from_files_of_that_name(self, tree: Tree) -> None:
        tree("model[1].h5", "model1.h5", "in [2]/a.h5", "in [2]/deep/b.h5")
        assert model_files(["model[1].h5"]) == ["model[1].h5"]
        assert model_files(["in [[]2]/**/*.h5"]) == ["in [2]/a.h5", "in [2]/deep/b.h5"]


class TestWhatIsExcluded:
    def test_is_passed_over_in_folders_and_globs(self, tree: Tree) -> None:
        tree("models/a.h5", "models/a.bak.h5", "models/old/b.h5")
        for named in ("models", "models/**/*.h5", "models/*"):
            assert model_files([named], without("old/", "*.bak.h5")) == ["models/a.h5"]

    def test_is_checked_if_it_is_named_unless_that_is_to_be_passed_over_too(self, tree: Tree) -> None:
        tree("models/a.h5", "models/old/b.h5")
        named = ["models/a.h5", "models/old/b.h5"]
        assert model_files(named, without("old/")) == named
        assert model_files(named, without("old/", forced=True)) == ["models/a.h5"]

    def test_may_be_all_that_is_named(self, tree: Tree) -> None:
        tree("models/old/a.h5", "models/old/b.h5")
        named = ["models/old/a.h5", "models/old"]
        assert model_files(named, without("old/", forced=True)) == []

    def test_is_named_if_there_is_nothing_else(self, tree: Tree) -> None:
        tree("models/old/a.h5")
        for named, excluded in (
            ("models", "models/old/"),
            ("models/old", "models/old/a.h5"),
            ("**/*.h5", "models/old/"),
        ):
            with pytest.raises(UsageError, match=rf"but for what is excluded, such as {excluded}; give another path"):
                model_files([named], without("old/"))

    def test_is_not_even_looked_into(self, tree: Tree) -> None:
        tree("models/a.h5", "models/old/deep/b.h5", "models/old/deeper/c.h5")
        asked: list[str] = []

        def excluded(path: str, named: bool) -> bool:
            asked.append(path)
            return file_matches(["old/"], path)

        assert model_files(["models"], excluded) == ["models/a.h5"]
        assert asked == ["models/", "models/old/", "models/a.h5"]


def test_ten_thousand_files_are_listed_each_looked_at_once(tree: Tree) -> None:
    tree(*(f"{folder:02}/{number:02}.h5" for folder in range(100) for number in range(100)))
    asked: list[str] = []
    found = model_files(["."], lambda path, _named: bool(asked.append(path)))
    assert (len(found), found == sorted(found), len(asked)) == (10_000, True, 10_000 + 100 + 1)


def test_the_same_file_is_checked_once_however_it_is_named(tree: Tree) -> None:
    tree("models/a.h5")
    assert model_files(["models/a.h5", "./models/../models/a.h5", os.path.realpath("models/a.h5"), "models"]) == [
        "models/a.h5"
    ]


def test_a_name_that_is_too_long_to_be_one_fails_alone(archlint: Archlint) -> None:
    long = f"{'a' * 300}.h5"
    ran = archlint("check", FIXTURES / "models" / "clean_mlp.h5", long, "--weights", "always", "-f", "json")
    assert ran.code == 2
    assert [file["status"] for file in ran.json["files"]] == ["checked", "failed"]
