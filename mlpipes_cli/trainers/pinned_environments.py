"""The environments that trainers need: their requirements, and the tested versions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class PinnedEnvironment:
    """The environment of a trainer.

    Attributes:
        python: The Python version that it was locked for; None if the trainer runs in the current environment
            and has these requirements only if a run names another one.
        requirements: The requirements, beside the base.
        lock: Pins, with markers where platforms differ; empty if it has not been locked yet.
    """

    python: str | None
    requirements: tuple[str, ...]
    lock: tuple[str, ...]


def carried(trainer: str) -> PinnedEnvironment | None:
    """Return the environment of a trainer; None if it requires nothing."""
    wanted = _FOLDER / trainer / "environment.in"
    if not trainer.isidentifier() or not wanted.is_file():
        return None
    text = wanted.read_text(encoding="utf-8")
    python = re.match(r"# python: (3\.\d+|our own)$", text.partition("\n")[0])
    if python is None:
        raise ValueError(f"{wanted}: its first line must be like `# python: 3.11` or `# python: our own`")
    lock = wanted.with_suffix(".lock")
    pins = _lines(lock.read_text(encoding="utf-8")) if lock.is_file() else ()
    return PinnedEnvironment(None if python[1] == "our own" else python[1], _lines(text), pins)


def base() -> tuple[str, ...]:
    """Return the requirements of every environment that runs code of mlpipes."""
    return _lines((_FOLDER / "base.in").read_text(encoding="utf-8"))


def _lines(text: str) -> tuple[str, ...]:
    lines = (re.split(r"(?:^|\s)#", line)[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)
