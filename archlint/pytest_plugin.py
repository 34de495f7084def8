"""A plugin for pytest: the fixture `archlint` fails a test whose model has faults.

    def test_the_architecture(archlint):
        archlint(build_model, ignore="relu-initializer")

It is loaded in every run of pytest where archlint is installed, so it imports nothing before it is used.
"""

from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Unpack

    from archlint.api import Options, Report
    from archlint.rules.rule import Level

_SETTINGS = {
    "fail_on": "the findings that fail a test: error, warning (the default), advice or never",
    "select": "only these rules: names, codes, beginnings of codes or globs, separated by commas",
    "ignore": "not these rules",
    "config": "a configuration of archlint, such as archlint.toml, which is not looked for otherwise",
}


class Check(Protocol):
    """What the fixture `archlint` is."""

    def __call__(
        self,
        model: object,
        *,
        fail_on: "Level | None" = None,
        **options: "Unpack[Options]",
    ) -> "Report":
        """Check a model, or the one that a function without arguments builds; fail the test if it has faults.

        Args:
            model: what `archlint.check` takes, or a function that returns it.
            fail_on: from which severity on findings fail the test.
            options: as of `archlint.check`; `select`, `ignore` and `config` go before those of pytest's configuration.
        """


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the command line, and of pytest's configuration under the same names."""
    group = parser.getgroup("archlint", "archlint, for tests that use its fixture")
    for name, text in _SETTINGS.items():
        group.addoption(f"--archlint-{name.replace('_', '-')}", metavar="…", help=text)
        parser.addini(f"archlint_{name}", text, default="warning" if name == "fail_on" else "")


@pytest.fixture(scope="session")
def archlint(pytestconfig: pytest.Config) -> Check:
    """Check a model: `archlint(build_model)`, `archlint(model)`, `archlint("model.onnx")`; faults fail the test."""

    def run(model: object, *, fail_on: "Level | None" = None, **options: Any) -> "Report":
        __tracebackhide__ = True
        from archlint import ArchlintError, check
        from archlint.api import refuse_unknown_options
        from archlint.readers.live import library_of

        defaults = {name: _setting(pytestconfig, name) for name in ("select", "ignore")}
        defaults["config"] = _config_file(pytestconfig)
        try:
            refuse_unknown_options(options, ("fail_on",))
            built = model() if callable(model) and not library_of(model) else model
            report = check(built, **{**defaults, **options})
            grave = report.at_least(fail_on or _setting(pytestconfig, "fail_on"))
        except ArchlintError as error:
            raise pytest.fail.Exception(f"archlint: {error}", pytrace=False) from None
        if grave or report.unfinished:
            pytest.fail(str(report), pytrace=False)
        return report

    return run


def _setting(config: pytest.Config, name: str) -> Any:
    return config.getoption(f"archlint_{name}") or config.getini(f"archlint_{name}")


def _config_file(config: pytest.Config) -> "Path | None":
    """The command line names it from the current folder, pytest's configuration from its own."""
    named, stated = config.getoption("archlint_config"), config.getini("archlint_config")
    folder = config.invocation_params.dir if named else config.rootpath
    return folder / str(named or stated) if named or stated else None
