"""The environments that trainers carry: what they ask for, and the versions that were tried."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "environments"


@dataclass(frozen=True)
class PinnedEnvironment:
    """A trainer's own environment.

    Attributes:
        python: The Python version that it was locked for; None for one that runs in our own environment,
            and has these requirements only where a run names another.
        requirements: What it asks for, beside the base.
        lock: Pins, with markers where platforms differ; empty where it was not locked yet.
    """

    python: str | None
    requirements: tuple[str, ...]
    lock: tuple[str, ...]


def carried(trainer: str) -> PinnedEnvironment | None:
    """The environment of a trainer; None where it asks for nothing."""
    wanted = _FOLDER / f"{trainer}.in"
    if not trainer.isidentifier() or trainer == "base" or not wanted.is_file():
        return None
    text = wanted.read_text(encoding="utf-8")
    python = re.match(r"# python: (3\.\d+|our own)$", text.partition("\n")[0])
    if python is None:
        raise ValueError(
            f"{wanted.name}: its first line must be like `# python: 3.11` or `# python: our own`"
        )
    lock = wanted.with_suffix(".lock")
    pins = _lines(lock.read_text(encoding="utf-8")) if lock.is_file() else ()
    return PinnedEnvironment(None if python[1] == "our own" else python[1], _lines(text), pins)


def base() -> tuple[str, ...]:
    """What every environment has in which something of ours runs."""
    return _lines((_FOLDER / "base.in").read_text(encoding="utf-8"))


def _lines(text: str) -> tuple[str, ...]:
    lines = (re.split(r"(?:^|\s)#", line)[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)
