"""The environments of an experiment's runs: which are requested, which exist, and building the others."""

from __future__ import annotations

import contextlib
import hashlib
import json
import queue
import re
import shutil
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.environments import BuiltEnvironment, Environments, EnvironmentSpec, Say
from mlpipes_cli.trainers.pinned_environments import base, carried, check_installable

if TYPE_CHECKING:
    from mlpipes_cli.config.runs import Run

_GRACE = 20.0  # seconds that a stopped build has to remove what it began


def of_run(run: Run) -> EnvironmentSpec | None:
    """Return the environment that a run requests, itself or by its trainer; None for our own.

    The locked versions of a trainer's environment are binding. If a run requests more packages, the locked
    versions are only preferred; if a trainer has no environment, our own versions are preferred.

    Raises:
        BrokenTrainer: The trainer is another package's, which no environment can get.
    """
    own, asked = carried(run.trainer), run.environment
    if asked is None and (own is None or own.python is None):
        return None
    check_installable(run.trainer)
    ours = f"{sys.version_info[0]}.{sys.version_info[1]}"
    python = (asked.python if asked else None) or (own.python if own else None) or ours
    more = tuple(asked.requirements) if asked else ()
    requirements = (*base(), *(own.requirements if own else ()), *more)
    purpose = f"{run.trainer} with {', '.join(more)}" if more else run.trainer
    if own is not None and not more and python == own.python:
        return EnvironmentSpec(python, requirements, constraints=own.lock, purpose=purpose)
    preferences = own.lock if own is not None and own.lock else _installed(base())
    return EnvironmentSpec(python, requirements, preferences=preferences, purpose=purpose)


def of_runs(runs: Iterable[Run], only: Sequence[str] = ()) -> dict[str, EnvironmentSpec]:
    """Return the environments of the runs that do not use our own, by the runs' names."""
    found = {run.name: of_run(run) for run in runs if not only or run.name in only}
    return {name: spec for name, spec in found.items() if spec is not None}


def digest(spec: EnvironmentSpec) -> str:
    """Return the hash of what decides a run's versions, as a part of the run's identity."""
    content = [spec.python, spec.requirements, spec.constraints, spec.preferences]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


class EnvironmentBuilds:
    """Finds the environments of a session's candidates or builds them in a thread.

    Args:
        environments: The store of environments; closed at the end of this context.
        specs: The environments by candidate.
        say: Receives messages about what is being built.

    Attributes:
        built: The existing environments, by candidate.
    """

    def __init__(self, environments: Environments, specs: Mapping[str, EnvironmentSpec], say: Say) -> None:
        self.specs = dict(specs)
        self.built: dict[str, BuiltEnvironment] = {}
        self._environments, self._say = environments, say
        self._waiting: set[str] = set()
        self._done: queue.Queue[tuple[str, BuiltEnvironment | MlpipesError]] = queue.Queue()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> EnvironmentBuilds:
        for name, spec in self.specs.items():
            if (found := self._environments.find(spec)) is not None:
                self.built[name] = found
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._environments.__exit__(kind, error, trace)
        if self._thread is not None:
            self._thread.join(_GRACE)

    @property
    def folder(self) -> Path:
        """The folder that holds the environments."""
        return self._environments.folder

    def interpreter(self, version: str) -> Path | None:
        """Return a Python of that version on this machine, or None."""
        return self._environments.interpreter(version)

    @property
    def missing(self) -> dict[str, EnvironmentSpec]:
        """The environments that have to be built, by candidate."""
        return {name: spec for name, spec in self.specs.items() if name not in self.built}

    @property
    def pending(self) -> bool:
        """Whether there are results that ``ready`` has not returned yet."""
        return bool(self._waiting)

    def start(self, logs: Mapping[str, Path]) -> None:
        """Build in the background what these candidates lack; shared environments are built once.

        Args:
            logs: The file for the resolver's output, by candidate.
        """
        shared: dict[EnvironmentSpec, list[str]] = {}
        for name in logs:
            if name in self.specs and name not in self.built:
                shared.setdefault(self.specs[name], []).append(name)
        self._waiting = {name for names in shared.values() for name in names}
        if shared:
            self._thread = threading.Thread(target=self._build, args=(shared, dict(logs)), daemon=True)
            self._thread.start()

    def ready(self, timeout: float = 0.0) -> list[tuple[str, BuiltEnvironment | MlpipesError]]:
        """Return candidates whose environment was built, or failed, since the last call.

        Args:
            timeout: Seconds to wait for the first.
        """
        found = []
        try:
            found.append(self._done.get(timeout=timeout) if timeout else self._done.get_nowait())
            while True:
                found.append(self._done.get_nowait())
        except queue.Empty:
            pass
        for name, outcome in found:
            self._waiting.discard(name)
            if isinstance(outcome, BuiltEnvironment):
                self.built[name] = outcome
        return found

    def _build(self, shared: Mapping[EnvironmentSpec, list[str]], logs: Mapping[str, Path]) -> None:
        for spec, names in shared.items():
            outcome: BuiltEnvironment | MlpipesError
            try:
                outcome = self._environments.ensure(spec, logs[names[0]], self._say)
            except MlpipesError as error:
                outcome = MlpipesError(f"its environment cannot be built: {error.reason}", error.hint)
                with contextlib.suppress(OSError):  # there is no log if uv was not even started
                    for name in names[1:]:
                        shutil.copyfile(logs[names[0]], logs[name])
            except Exception as error:  # noqa: BLE001 (a thread has nobody above it)
                outcome = MlpipesError(f"its environment cannot be built: {type(error).__name__}: {error}")
            for name in names:
                self._done.put((name, outcome))


def _installed(requirements: Sequence[str]) -> tuple[str, ...]:
    """Return pins of the versions of these requirements that are installed here."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in _brief(requirements):
        try:
            found.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            continue
    return tuple(found)


def _brief(requirements: Sequence[str]) -> list[str]:
    """Return only the names."""
    names = (re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", text) for text in requirements)
    return [name[1] for name in names if name]
