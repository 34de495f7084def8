"""What can be configured: one table that parses configurations and makes their JSON schema and their reference."""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from archlint.evidence import Reading
from archlint.limits import DIGEST_DIGITS, MIB, WEIGHT_BYTES
from archlint.rules.rule import SEVERITIES, Level, Severity
from archlint.targets import Target


def _key(takes: str, description: str, example: Any) -> Meta:
    """What is said of a key: in errors what it takes, in the schema and the reference also what it does."""
    return Meta(description=description, examples=[example], extra={"takes": takes})


def _one_of(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


_RULES = "names, codes, beginnings of codes such as LOS, or globs"
_Text = Annotated[str, Meta(pattern=r"\S")]
_Glob = Annotated[str, Meta(pattern=r"^(?=.*[^\s!/])(?!.*\[[^\]]*$)(?:[^\\]|\\[^\w])*$")]
"""No backslashes between folders, and no set that is left open: it would match nothing, and nobody would know."""
_Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class Ignored(Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """Findings that are not reported, and the reason."""

    rule: Annotated[_Text, _key(f"a rule ({_RULES})", f"Whose findings: {_RULES}.", "bias-before-norm")]
    why: Annotated[
        _Text,
        _key(
            "the reason, a text",
            "The reason, for whoever reads the configuration or the report.",
            "a pretrained backbone",
        ),
    ]
    file: Annotated[
        _Glob,
        _key("a pattern for files, as in .gitignore", "In which files, as in `.gitignore`.", "models/legacy/"),
    ] = "**"
    layer: Annotated[
        _Text,
        _key(
            "a pattern for layers",
            "At which layers: their whole path, in which `*` stands for anything. Only `*` itself is also about "
            "findings on the model as a whole.",
            "encoder/*",
        ),
    ] = "*"
    digest: Annotated[
        str,
        Meta(pattern=rf"^(\*|[0-9a-f]{{{DIGEST_DIGITS}}})$"),
        _key(
            f"a digest of {DIGEST_DIGITS} hexadecimal digits, or *",
            "Of which content: the digest that findings of the rules `SEC` give. Other content in its place is "
            "reported. `*`: whatever it is.",
            "0123456789abcdef0123456789abcdef",
        ),
    ] = "*"


class Settings(Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """The settings of archlint: an `archlint.toml`, or the table `[tool.archlint]` of a `pyproject.toml`.

    Once they are read (`Projects`), `rules` and `baseline` are absolute, and `extend` is resolved and gone.
    """

    extend: Annotated[
        _Text | None,
        _key(
            "the path of a configuration",
            "The configuration that this one starts from, named from the folder of this file. What is set here wins; "
            "tables such as `severity` are put together entry by entry, `ignore` and `exclude` add up, other lists are "
            "replaced. A configuration in a folder further up is not looked at unless it is named here.",
            "../archlint.toml",
        ),
    ] = None
    select: Annotated[
        tuple[_Text, ...],
        _key(f"a list of rules ({_RULES})", f"Run only these rules: {_RULES}. Empty: all.", ["LOS", "dropout-rate"]),
    ] = ()
    ignore: Annotated[
        tuple[_Text | Ignored, ...],
        _key(
            f"a list of rules ({_RULES}), and of tables with rule and why",
            "A rule does not run. A table hides its findings in some files or layers and says why; it can also be "
            "written as `[[ignore]]` (in `pyproject.toml`: `[[tool.archlint.ignore]]`). An entry that hides nothing "
            "any more is reported.",
            ["NRM", {"rule": "dead-filters", "why": "pruned on purpose", "file": "models/pruned/"}],
        ),
    ] = ()
    per_file_ignores: Annotated[
        Mapping[_Glob, tuple[_Text, ...]],
        _key(
            "a table of file patterns, each with a list of rules",
            "Rules that do not run on some files. Patterns are as in `.gitignore`, from the folder of the closest "
            "configuration.",
            {"models/legacy/": ["INI", "OPT"], "*.onnx": ["bias-before-norm"]},
        ),
    ] = {}
    severity: Annotated[
        Mapping[_Text, Severity],
        _key(
            f"a table of rules, each with {_one_of(SEVERITIES)}",
            "The severity of all findings of a rule. A rule named by itself counts more than one that a beginning or "
            "a glob stands for; else the later entry wins.",
            {"DRP": "advice", "missing-nonlinearity": "error"},
        ),
    ] = {}
    options: Annotated[
        Mapping[_Text, Mapping[_Text, bool | _Integer | float | str]],
        _key(
            "a table of rules, each with a table of options (numbers, texts, true or false)",
            "Options of rules; `archlint rule NAME` says which a rule has.",
            {"no-dropout-before-dense": {"min-params": 100_000}},
        ),
    ] = {}
    rules: Annotated[
        tuple[_Text, ...],
        _key(
            "a list of paths",
            "Rule pages of your own: folders of them, or pages, named from the folder of this file. They are data; "
            "nothing in them is executed.",
            ["lint/rules"],
        ),
    ] = ()
    preview: Annotated[bool, _key("true or false", "Also run rules that are not yet stable.", True)] = False
    exclude: Annotated[
        tuple[_Glob, ...],
        _key(
            "a list of file patterns, as in .gitignore",
            "Files and folders that a search for models passes over; patterns are as in `.gitignore`, from the folder "
            "of the closest configuration.",
            ["checkpoints/", "*.bak.h5"],
        ),
    ] = ()
    force_exclude: Annotated[
        bool,
        _key("true or false", "`exclude` holds for files that are named one by one, too, as pre-commit does.", True),
    ] = False
    target: Annotated[
        Target | None,
        _key(
            _one_of(tuple(Target)),
            "The runtime that the models are meant for; the rules about it run, too.",
            "tensorrt",
        ),
    ] = None
    weights: Annotated[
        Reading,
        _key(
            _one_of(tuple(Reading)),
            "Whether the numbers of stored weights are read; `auto`: up to the budget.",
            "never",
        ),
    ] = Reading.auto
    weights_budget: Annotated[
        int,
        Meta(ge=0, le=2**40),
        _key(
            "a whole number of MiB, 0 or more", "Up to how many MiB of weights are read where `weights` is `auto`.", 64
        ),
    ] = WEIGHT_BYTES // MIB
    fail_on: Annotated[
        Level,
        _key(
            _one_of((*SEVERITIES, "never")),
            "A finding of this severity or a graver one makes the exit code 1.",
            "error",
        ),
    ] = "warning"
    baseline: Annotated[
        _Text | None,
        _key(
            "the path of a baseline",
            "A file of known findings, which are not reported, named from the folder of this file; `archlint baseline` "
            "writes it.",
            "archlint-baseline.json",
        ),
    ] = None
    strict: Annotated[
        bool, _key("true or false", "An entry of `ignore` that hides nothing makes the exit code 1.", True)
    ] = False

    @property
    def ignored_rules(self) -> tuple[str, ...]:
        """The selectors in `ignore`: what they name does not run."""
        return tuple(entry for entry in self.ignore if isinstance(entry, str))

    @property
    def ignored_findings(self) -> tuple[Ignored, ...]:
        """The tables in `ignore`: what they name runs, and is hidden."""
        return tuple(entry for entry in self.ignore if isinstance(entry, Ignored))

    @property
    def weight_bytes(self) -> int:
        """The budget for weights in bytes."""
        return self.weights_budget * MIB
