"""Python environments for training runs and for serving models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

Say = Callable[[str], None]


def silent(text: str) -> None:
    """Ignore a progress message."""


@dataclass(frozen=True)
class EnvironmentSpec:
    """The required content of an environment: requirements to resolve, or exact versions.

    Attributes:
        python: ``3.11``, or with a patch level.
        requirements: In pip's syntax.
        constraints: Pins that the resolved versions must satisfy, for the packages that they name.
        preferences: Pins that are used if the requirements allow it.
        lock: Exact pins (``name==version``) of all packages; the three fields above are then ignored.
        purpose: What it is for, as a text for users.
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
        hash: Hash of the Python version, the pins and the platform.
        python: The path of its interpreter.
        version: The requested Python version.
        pins: ``name==version`` of all requested packages.
        purpose: What it is for, as a text for users.
        size: Bytes on disk, including files that it shares with uv's cache.
        last_used: Seconds since 1970.
        seconds: How long the build took.
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
        """The folder of the environment."""
        return self.python.parent.parent

    def record(self) -> dict[str, Any]:
        """Return the model's record of it (``metadata.mlpipes.environment`` of the MLmodel file)."""
        return {"hash": self.hash, "python": self.version, "requirements": list(self.pins)}


class Environments(Protocol):
    """Builds each environment once, in a folder that all projects share.

    An environment returned by ``find`` or ``ensure`` is locked, so that no ``prune`` removes it, until the
    context or the process ends. Both may be called from several threads. A build leaves a complete
    environment or none.
    """

    @property
    def folder(self) -> Path:
        """The folder of all environments."""

    def __enter__(self) -> Environments:
        """Return the object itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop running builds and release the locks."""

    def find(self, spec: EnvironmentSpec) -> BuiltEnvironment | None:
        """Return the environment if it exists already; needs neither uv nor a network."""

    def ensure(self, spec: EnvironmentSpec, log: Path | None = None, say: Say = silent) -> BuiltEnvironment:
        """Return the environment; build it if it does not exist.

        Args:
            spec: The required content.
            log: Receives all output of the resolver and the installer.
            say: Called with a line for each step.

        Raises:
            MlpipesError: It cannot be built; the message is one line from the resolver.
        """

    def interpreter(self, version: str) -> Path | None:
        """Return a Python interpreter of that version on this machine, or None."""

    def listing(self) -> list[BuiltEnvironment]:
        """Return all environments, most recently used first."""

    def remove(self, digest: str) -> bool:
        """Remove an environment; return False if it is in use."""

    def sweep(self) -> int:
        """Remove the remains of killed builds; return their number."""


def of_model(metadata: Mapping[str, Any] | None, name: str = "") -> EnvironmentSpec | None:
    """Return the environment that a model was trained in; None for our own.

    Args:
        metadata: The ``mlpipes`` part of the metadata in its MLmodel file.
        name: The model's name, for messages.
    """
    kept = (metadata or {}).get("environment")
    if not kept:
        return None
    return of_lock(kept["python"], kept["requirements"], f"model {name}".strip())


def of_lock(python: str, pins: Sequence[str], purpose: str = "") -> EnvironmentSpec:
    """Return the specification of an environment with exact pins."""
    return EnvironmentSpec(python, lock=tuple(pins), purpose=purpose)
