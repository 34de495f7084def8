"""`archlint.check`: a model in a file, in bytes or in memory, and what the rules say of it."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from inspect import isroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeGuard, Unpack

import msgspec

from archlint import __version__
from archlint.api.report import Report
from archlint.baseline import Baseline, hide, read
from archlint.config import Project, Projects
from archlint.errors import ReadError, UsageError
from archlint.evidence import Evidence, Reading
from archlint.facts import build
from archlint.pipeline import check as check_file
from archlint.readers.live import library_of, read_live
from archlint.reports import Checked, summarise
from archlint.rules import Rule, run
from archlint.rules.catalogue import refuse_unknown
from archlint.selection import chosen_rules, known_rules
from archlint.suppression import Wish, suppress, wishes
from archlint.targets import Target, told_apart

if TYPE_CHECKING:
    from onnx import ModelProto

    from archlint.dataset import Dataset

Place = str | os.PathLike[str]
Words = str | Sequence[str]
Data = Place | tuple[Any, Any] | Mapping[str, Any]
"""A file of training data, the arrays `(x, y)`, or arrays by the names that they would have in an .npz file."""

Weights = Literal["auto", "always", "never"]

_TAKEN = (
    "a path, the bytes of a file, a Keras model or an onnx.ModelProto; export a PyTorch model with torch.onnx.export()"
)
_OF_THE_COMMAND_LINE = re.compile(r"(?<!\S)--(?=(?:target|data|weights|config)\b)")


class Options(TypedDict, total=False):
    """What `check` takes besides the model."""

    select: Words | None
    ignore: Words | None
    rules: Place | Sequence[Place] | None
    target: Words | None
    data: Data | None
    weights: Weights | None
    preview: bool | None
    config: Place | None


def check(
    model: object,
    *,
    select: Words | None = None,
    ignore: Words | None = None,
    rules: Place | Sequence[Place] | None = None,
    target: Words | None = None,
    data: Data | None = None,
    weights: Weights | None = None,
    preview: bool | None = None,
    config: Place | None = None,
) -> Report:
    """What the rules say of a model.

    Args:
        model: a path, the bytes of a model file, a model of Keras 3 or 2 (`tf_keras`), or an `onnx.ModelProto`.
        select: only these rules: names, codes, beginnings of codes (`LOS`) or globs; a list, or separated by commas.
        ignore: not these rules, named in the same way.
        rules: pages of further rules, or folders of them.
        target: the runtime that the model is meant for, and, of a table of data, the columns that it learns.
        data: training data to go by, too: a file, arrays `(x, y)`, or arrays by name: `x`, `y`, `x_val`, `x_0` …
        weights: whether the numbers of the weights are looked at; `auto`, the default: if they are 256 MiB or less.
        preview: whether rules in preview speak, too.
        config: a configuration file, which the other arguments add to or go before, as they do on the command line.
            None is looked for. What the baseline that it names holds of a file is hidden.

    Raises:
        ReadError: the model cannot be read; the sentence names it.
        UsageError: an argument or the configuration names nothing, or the data is of no use.
    """
    linter = Linter.of(
        select=select,
        ignore=ignore,
        rules=rules,
        target=target,
        data=data,
        weights=weights,
        preview=preview,
        config=config,
    )
    return linter.report(model)


@dataclass(frozen=True)
class Linter:
    """A configuration whose rules are chosen and evidence that is read, for any number of models."""

    project: Project
    known: tuple[Rule, ...]
    wishes: tuple[Wish, ...]
    evidence: Evidence

    @classmethod
    def of(cls, **options: Unpack[Options]) -> "Linter":
        """As the options of `check` say.

        Raises:
            UsageError: one of them or the configuration names nothing, there is no such option, or the data is of no
                use.
        """
        refuse_unknown_options(options)
        with _in_python():
            return cls._of(options)

    @classmethod
    def _of(cls, options: Options) -> "Linter":
        data = options.get("data")
        runtime, columns = told_apart(_words(options, "target"), data=data is not None)
        project = _project(options, runtime)
        settings, known = project.settings, known_rules(project)
        refuse_unknown(known, (*_words(options, "select"), *_words(options, "ignore")))
        dataset = None if data is None else _dataset(data, columns)
        evidence = Evidence(settings.target, settings.weights, dataset, budget=settings.weight_bytes)
        linter = cls(project, known, wishes(settings.ignored_findings, known, project.name), evidence)
        linter.rules_for(None)
        return linter

    def rules_for(self, path: str | None) -> tuple[Rule, ...]:
        """The rules that judge a file; without a path, a model that is in no file.

        Raises:
            UsageError: the configuration names a rule that there is not, or no rule is left.
        """
        return chosen_rules(self.project, self.known, () if path is None else self.project.ignored_rules_for(path))

    @cached_property
    def baseline(self) -> Baseline | None:
        """The findings in files that the configuration has accepted.

        Raises:
            UsageError: the baseline is none, or cannot be read.
        """
        path = self.project.settings.baseline
        return None if path is None else read(Path(path))

    def report(self, model: object) -> Report:
        """What the rules say of a model; raises as `check` does."""
        path = os.fsdecode(model) if isinstance(model, str | os.PathLike) else None
        rules = self.rules_for(path)
        checked = _checked(model, rules, self.evidence)
        if checked.error is not None:
            raise ReadError(f"{checked.path}: {checked.error}")
        named = checked.path if path is None else self.project.relative(path)
        shown, _ = suppress(checked, self.wishes, named)
        if path is not None and self.baseline:
            shown = hide(shown, self.baseline, self.baseline.place(path))
        return Report.of(summarise((shown,), len(rules), __version__, self.evidence.data))


def refuse_unknown_options(given: Iterable[str], others: Sequence[str] = ()) -> None:
    """Refuse an option that `check` does not take, and the caller neither.

    Args:
        given: the names of the options.
        others: those that the caller takes besides.

    Raises:
        UsageError: there is no such option.
    """
    known = [*others, *Options.__annotations__]
    for name in given:
        if name not in known:
            close = [one for one in known if one.replace("_", "") == name.replace("_", "").lower()]
            meant = close or get_close_matches(name, known, 1)
            hint = f"; did you mean {meant[0]}?" if meant else f"; there are {', '.join(known)}"
            raise UsageError(f"there is no option {name}{hint}")


@contextmanager
def _in_python() -> Iterator[None]:
    """Lets an error speak of arguments where the command line has options."""
    try:
        yield
    except UsageError as error:
        raise UsageError(_OF_THE_COMMAND_LINE.sub("", str(error))) from error


def _project(options: Options, runtime: Target | None) -> Project:
    config, weights = options.get("config"), options.get("weights")
    if weights is not None and weights not in [*Reading]:
        raise UsageError(f"weights={weights!r} is none of {', '.join(Reading)}")
    overrides = {
        "select": _words(options, "select"),
        "ignore": _words(options, "ignore"),
        "rules": _places(options.get("rules")),
        "target": runtime,
        "weights": weights and Reading(weights),
        "preview": options.get("preview"),
    }
    files = [] if config is None else [_config_file(config)]
    return Projects(files, isolated=not files, overrides=overrides).of("")


def _checked(model: object, rules: Sequence[Rule], evidence: Evidence) -> Checked:
    if isinstance(model, str | os.PathLike):
        return check_file(os.fsdecode(model), rules, evidence)
    if isinstance(model, bytes | bytearray | memoryview):
        return _of_bytes(model, "<bytes>", rules, evidence)
    if library := library_of(model):
        return _live(model, library, rules, evidence)
    if _is_onnx(model):
        return _of_bytes(_serialized(model), f"<model {model.graph.name!r}>", rules, evidence)
    if isroutine(model) or isinstance(model, type):
        raise UsageError(f"archlint.check takes a model; call what builds it: archlint.check({_called(model)})")
    raise UsageError(f"archlint.check takes {_TAKEN}. Received: {type(model).__name__}")


def _called(builder: object) -> str:
    """The call of a function or class, as code."""
    name = getattr(builder, "__name__", "")
    return f"{name}()" if name.isidentifier() else "build()"


def _live(model: Any, library: str, rules: Sequence[Rule], evidence: Evidence) -> Checked:
    path = f"<model {model.name!r}>"
    try:
        read = read_live(model, library)
        with closing(build(read, evidence)) as facts:
            verdicts = run(rules, facts.connection, facts.absent)
            return Checked.of(path, read, verdicts, facts.trained)
    except (ReadError, UsageError) as error:  # the latter where the data does not fit this model
        return Checked.failed(path, str(error))


def _of_bytes(
    content: "bytes | bytearray | memoryview", path: str, rules: Sequence[Rule], evidence: Evidence
) -> Checked:
    with TemporaryDirectory(prefix="archlint-") as folder:
        file = Path(folder) / "model"
        file.write_bytes(content)
        return msgspec.structs.replace(check_file(file, rules, evidence), path=path)


def _words(options: Options, name: Literal["select", "ignore", "target"]) -> list[str]:
    given = options.get(name)
    listed = [given] if isinstance(given, str) else () if given is None else given
    if not isinstance(listed, Iterable) or not all(isinstance(text, str) for text in listed):
        raise UsageError(f"{name} takes names: a list of them, or one text with commas. Received: {given!r}")
    return [word.strip() for text in listed for word in text.split(",") if word.strip()]


def _places(given: Place | Sequence[Place] | None) -> list[Path]:
    listed = [given] if isinstance(given, str | os.PathLike) else () if given is None else given
    if not isinstance(listed, Iterable) or not all(isinstance(place, str | os.PathLike) for place in listed):
        raise UsageError(f"rules takes the path of a page or a folder, or a list of them. Received: {given!r}")
    return [Path(place) for place in listed]


def _config_file(given: object) -> str:
    if not isinstance(given, str | os.PathLike):
        raise UsageError(
            f"config takes the path of a configuration, such as archlint.toml. Received: {type(given).__name__}; "
            "what is stated in code is an argument of its own"
        )
    if not os.path.lexists(given):
        raise UsageError(f"config={os.fspath(given)!r}: there is no such file; check the path")
    return os.fsdecode(given)


def _dataset(given: Data, columns: Sequence[str]) -> "Dataset":
    from archlint.dataset import load as load_data  # here: it needs numpy
    from archlint.dataset.memory import of_arrays

    if isinstance(given, str | os.PathLike):
        return load_data(Path(given), columns)
    if isinstance(given, tuple) and len(given) == 2:
        given = {"x": given[0], "y": given[1]}
    if not isinstance(given, Mapping):
        raise UsageError(f"data is a file, arrays (x, y), or a dict of arrays. Received: {type(given).__name__}")
    if columns:
        raise UsageError(f"arrays have no columns, so target={columns[0]!r} names nothing in them; their targets are y")
    return of_arrays(given)


def _is_onnx(model: object) -> TypeGuard["ModelProto"]:
    """Whether it is a ModelProto, of whichever implementation of protobuf."""
    return getattr(getattr(model, "DESCRIPTOR", None), "full_name", None) == "onnx.ModelProto"


def _serialized(model: "ModelProto") -> bytes:
    try:
        written: bytes = model.SerializeToString()
    except Exception as error:  # protobuf's own classes of errors differ by implementation
        raise ReadError(
            f"<model {model.graph.name!r}>: protobuf cannot write it, as it cannot anything above 2 GiB; "
            "save it with onnx.save(model, path, save_as_external_data=True) and check the file"
        ) from error
    return written
