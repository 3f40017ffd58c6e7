"""The model registry. Times are milliseconds since the epoch, as MLflow has them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class RunRecord:
    """A finished or failed candidate, as the tracking server keeps it.

    Attributes:
        run_id: MLflow's.
        experiment: The experiment's name.
        name: The candidate's name in the experiment file; of one of several models of a candidate, its run's.
        status: FINISHED, FAILED, KILLED or RUNNING.
        started: Milliseconds since the epoch; of a run that a later training took from the cache, of then.
        metrics: Holdout metrics by name.
        params: As logged.
        tags: As logged.
    """

    run_id: str
    experiment: str
    name: str
    status: str
    started: int
    metrics: Mapping[str, float]
    params: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class ModelVersion:
    """A version in the registry.

    Attributes:
        model: The registered model's name.
        version: From 1.
        run_id: The run that made it.
        aliases: The aliases that point to it now.
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
    """A name in the registry.

    Attributes:
        name: The registered model's name.
        aliases: The version that each alias points to.
        tags: Its tags.
        versions: Those that were not deleted, the newest first.
    """

    name: str
    aliases: Mapping[str, int]
    tags: Mapping[str, str]
    versions: Sequence[ModelVersion]


class Registry(Protocol):
    """The model registry, and of the runs what a promotion reads.

    Each call is a request or two, seen by every client at once; nothing is cached. Threads may
    share it. A registry has no transactions: who changes several things orders them so that a
    crash in between can be told.
    """

    def experiments(self) -> Sequence[str]:
        """The names of all experiments, the newest changed first."""

    def runs(self, experiments: Collection[str] | None = None) -> Sequence[RunRecord]:
        """All candidates' runs of the named experiments (of all when None), the newest first."""

    def run(self, run_id: str) -> RunRecord | None:
        """The run, or None if there is none."""

    def artifact(self, run_id: str, path: str, target: Path) -> bool:
        """Fetch a run's artifact to a file; False, and no file, if the run has none of that name."""

    def artifacts(self, run_id: str) -> Collection[str]:
        """The names of a run's artifacts, those of folders too, but not what is in these."""

    def has_files(self, uri: str) -> bool:
        """Whether a model's files are there: ``models:/<id>``, or ``models:/<name>/<version>``.

        In a store of somebody else's they count as there: only who loads them can tell.
        """

    def models(self) -> Sequence[RegisteredModel]:
        """All registered models, by name."""

    def model(self, name: str) -> RegisteredModel | None:
        """The registered model, or None."""

    def create_version(
        self, model: str, run: RunRecord, uri: str, *, tags: Mapping[str, str], description: str
    ) -> int:
        """Register a run's logged model as a version; makes the registered model if there is none."""

    def set_alias(self, model: str, alias: str, version: int) -> None:
        """Point the alias to the version, wherever it pointed before."""

    def set_version_tag(self, model: str, version: int, key: str, value: str) -> None:
        """Write a tag of a version over what it was; at most 5000 characters."""

    def set_tag(self, model: str, key: str, value: str) -> None:
        """Write a tag of the registered model over what it was; at most 5000 characters."""
