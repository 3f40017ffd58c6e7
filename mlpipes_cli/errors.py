"""Errors that a user sees: one line that says what is wrong, where, and what to do next.

A mistake of the user or of the environment is a :class:`MlpipesError`. Every other exception is a bug and
keeps its traceback. The command line catches this family in one place.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar


class MlpipesError(Exception):
    """An operation failed (exit code 1).

    Args:
        reason: What is wrong and where, without a full stop.
        hint: What to do next, or an empty string where there is nothing useful to suggest.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint

    def lines(self) -> list[str]:
        """Return the lines to show, one for each problem."""
        after = " " if self.reason.endswith("?") else "; "
        text = f"{self.reason}{after}{self.hint}" if self.hint else self.reason
        return [" ".join(text.split())]


class UsageError(MlpipesError):
    """The command or a file that the user wrote is wrong (exit code 2)."""

    exit_code: ClassVar[int] = 2


class ConfigError(UsageError):
    """One or more mistakes in a file, all of them at once (exit code 2).

    Args:
        problems: A line for each mistake, as ``file:line: a -> b: what is wrong``.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)

    def lines(self) -> list[str]:
        return [" ".join(problem.split()) for problem in self.problems]


class Several(MlpipesError):
    """Several things failed, each with a line of its own (exit code 1)."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)

    def lines(self) -> list[str]:
        return [" ".join(problem.split()) for problem in self.problems]


class Refused(MlpipesError):
    """A gate or a comparison rejected the request; nothing was changed (exit code 3).

    Args:
        reason: What rejected it.
        hint: What to do next.
        result: The full result for a program, such as the verdict of a promotion.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, reason: str, hint: str = "", result: object = None) -> None:
        super().__init__(reason, hint)
        self.result = result


class Rejected(MlpipesError):
    """The data itself was rejected; sending it again will not help (exit code 1)."""


class Interrupted(MlpipesError):
    """The user stopped the command with Ctrl-C (exit code 130)."""

    exit_code: ClassVar[int] = 130


def is_interrupt(error: BaseException) -> bool:
    """Return whether the error is a Ctrl-C, even if a library turned it into an error of its own.

    A library that is not written in Python and is interrupted during a call may report this by an exception
    that only has the text (pydantic's ``SchemaError`` in a deferred import is one).
    """
    return isinstance(error, KeyboardInterrupt) or "KeyboardInterrupt" in str(error)


def one_line(error: Exception) -> str:
    """Return an error as one line for a log.

    An unexpected one has its type and the place in the code, not its text: that may have values of inputs.
    """
    if isinstance(error, MlpipesError):
        return error.lines()[0]
    frame = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" at {Path(frame[0].filename).name}:{frame[0].lineno}" if frame else ""
    return f"unexpected {type(error).__name__}{where}"
