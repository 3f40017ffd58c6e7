"""The model registry. Times are milliseconds since the epoch, as in MLflow."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class RunRecord:
    """A finished or failed candidate, as stored on the tracking server.

    Attributes:
        run_id: MLflow's id of the run.
        experiment: The experiment's name.
        name: The candidate's name in the experiment file; for one of several models of a candidate, its
            run's.
        status: FINISHED, FAILED, KILLED or RUNNING.
        started: Milliseconds since the epoch; for a run reused from the cache, when a training last reused
            it.
        metrics: Holdout metrics by name.
        params: As logged.
        tags: As logged.
        trained: When its training began, in milliseconds since the epoch, also of a run that was reused.
    """

    run_id: str
    experiment: str
    name: str
    status: str
    started: int
    metrics: Mapping[str, float]
    params: Mapping[str, str]
    tags: Mapping[str, str]
    trained: int = 0


@dataclass(frozen=True)
class ModelVersion:
    """A version in the registry.

    Attributes:
        model: The registered model's name.
        version: From 1.
        run_id: The id of the run that created it.
        aliases: The aliases that point to it.
        tags: Its tags.
        created: Milliseconds since the epoch.
    """

    model: str
    version: int
    run_id: str
    aliases: Collection[str]
    tags: Mapping[str, str]
    created: int


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model.

    Attributes:
        name: The registered model's name.
        aliases: The version that each alias points to.
        tags: Its tags.
        versions: The versions that were not deleted, newest first.
    """

    name: str
    aliases: Mapping[str, int]
    tags: Mapping[str, str]
    versions: Sequence[ModelVersion]


class Registry(Protocol):
    """The model registry, and the runs as far as a promotion reads them.

    Each call is one or two requests, visible to every client at once; nothing is cached. Threads may share
    it. A registry has no transactions: a caller that changes several things must order the changes so that a
    crash in between can be detected.
    """

    def experiments(self) -> Sequence[str]:
        """Return the names of all experiments, most recently changed first."""

    def runs(self, experiments: Collection[str] | None = None) -> Sequence[RunRecord]:
        """Return all candidates' runs of the named experiments (of all if None), newest first."""

    def run(self, run_id: str) -> RunRecord | None:
        """Return the run, or None if there is none."""

    def artifact(self, run_id: str, path: str, target: Path) -> bool:
        """Copy a run's artifact to a file; return False, without a file, if the run has no such artifact."""

    def artifacts(self, run_id: str, folder: str = "") -> Collection[str]:
        """Return the names of a run's artifacts, or of those in one of its folders.

        Folders are among them, but not their content; a folder that does not exist is empty.
        """

    def has_files(self, uri: str) -> bool:
        """Return whether a model's files exist: ``models:/<id>``, or ``models:/<name>/<version>``.

        Files in an external store count as existing: only loading them can show that.
        """

    def models(self) -> Sequence[RegisteredModel]:
        """Return all registered models, by name."""

    def model(self, name: str) -> RegisteredModel | None:
        """Return the registered model, or None."""

    def create_version(
        self, model: str, run: RunRecord, uri: str, *, tags: Mapping[str, str], description: str
    ) -> int:
        """Register a run's logged model as a version; create the registered model if there is none."""

    def set_alias(self, model: str, alias: str, version: int) -> None:
        """Point the alias to the version, whichever version it pointed to before."""

    def set_version_tag(self, model: str, version: int, key: str, value: str) -> None:
        """Set a tag of a version, replacing its value; at most 5000 characters."""

    def set_tag(self, model: str, key: str, value: str) -> None:
        """Set a tag of the registered model, replacing its value; at most 5000 characters."""
