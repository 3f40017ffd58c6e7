"""Collects the facts of a model card: the run, its data, its metrics, its rivals and the promotion test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli import metric_catalog, mlflow_tags
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.promotion import registry_context
from mlpipes_cli.lifecycle.promotion.challenger import PromotionRequest, holdout_archive

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.promotion.holdout_archive import HoldoutArchive
    from mlpipes_cli.lifecycle.promotion.verdict import Verdict
    from mlpipes_cli.metric_catalog import Task
    from mlpipes_cli.ports import Reporter, RunRecord
    from mlpipes_cli.project import ProjectFolder

_SHOWN_FIRST = ("ks", "roc", "pr", "calibration", "confusion", "predicted_vs_actual", "residuals")
_IMAGES = (".png", ".svg")


@dataclass(frozen=True)
class CardData:
    """The rows that a model was made from and scored on.

    Attributes:
        source: Where they come from, without secrets; None for a run that does not record it.
        dataset: The version of a data set, such as ``loans@3``, or None.
        fingerprint: SHA-256 of the rows.
        target: The column that is predicted, if it is recorded.
        split: How the holdout was taken: the settings of ``data: split``; None if the data set has its own.
        training_rows: Rows that the candidates saw; None if it is not recorded.
        holdout_rows: Rows that all were scored on; None if it is not recorded.
        holdout_fingerprint: SHA-256 of the holdout's rows.
    """

    source: str | None
    dataset: str | None
    fingerprint: str
    target: str | None
    split: Mapping[str, Any] | None
    training_rows: int | None
    holdout_rows: int | None
    holdout_fingerprint: str


@dataclass(frozen=True)
class CardMetric:
    """A metric on the holdout.

    Attributes:
        name: As in ``metric: ks``.
        title: For people.
        higher_is_better: False for losses and errors.
        value: The model's.
        interval: 95 %, (lower, upper); None where there are too few rows.
        champion: The champion's value, if it was scored on the same holdout when it was trained.
    """

    name: str
    title: str
    higher_is_better: bool
    value: float
    interval: tuple[float, float] | None
    champion: float | None


@dataclass(frozen=True)
class ModelCard:
    """What is known about a run's model.

    Attributes:
        model: The registered model's name.
        version: The run's version in the registry, or None.
        aliases: The aliases of that version.
        experiment: Its experiment.
        candidate: Its name in the experiment.
        run_id: MLflow's id.
        task: The kind of target.
        trainer: The trainer that made it.
        params: As logged.
        threshold: The threshold of the positive class's score, if there is one.
        trained_at: UTC, ISO 8601.
        trained_by: The account that trained it; empty if it is not recorded.
        commit: The commit of the project's code, with ``-dirty`` if there were changes; empty without one.
        seconds: The duration of the fit, or None.
        data: The rows.
        metrics: On the holdout, the deciding one first.
        verdict: What the promotion test says of it now; nothing was changed.
        leaderboard: What ``mlpipes leaderboard --json`` prints of the same holdout.
        plots: The files of its plots, as the run has them.
    """

    model: str
    version: int | None
    aliases: tuple[str, ...]
    experiment: str
    candidate: str
    run_id: str
    task: Task
    trainer: str
    params: Mapping[str, str]
    threshold: float | None
    trained_at: str
    trained_by: str
    commit: str
    seconds: float | None
    data: CardData
    metrics: tuple[CardMetric, ...]
    verdict: Verdict
    leaderboard: Mapping[str, Any]
    plots: tuple[str, ...]


def collect(
    project: ProjectFolder, reporter: Reporter, request: PromotionRequest
) -> tuple[ModelCard, dict[str, bytes]]:
    """Return the card of the run that a promotion would pick, and its plots by file name.

    Raises:
        UsageError: There is no such metric, alias, experiment or run.
        Refused: There is no run to pick: all were rolled back.
        MlpipesError: The stack is down, or nothing was trained.
    """
    from mlpipes_cli.lifecycle.leaderboard import leaderboard, registered
    from mlpipes_cli.lifecycle.promotion.promote import promote

    verdict = promote(project, request, reporter, dry_run=True)
    stack = registry_context.connect(project)
    run = stack.registry.run(verdict.run_id)
    if run is None:
        raise MlpipesError(f"the run {verdict.run_id} has just been deleted", "run the command again")
    archive = holdout_archive(project, stack)
    holdout = run.tags[mlflow_tags.HOLDOUT_FINGERPRINT]
    with reporter.task(f"collecting the plots and the data of {run.name}"):
        board = leaderboard(project, experiment=run.experiment, metric=verdict.metric, holdout=holdout)
        plots = _plots(archive, run)
        data = _data(archive, run)
    aliases, version = registered(stack.registry, verdict.model).get(run.run_id, ((), verdict.to_version))
    champion = verdict.incumbent.run_id if verdict.incumbent else ""
    card = ModelCard(
        model=verdict.model,
        version=version,
        aliases=aliases,
        experiment=run.experiment,
        candidate=run.name,
        run_id=run.run_id,
        task=board.task,
        trainer=run.tags.get(mlflow_tags.TRAINER, ""),
        params=dict(sorted(run.params.items())),
        threshold=run.metrics.get(mlflow_tags.THRESHOLD),
        trained_at=datetime.fromtimestamp(run.started / 1000, UTC).isoformat(timespec="seconds"),
        trained_by=run.tags.get(mlflow_tags.USER, ""),
        commit=run.tags.get(mlflow_tags.GIT_COMMIT, ""),
        seconds=run.metrics.get(mlflow_tags.FIT_SECONDS),
        data=data,
        metrics=_metrics(run, board.task, verdict.metric, _of_same_rows(stack, champion, run)),
        verdict=verdict,
        leaderboard=board.document(),
        plots=tuple(plots),
    )
    return card, plots


def _of_same_rows(
    stack: registry_context.RegistryContext, champion: str, run: RunRecord
) -> Mapping[str, float]:
    """Return the champion's metrics if it was scored on the run's holdout, and is another run."""
    found = stack.registry.run(champion) if champion and champion != run.run_id else None
    tag = mlflow_tags.HOLDOUT_FINGERPRINT
    return found.metrics if found is not None and found.tags.get(tag) == run.tags[tag] else {}


def _metrics(
    run: RunRecord, task: Task, deciding: str, champion: Mapping[str, float]
) -> tuple[CardMetric, ...]:
    from mlpipes_cli.lifecycle.training.recording.report import from_record

    result = from_record(run, cached=False)
    known = sorted(metric_catalog.BY_TASK[task], key=lambda metric: metric.name != deciding)
    return tuple(
        CardMetric(
            one.name,
            one.title,
            one.higher_is_better,
            result.metrics[one.name],
            result.intervals[one.name],
            champion.get(one.name),
        )
        for one in known
        if one.name in result.metrics
    )


def _data(archive: HoldoutArchive, run: RunRecord) -> CardData:
    settings = _settings(archive.find(run, mlflow_tags.RESOLVED_EXPERIMENT))
    return CardData(
        source=_source(settings.get("source")),
        dataset=run.tags.get(mlflow_tags.DATASET),
        fingerprint=run.tags.get(mlflow_tags.DATA_FINGERPRINT, ""),
        target=settings.get("target"),
        split=settings.get("split"),
        training_rows=_rows(archive.find(run, mlflow_tags.TRAINING_ROWS)),
        holdout_rows=_rows(archive.find(run, mlflow_tags.HOLDOUT_PREDICTIONS)),
        holdout_fingerprint=run.tags[mlflow_tags.HOLDOUT_FINGERPRINT],
    )


def _settings(file: Path | None) -> Mapping[str, Any]:
    """Return the section ``data`` of the run's own experiment file."""
    import yaml

    from mlpipes_cli.config import yaml_bounds

    try:
        found = yaml_bounds.load(file.read_text(encoding="utf-8")) if file else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    data = found.get("data") if isinstance(found, dict) else None
    return data if isinstance(data, dict) else {}


def _source(source: Any) -> str | None:
    """Return a source in one line; passwords and signatures of addresses are left out."""
    from mlpipes_cli.server.ops.log_format import without_secrets

    if isinstance(source, Mapping):
        return f"postgres:{source.get('table') or source.get('query')}"
    if source is None:
        return None
    text = str(source)
    return without_secrets(text.partition("?")[0] if text.startswith(("http:", "https:")) else text)


def _rows(file: Path | None) -> int | None:
    if file is None:
        return None
    import pyarrow
    from pyarrow import parquet

    try:
        return int(parquet.read_metadata(file).num_rows)
    except (OSError, pyarrow.ArrowInvalid):
        return None


def _plots(archive: HoldoutArchive, run: RunRecord) -> dict[str, bytes]:
    """Return the pictures of the run, those that all runs have first."""
    folder = mlflow_tags.PLOTS
    names = [one for one in archive.registry.artifacts(run.run_id, folder) if one.endswith(_IMAGES)]

    def rank(name: str) -> tuple[int, str]:
        stem = name.rpartition(".")[0]
        return (_SHOWN_FIRST.index(stem) if stem in _SHOWN_FIRST else len(_SHOWN_FIRST), name)

    files = {name: archive.find(run, f"{folder}/{name}") for name in sorted(names, key=rank)}
    return {name: file.read_bytes() for name, file in files.items() if file is not None}
