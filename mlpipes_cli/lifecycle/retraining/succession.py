"""Watches a promoted version: takes the alias back if it does worse than the version before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlpipes_cli import mlflow_tags
from mlpipes_cli.lifecycle.monitoring import alerts
from mlpipes_cli.lifecycle.performance import evaluate
from mlpipes_cli.lifecycle.performance.collect import Collector
from mlpipes_cli.lifecycle.performance.prediction_schema import PredictionSchema
from mlpipes_cli.lifecycle.promotion import alias_moves, registry_context
from mlpipes_cli.lifecycle.promotion import rollback as rollbacks
from mlpipes_cli.lifecycle.promotion.holdout_archive import HoldoutArchive
from mlpipes_cli.metric_catalog import FEWEST_ROWS

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.performance.evaluate import Usable
    from mlpipes_cli.lifecycle.promotion.history_events import HistoryEvent
    from mlpipes_cli.monitoring.performance_results import MetricCheck
    from mlpipes_cli.ports import ModelVersion, RegisteredModel, Reporter, RunRecord
    from mlpipes_cli.ports.retraining.served_rows import ServedRows
    from mlpipes_cli.project import ProjectFolder
    from mlpipes_cli.scoring.predictions import Predictions

FIRST_LOOK = 50  # ground truths of the new version at the first look; each further look is at twice as many
_LOOKS = 11
_BEFORE = 2_000  # newest ground truths of the version before
PREFIX = "rollback_if: worse"


@dataclass(frozen=True)
class _Pair:
    """A promoted version and the one before.

    Attributes:
        event: The promotion.
        version: The promoted version.
        before: The version that it replaced.
    """

    event: HistoryEvent
    version: ModelVersion
    before: ModelVersion


def watch(project: ProjectFolder, reporter: Reporter) -> HistoryEvent | None:
    """Take the alias of ``serving`` back if the last promotion made the live metric worse.

    Returns:
        The rollback, or None.

    Raises:
        MlpipesError: The stack is not running, or the alias cannot be moved.
    """
    from mlpipes_cli.adapters import database_wiring

    stack = registry_context.connect(project)
    name, alias = project.config.serving.model, project.config.serving.alias
    known = stack.registry.models() if name is None else [stack.registry.model(name)]
    model = known[0] if len(known) == 1 else None
    if model is None:  # nothing is promoted yet, or it is not said which model is served
        return None
    events = [
        event
        for event in alias_moves.resolved_events(model)
        if event.alias == alias and event.state == "done"
    ]
    if not events:
        return None
    if events[-1].kind == "rollback":  # also one whose process was killed before it could tell
        _tell(project, reporter, stack.endpoints.database_url, events[-1])
        return None
    pair = _pair(model, alias, events[-1])
    if pair is None:
        return None
    _, served = database_wiring.make_retraining(stack.endpoints.database_url)
    check = _judged(project, stack, served, pair)
    if check is None or not check.worse:
        return None
    reason = (
        f"{PREFIX}; {check.metric} {check.standardised:.4f} of version {pair.version.version}, "
        f"{check.holdout:.4f} of version {pair.before.version}, p {check.p:.2g}"
    )
    done = rollbacks.rollback(
        project, reporter, model=model.name, alias=alias, reason=reason, expected=pair.version.version
    )
    _tell(project, reporter, stack.endpoints.database_url, done)
    reporter.warn(f"{alias} of {model.name} went back to version {done.to_version}: {reason}")
    return done


def _pair(model: RegisteredModel, alias: str, event: HistoryEvent) -> _Pair | None:
    """Return the promoted version and the one before; None if there is none, or others moved the alias."""
    versions = {version.version: version for version in model.versions}
    if model.aliases.get(alias) != event.to_version or event.from_version is None:
        return None
    version, before = versions.get(event.to_version), versions.get(event.from_version)
    return None if version is None or before is None else _Pair(event, version, before)


def _judged(
    project: ProjectFolder, stack: registry_context.RegistryContext, served: ServedRows, pair: _Pair
) -> MetricCheck | None:
    """Return the test of the new version against the one before; None while it has too few ground truths."""
    run = stack.registry.run(pair.version.run_id)
    if run is None or mlflow_tags.TASK not in run.tags:
        return None
    archive = HoldoutArchive(stack.registry, project.cache / "runs")
    schema = _schema(run, archive)
    start = datetime.fromisoformat(pair.event.when)
    rows = served.judged(pair.version.model, pair.version.version, most=FIRST_LOOK << _LOOKS, since=start)
    number, share = look(len(rows))
    if not number:
        return None
    live = _usable(rows[:number], schema)
    metric = project.config.promotion.metric or run.tags[mlflow_tags.METRIC]
    previous = served.judged(pair.before.model, pair.before.version, most=_BEFORE, until=start)
    baseline = _before(_usable(previous, schema), metric, stack, archive, pair.before)
    if live is None or baseline is None:
        return None
    from mlpipes_cli.monitoring.performance.metric_checks import MetricRules, check_metrics

    settings = project.config.monitoring
    rules = MetricRules(settings.alpha * share, settings.min_effect, 0)
    return check_metrics(live.predictions, live.units, baseline, (metric,), rules)[metric]


def look(truths: int) -> tuple[int, float]:
    """Return at how many of the first ground truths the newest look is, and its share of alpha.

    Looks are at 50, 100, 200, ... ground truths in the order of their arrival, and the k-th has
    1 / (k (k + 1)) of alpha, which add up to 1. So a version that is as good as the one before keeps
    the alias with probability 1 - alpha at least, however often somebody looks.

    Args:
        truths: How many there are.

    Returns:
        (0, 0.0) before the first look.
    """
    if truths < FIRST_LOOK:
        return 0, 0.0
    at = min((truths // FIRST_LOOK).bit_length(), _LOOKS + 1)
    return FIRST_LOOK << (at - 1), 1.0 / (at * (at + 1))


def _schema(run: RunRecord, archive: HoldoutArchive) -> PredictionSchema:
    task: Any = run.tags[mlflow_tags.TASK]
    classes = archive.classes(run)
    columns = tuple(range(len(classes))) if task == "multiclass" else None
    return PredictionSchema(task, classes, columns, known=True)


def _usable(rows: Any, schema: PredictionSchema) -> Usable | None:
    collector = Collector()
    collector.take([rows])
    group = next(iter(collector.groups.values()), None)
    return None if group is None else evaluate.usable(group, schema, collector.values())


def _before(
    live: Usable | None,
    metric: str,
    stack: registry_context.RegistryContext,
    archive: HoldoutArchive,
    version: ModelVersion,
) -> Predictions | None:
    """Return what the version before had: live if that is enough, else on its holdout."""
    from mlpipes_cli.scoring.design import Design
    from mlpipes_cli.scoring.live import last_of_each

    if live is not None:
        counted = live.predictions.take(last_of_each(live.predictions, live.units))
        if Design().telling_rows(counted, metric) >= FEWEST_ROWS:
            return counted
    run = stack.registry.run(version.run_id)
    if run is None or mlflow_tags.TASK not in run.tags:
        return None
    (found,) = archive.all_predictions([run])
    return found


def _tell(project: ProjectFolder, reporter: Reporter, database_url: str, event: HistoryEvent) -> None:
    """Queue the alert of a rollback, once, and send it; correct the history of retrainings."""
    if not event.reason.startswith(PREFIX):
        return
    from mlpipes_cli.adapters import database_wiring

    store, _ = database_wiring.make_retraining(database_url)
    if event.from_version is not None:
        store.rolled_back(event.model, event.from_version, event.reason)
    names = [alert.name for alert in project.config.monitoring.alerts]
    if not names:
        return
    went = f"{event.alias} of model {event.model} in project {project.config.project} went back"
    message = {
        "kind": "rollback", "project": project.config.project, "model": event.model, "alias": event.alias,
        "version": event.to_version, "from_version": event.from_version, "when": event.when,
        "text": f"{went} from version {event.from_version} to version {event.to_version}\n{event.reason}",
    }  # fmt: skip
    store.enqueue(f"rollback:{event.id}", names, message)
    alerts.deliver_safely(project, reporter, database_url)
