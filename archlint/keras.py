"""A callback for Keras that checks a model before it is trained.

    model.fit(x, y, callbacks=[archlint.keras.Guard()])

No Keras is imported by it; it works in whichever calls it.
"""

import sys
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, Unpack

from archlint.api import Linter, Options, Report, known_level, refuse_unknown_options
from archlint.errors import ArchitectureWarning, ArchlintError, ReadError
from archlint.reports.sentences import sentences
from archlint.rules.rule import Level

_INNER = ("archlint", "keras", "tf_keras", "tensorflow")
"""Packages whose functions lie between a user's call of `fit` and the callback."""


class Guard:
    """Checks the model at the start of every `fit`, before the first step; works in Keras 3 and 2 (`tf_keras`).

    A model that does not know its shapes before it sees data is checked after that first step.

    Args:
        fail_on: findings of this severity and graver ones raise `FindingsError`.
        warn_on: of the others, those of this severity and graver ones are warned of, with `ArchitectureWarning`.
        strict: a model that cannot be checked by all rules is an error; without it that is a warning, and training
            goes on.
        options: as of `archlint.check`.

    Attributes:
        report: of the last `fit`; None before, and where the model could not be checked.

    Raises:
        UsageError: an argument names nothing, there is no such argument, or the data is of no use.
    """

    # It is no `Callback`: there are two such classes, and importing either would import TensorFlow. It has what both
    # libraries ask of one; these two tell Keras 3 and Keras 2 that no step has to wait until its logs are fetched.
    async_safe = True
    _supports_tf_logs = True

    def __init__(
        self,
        fail_on: Level = "error",
        *,
        warn_on: Level = "advice",
        strict: bool = False,
        **options: Unpack[Options],
    ) -> None:
        refuse_unknown_options(options, ("fail_on", "warn_on", "strict"))
        self.fail_on, self.warn_on, self.strict = known_level(fail_on), known_level(warn_on), strict
        self.model: Any = None
        self.report: Report | None = None
        self._linter = Linter.of(**options)
        self._due = False
        self._caller = _Caller("", 0, None, {})

    def set_model(self, model: Any) -> None:
        """Called by Keras."""
        self.model = model

    def on_train_begin(self, *_given: object, **_named: object) -> None:
        """Check the model, if it is built.

        Raises:
            FindingsError: there are findings at or above `fail_on`.
            ArchlintError: it cannot be checked, and `strict` is set.
        """
        self._due, self._caller = True, _caller()
        self._check_once_built()

    def on_train_batch_begin(self, *_given: object, **_named: object) -> None:
        """Check the model if the first step built it; raises as `on_train_begin` does."""
        self._check_once_built()

    def on_epoch_end(self, *_given: object, **_named: object) -> None:
        """Check the model if the only step of the epoch built it; raises as `on_train_begin` does."""
        self._check_once_built()

    def _check_once_built(self) -> None:
        if self._due and getattr(self.model, "built", True):
            self._due = False
            self._check()

    def _check(self) -> None:
        self.report = self._reported()
        if self.report is not None:
            self._judge(self.report)
            for sentence in sentences(self.report.at_least(self.warn_on)):
                self._caller.warn(sentence)

    def _judge(self, report: Report) -> None:
        try:
            report.raise_for(self.fail_on)
        except ReadError as error:
            if self.strict:
                raise
            self._caller.warn(f"the model is not wholly checked: {error}")

    def _reported(self) -> Report | None:
        try:
            return self._linter.report(self.model)
        except Exception as error:  # whatever it is, it is no reason to stop a training
            if self.strict:
                raise
            fault = error if isinstance(error, ArchlintError) else f"{type(error).__name__}: {error}"
            self._caller.warn(f"the model is trained unchecked: {fault}")
            return None

    def _implements_train_batch_hooks(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Callable[..., None]:
        # The hooks that do nothing here, now and in times to come; Keras 2 asks whether some are implemented.
        if name.startswith(("on_", "set_", "_implements_")):
            return _nothing
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _nothing(*_given: object, **_named: object) -> None:
    return None


class _Caller(NamedTuple):
    """Where the user called `fit`."""

    file: str
    line: int
    module: str | None
    registry: dict[str | tuple[str, type[Warning], int], int]

    def warn(self, sentence: str) -> None:
        """Warn as if there, which no `stacklevel` does: it would have to count the frames of every Keras."""
        warnings.warn_explicit(sentence, ArchitectureWarning, self.file, self.line, self.module, self.registry)


def _caller() -> _Caller:
    frame = sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _INNER:
        frame = frame.f_back
    known = frame.f_globals
    return _Caller(
        frame.f_code.co_filename, frame.f_lineno, known.get("__name__"), known.setdefault("__warningregistry__", {})
    )
