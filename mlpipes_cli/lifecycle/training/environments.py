"""The environments of an experiment's runs: what each asks for, which are there, and building the others."""

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
from mlpipes_cli.trainers.pinned_environments import base, carried

if TYPE_CHECKING:
    from mlpipes_cli.config.runs import Run

_GRACE = 20.0  # seconds for a build that was stopped to remove what it began


def of_run(run: Run) -> EnvironmentSpec | None:
    """The environment that a run asks for, itself or by its trainer; None for our own.

    What a trainer carries is binding as it was locked. Where a run asks for more, the locked versions are
    only preferred; where a trainer carries nothing, our own versions are.
    """
    own, asked = carried(run.trainer), run.environment
    if asked is None and (own is None or own.python is None):
        return None
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
    """The environments of the runs that are not for our own, by their names."""
    found = {run.name: of_run(run) for run in runs if not only or run.name in only}
    return {name: spec for name, spec in found.items() if spec is not None}


def digest(spec: EnvironmentSpec) -> str:
    """What decides which versions a run gets, as a part of what makes it the run that it is."""
    content = [spec.python, spec.requirements, spec.constraints, spec.preferences]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


class EnvironmentBuilds:
    """Has the environments of a session's candidates found or, in a thread, built.

    Args:
        environments: Where they come from; closed at the end of this context.
        specs: By candidate.
        say: Told what is being built.

    Attributes:
        built: What is there, by candidate.
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
        """Where environments are kept."""
        return self._environments.folder

    def interpreter(self, version: str) -> Path | None:
        """A Python of that version on this machine, or None."""
        return self._environments.interpreter(version)

    @property
    def missing(self) -> dict[str, EnvironmentSpec]:
        """What has to be built, by candidate."""
        return {name: spec for name, spec in self.specs.items() if name not in self.built}

    @property
    def pending(self) -> bool:
        """Whether there is something that ``ready`` has not told yet."""
        return bool(self._waiting)

    def start(self, logs: Mapping[str, Path]) -> None:
        """Build in the background what these candidates lack, what several share once.

        Args:
            logs: By candidate, where all that the resolver says goes.
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
        """Candidates whose environment was built since the last call, or cannot be.

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
                with contextlib.suppress(OSError):  # there is no log where uv was not even started
                    for name in names[1:]:
                        shutil.copyfile(logs[names[0]], logs[name])
            except Exception as error:  # noqa: BLE001 (a thread has nobody above it)
                outcome = MlpipesError(f"its environment cannot be built: {type(error).__name__}: {error}")
            for name in names:
                self._done.put((name, outcome))


def _installed(requirements: Sequence[str]) -> tuple[str, ...]:
    """Pins of the versions that we have ourselves of these."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in _brief(requirements):
        try:
            found.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            continue
    return tuple(found)


def _brief(requirements: Sequence[str]) -> list[str]:
    """The names alone."""
    names = (re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", text) for text in requirements)
    return [name[1] for name in names if name]
