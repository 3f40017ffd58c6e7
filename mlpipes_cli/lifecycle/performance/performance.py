"""Computes live metrics by version and period, beside the holdout's metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlpipes_cli import metric_catalog
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.performance.collect import CollectedRows, Collector
from mlpipes_cli.lifecycle.performance.evaluate import MetricValue, judge
from mlpipes_cli.lifecycle.performance.prediction_schema import PredictionSchema, inferred, of_details
from mlpipes_cli.lifecycle.promotion import version_tags
from mlpipes_cli.lifecycle.records import log_context
from mlpipes_cli.suggest import did_you_mean
from mlpipes_cli.tabular import Tabular

if TYPE_CHECKING:
    from mlpipes_cli.metric_catalog import Task
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.ports.models import VersionFacts
    from mlpipes_cli.ports.prediction_records import Period, Selection, Tally
    from mlpipes_cli.project import ProjectFolder

_FETCHED = 20_000  # rows in one batch
_NOTHING = MetricValue({}, {}, 0, None, 0, "")


@dataclass(frozen=True)
class PerformanceRow:
    """A version's metrics in a period.

    Attributes:
        version: The model's version.
        period: The period's first day, ``2026-11-01``; None for all time.
        task: binary, multiclass or regression; None if that is unknown.
        positive: The positive class, for binary.
        described: ``registry``, or ``predictions`` if the registry does not know the version.
        predictions: How many predictions it made.
        mirrored: How many of them were mirrored, not answered.
        with_truth: How many have a ground truth.
        ids: How many caller ids the usable ones of these have; intervals count an id once.
        unusable: How many have a truth or prediction that is not a class or number of the model.
        prevalence: The positive class's share of the truths, for binary.
        metrics: By name; only those that are defined.
        intervals: The 95 % interval of each; None if there are too few rows for one.
        holdout: The same metrics on the version's holdout, if the registry has them.
        note: Why metrics are missing, or an empty text.
    """

    version: int
    period: str | None
    task: str | None
    positive: Any
    described: str
    predictions: int
    mirrored: int
    with_truth: int
    ids: int
    unusable: int
    prevalence: float | None
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float] | None]
    holdout: Mapping[str, float]
    note: str


@dataclass(frozen=True)
class Performance(Tabular):
    """The performance of the deployed versions.

    Attributes:
        model: The registered model's name.
        period: day, week or month; None for all time.
        lines: The rows, by version and period.
    """

    model: str
    period: str | None
    lines: tuple[PerformanceRow, ...]

    def table(self) -> Sequence[PerformanceRow]:
        return self.lines


def performance(
    project: ProjectFolder,
    reporter: Reporter,
    selection: Selection,
    *,
    period: Period | None = "month",
    metrics: Sequence[str] = (),
) -> Performance:
    """Score the predictions whose ground truth is known.

    A mirrored prediction counts for the version that made it, with the truth of the prediction it shadows.

    Args:
        project: The project.
        reporter: Receives progress.
        selection: The predictions to score; without a model, the setting's or the only one.
        period: The period to group by, beside the version.
        metrics: Only these; all of the task if empty.

    Raises:
        UsageError: There is no such metric or model.
        MlpipesError: The stack is not running, or no prediction is stored.
    """
    for name in metrics:
        if name not in metric_catalog.NAMES:
            hint = did_you_mean(name, metric_catalog.NAMES).removeprefix("; ")
            raise UsageError(f"--metric: unknown metric {name!r}", hint or "see docs/explanation/metrics.md")
    log = log_context.connect(project)
    model = log.model(selection.model)
    chosen = type(selection)(**{**vars(selection), "model": model})
    tallies = log.records.tally(chosen, period)
    if selection.version is not None and not tallies:
        raise UsageError(
            f"--version: no predictions of version {selection.version} of {model!r} in that period"
        )
    collector = Collector()
    with reporter.task("reading predictions with ground truth"):
        collector.take(log.records.judged(chosen, period, _FETCHED))
    facts = _facts(log, model, sorted({tally.version for tally in tallies}), reporter)
    values = collector.values()
    schemas = {number: _schema_of(number, fact, collector, values) for number, fact in facts.items()}
    _check_metrics(metrics, [schema.task for schema in schemas.values() if schema is not None])
    lines = []
    with reporter.task("judging", len(tallies)) as task:
        for tally in tallies:
            group = collector.groups.get((tally.version, tally.period), CollectedRows())
            lines.append(
                _line(tally, group, schemas[tally.version], facts[tally.version], values, tuple(metrics))
            )
            task.advance()
    return Performance(model, period, tuple(lines))


def _check_metrics(asked: Sequence[str], tasks: Sequence[Task]) -> None:
    known = dict.fromkeys(metric.name for task in tasks for metric in metric_catalog.BY_TASK[task])
    for name in asked:
        if known and name not in known:
            hint = did_you_mean(name, known).removeprefix("; ") or f"use one of {', '.join(known)}"
            raise UsageError(f"--metric: {name!r} does not apply to a {tasks[0]} target", hint)


def _facts(
    log: log_context.Log, model: str, numbers: Sequence[int], reporter: Reporter
) -> dict[int, VersionFacts | None]:
    """Return the registry's details of each version; None for versions that are gone."""
    registry = log.registry()
    try:
        return {number: registry.facts(model, number) for number in numbers}
    except MlpipesError as error:
        reporter.warn(f"{error.reason}: the task of each version is inferred from its predictions")
        return dict.fromkeys(numbers)


def _schema_of(
    number: int, fact: VersionFacts | None, collector: Collector, values: Sequence[Any]
) -> PredictionSchema | None:
    schema = of_details(fact.details) if fact is not None else None
    own = [group for (version, _), group in collector.groups.items() if version == number]
    return schema or (inferred(own, values) if own else None)


def _line(
    tally: Tally,
    group: CollectedRows,
    schema: PredictionSchema | None,
    fact: VersionFacts | None,
    values: Sequence[Any],
    asked: tuple[str, ...],
) -> PerformanceRow:
    measured, note = _NOTHING, ""
    if group.rows and schema is not None:
        measured = judge(group, schema, values)
        note = measured.note
    else:
        note = "too few to infer what it predicts" if group.rows else "no ground truth yet"
    tags = fact.tags if fact is not None else {}
    names = [m.name for m in metric_catalog.BY_TASK[schema.task]] if schema else []
    wanted = [name for name in names if name in asked] if asked else names
    holdout = {name: version_tags.value_in(tags, name) for name in wanted}
    return PerformanceRow(
        version=tally.version,
        period=_day(tally.period),
        task=schema.task if schema else None,
        positive=schema.positive if schema else None,
        described="registry" if schema and schema.known else "predictions",
        predictions=tally.rows,
        mirrored=tally.shadows,
        with_truth=group.rows,
        ids=measured.ids,
        unusable=measured.unusable,
        prevalence=measured.prevalence,
        metrics={name: measured.metrics[name] for name in wanted if name in measured.metrics},
        intervals={name: measured.intervals[name] for name in wanted if name in measured.intervals},
        holdout={name: value for name, value in holdout.items() if value is not None},
        note=note,
    )


def _day(moment: datetime | None) -> str | None:
    return None if moment is None else moment.date().isoformat()
