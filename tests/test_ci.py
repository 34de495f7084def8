"""The GitHub action and the examples for CI: valid by the schemas of the services, and run as a runner runs them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from support import FIXTURES

ROOT = FIXTURES.parent
EXAMPLES = ROOT / "docs/ci"
MODELS = FIXTURES / "models"
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("github-actions", "action.yml"),
        ("github-workflows", "docs/ci/github.yml"),
        ("gitlab-ci", "docs/ci/gitlab-ci.yml"),
    ],
)
def test_it_is_valid_by_the_schema_of_the_service(schema: str, path: str) -> None:
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", ROOT / path)
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_the_example_for_pre_commit_is_valid_and_names_a_hook_that_there_is() -> None:
    example = EXAMPLES / "pre-commit-config.yaml"
    subprocess.run([sys.executable, "-m", "pre_commit", "validate-config", example], check=True)
    [repository] = yaml.safe_load(example.read_text(encoding="utf-8"))["repos"]
    hooks = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))}
    assert {hook["id"] for hook in repository["hooks"]} <= hooks


def test_no_script_of_the_action_has_an_expression_in_it() -> None:
    scripts = [step["run"] for step in ACTION["runs"]["steps"] if "run" in step]
    assert len(scripts) == 4
    assert not any("${{" in script for script in scripts)


def test_the_example_for_github_uses_inputs_that_the_action_has() -> None:
    workflow = yaml.safe_load((EXAMPLES / "github.yml").read_text(encoding="utf-8"))
    [step] = [step for step in workflow["jobs"]["archlint"]["steps"] if "archlint" in step["uses"]]
    assert step["with"].keys() <= ACTION["inputs"].keys()


class Job(NamedTuple):
    """What a run of the action did: how it ended, its outputs, what it uploaded, its log and its summary."""

    code: int
    outputs: dict[str, str]
    uploads: list[dict[str, Any]]
    log: str
    summary: str


class Runner:
    """Runs the scripts of the action as the runner of GitHub does, and notes what other actions are told to do."""

    def __init__(self, repository: Path, temporary: Path, values: dict[str, str], given: dict[str, str]) -> None:
        self.repository = repository
        self.temporary = temporary
        inputs = {name: str(described["default"]) for name, described in ACTION["inputs"].items()} | given
        self.values = values | {f"inputs.{name}": value for name, value in inputs.items()}
        self.uploads: list[dict[str, Any]] = []
        self.log = ""

    def run(self, steps: list[dict[str, Any]]) -> Job:
        """The steps up to the last one, or to one that fails."""
        summary = self.temporary / "summary.md"
        summary.write_text("", encoding="utf-8")
        code = 0
        for step in steps:
            if code == 0 and self.holds(step.get("if", "")):
                code = self.step(step)
        outputs = {name: self.filled(output["value"]) for name, output in ACTION["outputs"].items()}
        return Job(code, outputs, self.uploads, self.log, summary.read_text(encoding="utf-8"))

    def step(self, step: dict[str, Any]) -> int:
        """One step; its outputs are values for the next ones."""
        if "uses" in step:
            with_ = {name: self.filled(text) for name, text in step["with"].items()}
            self.uploads.append(with_ | {"log": json.loads(Path(with_["sarif_file"]).read_text(encoding="utf-8"))})
            return 0
        output = self.temporary / "output.txt"
        output.write_text("", encoding="utf-8")
        environment = (
            os.environ | {"PIP_NO_COMPILE": "1"} | {name: self.filled(text) for name, text in step["env"].items()}
        )
        environment |= {
            "RUNNER_OS": "Linux",
            "RUNNER_TEMP": str(self.temporary),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.temporary / "summary.md"),
        }
        command = [
            "bash",
            "--noprofile",
            "--norc",
            "-eo",
            "pipefail",
            "-c",
            step["run"],
        ]  # what `shell: bash` stands for
        ran = subprocess.run(command, cwd=self.repository, env=environment, capture_output=True, text=True, check=False)
        self.log += ran.stdout + ran.stderr
        said = dict(line.split("=", 1) for line in output.read_text(encoding="utf-8").splitlines())
        self.values |= {f"steps.{step['id']}.outputs.{name}": value for name, value in said.items()}
        return ran.returncode

    def filled(self, text: str) -> str:
        """The text with the values of its expressions, each the name of one."""
        return re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda found: self.values.get(found[1], ""), str(text))

    def holds(self, condition: str) -> bool:
        """Whether comparisons with a text, joined by `&&`, all hold."""
        comparisons = re.findall(r"([\w.-]+) (==|!=) '(.*?)'", condition)
        return all((self.values.get(name, "") == text) is (sign == "==") for name, sign, text in comparisons)


STEPS = ACTION["runs"]["steps"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """A runner that has installed archlint, in a repository with modules of its own."""
    temporary = tmp_path_factory.mktemp("runner")
    workspace = hostile(tmp_path_factory.mktemp("workspace"))
    runner = Runner(workspace, temporary, {"steps.python.outputs.python-path": sys.executable}, {})
    assert runner.run(STEPS[1:2]).code == 0, runner.log
    return runner


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with models."""
    for folder, names in {"good": ["clean_mlp.h5"], "bad": ["faulty.h5", "faulty.keras"]}.items():
        (tmp_path / folder).mkdir()
        for name in names:
            shutil.copy(MODELS / name, tmp_path / folder)
    return tmp_path


def hostile(repository: Path) -> Path:
    """The repository with modules that have the names of those which the action uses."""
    for name in ("json", "pip", "venv"):
        (repository / f"{name}.py").write_text("raise SystemExit('code of the repository was run')", encoding="utf-8")
    return repository


def job(installed: Runner, repository: Path, **given: str) -> Job:
    """The action, installed already, with these inputs."""
    inputs = {name.replace("_", "-"): value for name, value in given.items()}
    return Runner(repository, installed.temporary, installed.values, inputs).run(STEPS[2:])


def results(ran: Job) -> list[tuple[str, str]]:
    """What is uploaded, as files and rules."""
    [upload] = ran.uploads
    return [
        (result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], result["ruleId"])
        for result in upload["log"]["runs"][0]["results"]
    ]


def test_the_action_checks_the_repository_and_uploads_what_it_found(installed: Runner, repository: Path) -> None:
    ran = job(installed, repository)
    assert (ran.code, ran.outputs["exit-code"]) == (1, "1"), ran.log
    assert {file for file, _ in results(ran)} == {"bad/faulty.h5", "bad/faulty.keras"}
    assert ("bad/faulty.h5", "LOS001") in results(ran)
    assert re.search("^::error file=bad/faulty.h5,.*softmax-one-unit", ran.log, re.MULTILINE)
    assert "softmax-one-unit" in ran.summary


def test_the_action_passes_where_nothing_is_found(installed: Runner, repository: Path) -> None:
    ran = job(installed, repository, paths="good\n")
    assert (ran.code, ran.outputs["exit-code"]) == (0, "0")
    assert results(ran) == []


def test_the_action_takes_several_paths_and_options(installed: Runner, repository: Path) -> None:
    ran = job(
        installed, repository, paths="good\nbad/*.keras\n", args="--select=LOS\n--ignore=LOS002\n", fail_on="never"
    )
    assert ran.code == 0
    assert results(ran) == [("bad/faulty.keras", "LOS001")]


def test_the_action_uploads_nothing_unless_it_is_wanted(installed: Runner, repository: Path) -> None:
    ran = job(installed, repository, upload_sarif="false")
    assert (ran.code, ran.uploads) == (1, [])
    assert Path(ran.outputs["sarif"]).is_file()


def test_the_action_does_not_upload_what_is_suppressed(installed: Runner, repository: Path) -> None:
    entry = '[[ignore]]\nfile = "*.keras"\nrule = "*"\nwhy = "kept for comparison"\n'
    (repository / "archlint.toml").write_text(entry, encoding="utf-8")
    ran = job(installed, repository)
    assert {file for file, _ in results(ran)} == {"bad/faulty.h5"}
    assert "kept for comparison" in Path(ran.outputs["sarif"]).read_text(encoding="utf-8")


def test_the_action_fails_with_2_where_something_could_not_be_checked(installed: Runner, repository: Path) -> None:
    (repository / "bad/broken.h5").write_text("no model", encoding="utf-8")
    ran = job(installed, repository, fail_on="never")
    assert (ran.code, ran.outputs["exit-code"], len(ran.uploads)) == (2, "2", 1)


def test_the_action_fails_with_2_and_uploads_nothing_where_it_could_not_begin(
    installed: Runner, repository: Path
) -> None:
    ran = job(installed, repository, paths="nowhere/*.h5")
    assert (ran.code, ran.outputs, ran.uploads) == (2, {"exit-code": "2", "sarif": ""}, [])
    assert "no model file" in ran.log


def test_the_action_runs_no_code_of_the_repository(installed: Runner, repository: Path) -> None:
    ran = job(installed, hostile(repository))
    assert (ran.code, len(ran.uploads)) == (1, 1), ran.log
    assert "was run" not in ran.log + installed.log


@pytest.mark.parametrize("name", ["paths", "args", "fail-on", "category", "upload-sarif"])
def test_no_input_of_the_action_is_run_as_a_command(installed: Runner, repository: Path, name: str) -> None:
    evil = "$(touch owned) `touch owned`; touch owned\n\"; touch owned #\n'; touch owned #"
    job(installed, repository, **{name: evil})
    assert not [*repository.rglob("owned")]
    assert not [*installed.temporary.rglob("owned")]


def test_a_path_that_looks_like_an_option_is_none(installed: Runner, repository: Path) -> None:
    ran = job(installed, repository, paths="--exit-zero\nbad\n")
    assert ran.outputs["exit-code"] == "2"


def test_the_example_for_gitlab_writes_the_reports_that_it_names(installed: Runner, repository: Path) -> None:
    example = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text(encoding="utf-8"))["archlint"]
    (repository / "bad").rename(repository / "models")
    scripts = installed.values["steps.install.outputs.scripts"]
    environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    ran = subprocess.run(example["script"][0], shell=True, cwd=repository, env=environment, check=False)
    assert ran.returncode == 1
    for report in example["artifacts"]["reports"].values():
        assert "softmax-one-unit" in (repository / report).read_text(encoding="utf-8")
