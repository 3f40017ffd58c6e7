"""Environments that runs are trained in and models are served from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

Say = Callable[[str], None]


def silent(text: str) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class EnvironmentSpec:
    """What an environment is to have: requirements, from which exact versions are found, or those already.

    Attributes:
        python: ``3.11``, or with a patch level.
        requirements: As pip reads them.
        constraints: Pins that the versions have to keep to, where they apply.
        preferences: Pins that are taken where the requirements allow it.
        lock: Exact pins (``name==version``) of everything; the three above do not count then.
        purpose: What it is for, for people.
    """

    python: str
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    preferences: tuple[str, ...] = ()
    lock: tuple[str, ...] | None = None
    purpose: str = ""


@dataclass(frozen=True)
class BuiltEnvironment:
    """An environment on this machine.

    Attributes:
        hash: Of the Python version, the pins and the platform.
        python: Its interpreter.
        version: The Python version that was asked for.
        pins: ``name==version`` of everything that was asked to be in it.
        purpose: What it is for, for people.
        size: Bytes on disk; files that it shares with uv's cache count too.
        last_used: Seconds since 1970.
        seconds: How long it took to be built.
    """

    hash: str
    python: Path
    version: str
    pins: tuple[str, ...]
    purpose: str
    size: int
    last_used: float
    seconds: float

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.python.parent.parent

    def record(self) -> dict[str, Any]:
        """What a model keeps of it (``metadata.mlpipes.environment`` of its MLmodel file)."""
        return {"hash": self.hash, "python": self.version, "requirements": list(self.pins)}


class Environments(Protocol):
    """Builds environments, each once, and keeps them in a folder that projects share.

    What ``find`` and ``ensure`` give is held, so that no ``prune`` removes it, until the context ends or
    the process does. Both may be called from several threads. A build leaves a whole environment or none.
    """

    @property
    def folder(self) -> Path:
        """Where they are kept."""

    def __enter__(self) -> Environments:
        """Itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what is being built and let go of what is held."""

    def find(self, spec: EnvironmentSpec) -> BuiltEnvironment | None:
        """The environment if it is there already; needs neither uv nor a network."""

    def ensure(self, spec: EnvironmentSpec, log: Path | None = None, say: Say = silent) -> BuiltEnvironment:
        """The environment, built if need be.

        Args:
            spec: What it is to have.
            log: Gets all that the resolver and the installer say.
            say: Told what is done, a line each.

        Raises:
            MlpipesError: It cannot be built; why, in the resolver's words, in one line.
        """

    def interpreter(self, version: str) -> Path | None:
        """A Python of that version on this machine, or None."""

    def listing(self) -> list[BuiltEnvironment]:
        """All that are there, the last used first."""

    def remove(self, digest: str) -> bool:
        """Remove one; False if it is in use."""

    def sweep(self) -> int:
        """Remove what builds that were killed left; how many."""


def of_model(metadata: Mapping[str, Any] | None, name: str = "") -> EnvironmentSpec | None:
    """The environment that a model was trained in; None for our own.

    Args:
        metadata: The ``mlpipes`` part of the metadata in its MLmodel file.
        name: What the model is called, for people.
    """
    kept = (metadata or {}).get("environment")
    if not kept:
        return None
    return of_lock(kept["python"], kept["requirements"], f"model {name}".strip())


def of_lock(python: str, pins: Sequence[str], purpose: str = "") -> EnvironmentSpec:
    """An environment by its exact content."""
    return EnvironmentSpec(python, lock=tuple(pins), purpose=purpose)
