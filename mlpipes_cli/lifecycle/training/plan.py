"""Reads and splits the data of an experiment once, and resolves the candidates that share it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlpipes_cli import metric_catalog
from mlpipes_cli.config.experiment import ExperimentConfig
from mlpipes_cli.config.source import QuerySource, texts
from mlpipes_cli.config.yaml_source import YamlSource
from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.training import checks
from mlpipes_cli.lifecycle.training.prepared_versions import KnownVersion, PreparedVersions
from mlpipes_cli.lifecycle.training.spec import Candidate, candidate
from mlpipes_cli.suggest import did_you_mean

if TYPE_CHECKING:
    from mlpipes_cli.data.prepared import Prepared
    from mlpipes_cli.data.understanding import Understanding
    from mlpipes_cli.ports import Reporter


@dataclass(frozen=True, eq=False)
class Experiment:
    """An experiment file that was read and found without mistakes.

    Attributes:
        config: Its content.
        source: Gives the line numbers for later errors.
        file: Its absolute path.
        folders: Folders that are searched for the user's modules.
        unclear: Positions of the runs that only an import can check.
    """

    config: ExperimentConfig
    source: YamlSource
    file: Path
    folders: tuple[str, ...]
    unclear: tuple[int, ...]

    @property
    def base(self) -> Path:
        """The folder of the file, the base of its relative paths."""
        return self.file.parent

    @property
    def needs_database(self) -> bool:
        """Whether the rows come from the project's own database."""
        source = self.config.data.source
        if isinstance(source, QuerySource):
            return source.url is None
        return self.config.data.dataset is not None or any(
            text.startswith("postgres:") for text in texts(source)
        )


class RowsOfToday(Protocol):
    """Rows that are trained on beside those of the experiment file."""

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags of the runs."""

    def added(self, known: KnownVersion) -> KnownVersion:
        """Return the prepared data of the file with these rows, each in its part.

        Raises:
            MlpipesError: The rows are not available, or do not fit the file.
        """


def _nothing() -> None:
    """Remember nothing."""


@dataclass(frozen=True, eq=False)
class TrainingPlan:
    """The candidates to train and the data to train them on.

    Attributes:
        experiment: The file; its settings have the version of a data set and what that says of the rows.
        prepared: The data.
        metric: The metric that decides.
        candidates: The candidates to train.
        reading: How the data was written, for scoring files that do not show it themselves.
        understanding: What was understood of the data.
        notes: How it was read, one line each.
        warnings: Warnings about the data, one line each.
        remember: Notes that the data is stored, so that the same version need not be read again.
        tags: Further tags of each run.
    """

    experiment: Experiment
    prepared: Prepared
    metric: str
    candidates: tuple[Candidate, ...]
    reading: Mapping[str, Any]
    understanding: Understanding
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    remember: Callable[[], None] = _nothing
    tags: Mapping[str, str] = field(default_factory=dict)

    def tell(self, reporter: Reporter) -> None:
        """Report how the data was read, what was understood, and what is unusual in it."""
        for note in (*self.notes, *self.understanding.lines()):
            reporter.info(note)
        for warning in self.warnings:
            reporter.warn(warning)


def read(file: Path, shown_as: str, only: Sequence[str] = ()) -> Experiment:
    """Read an experiment file and check everything that needs no heavy imports.

    Raises:
        UsageError: No such file, or no such run.
        ConfigError: It has mistakes.
    """
    from mlpipes_cli.config.experiment import load_experiment
    from mlpipes_cli.data.origins.sources import check_columns_cheaply

    config, source = load_experiment(file, shown_as)
    names = [run.name for run in config.runs]
    for name in only:
        if name not in names:
            listed = f"; choose from: {', '.join(names)}"
            raise UsageError(f"--only: {shown_as} has no run {name!r}{did_you_mean(name, names) or listed}")
    folders = tuple(dict.fromkeys([str(file.parent), os.getcwd()]))  # noqa: PTH109
    unclear = checks.check_runs(config, source, folders)
    check_columns_cheaply(config.data, file.parent, source)
    if config.data.task != "auto":
        checks.check_metrics(config, source, config.data.task)
        checks.check_thresholds(config, source, config.data.task)
    return Experiment(config, source, file, folders, tuple(unclear))


def make(
    experiment: Experiment,
    only: Sequence[str],
    database_url: str | None,
    versions: PreparedVersions | None = None,
    rows: RowsOfToday | None = None,
) -> TrainingPlan:
    """Read the data, split it, and resolve the candidates.

    Args:
        experiment: The file.
        only: Names of the runs to train; all if empty.
        database_url: The project's database as the role that can only read; None if there is none.
        versions: What is remembered of versions of data sets, if anything.
        rows: Adds rows to those of the file, and says what their runs are tagged with.

    Raises:
        ConfigError: The data does not fit the file.
        MlpipesError: The data is not available.
    """
    from mlpipes_cli.data.understanding import understand

    experiment, known, key = _prepared(experiment, database_url, versions)
    if rows is not None:
        known, key = rows.added(known), ""
    config, source, prepared = experiment.config, experiment.source, known.prepared
    understanding = understand(prepared, config.data, known.warnings)
    metric = checks.check_metrics(config, source, prepared.task)
    checks.check_thresholds(config, source, prepared.task)
    if config.data.weights:
        checks.check_weights(config, source, only, experiment.folders)
    candidates = tuple(
        candidate(run, config, metric, experiment.folders, known.reading)
        for run in config.runs
        if not only or run.name in only
    )
    few = metric_catalog.few_rows(prepared.task, metric, prepared.telling_rows)
    return TrainingPlan(
        experiment,
        prepared,
        metric,
        candidates,
        known.reading,
        understanding,
        (*known.notes, *_steps(known.reading)),
        (*known.warnings, *prepared.warnings, *understanding.warnings, *([few] if few else [])),
        partial(versions.keep, key, known) if versions is not None and key else _nothing,
        {} if rows is None else rows.tags,
    )


def _steps(reading: Mapping[str, Any]) -> list[str]:
    """Say that rows to score do not go through the steps of the data set."""
    if not (steps := reading.get("steps")):
        return []
    named = ", ".join(steps)
    return [f"the data set's steps {named} changed these rows; rows to score do not go through them"]


def _prepared(
    experiment: Experiment, database_url: str | None, versions: PreparedVersions | None
) -> tuple[Experiment, KnownVersion, str]:
    """Return the prepared data, the file with what a data set says of its rows, and the version's key.

    The key is empty for data that is not remembered.
    """
    from mlpipes_cli.data.origins.sources import read as read_source
    from mlpipes_cli.data.prepare import prepare

    key, data = "", experiment.config.data
    if data.dataset is not None:
        from mlpipes_cli.data.origins import dataset_source

        version = dataset_source.find_version(data, experiment.source, database_url)
        data = dataset_source.settings(version, data)
        experiment = replace(experiment, config=experiment.config.model_copy(update={"data": data}))
        if versions is not None and data.images is None:
            key = versions.key(version, data)
            if (known := versions.find(key)) is not None:
                return experiment, known, ""
    found = read_source(
        data, experiment.base, experiment.source, database_url=database_url, environ=os.environ
    )
    prepared = prepare(found.frame, data, experiment.source)
    return experiment, KnownVersion(prepared, found.formats.document(), found.notes, found.warnings), key
