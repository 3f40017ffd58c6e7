"""What an alert says: names of columns, kinds of change and figures, no level and no value of an input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.monitoring.result import Monitored
    from mlpipes_cli.monitoring.results import ColumnCheck

_NAMED = 20


def of_check(project: str, found: Monitored) -> dict[str, Any]:
    """Return the message for a check that begins or ends an alarm, in JSON's types."""
    columns = [*found.columns, *found.predictions.values()] if found.alarm else []
    alarmed = [_column(column) for column in columns if column.alarm]
    performance = _performance(found)
    joint = bool(found.alarm and found.joint is not None and found.joint.alarm)
    about = {
        "kind": "alarm" if found.alarm else "calm", "project": project, "model": found.model,
        "version": found.version, "alias": found.alias, "check": found.id, "checked_at": found.checked_at,
        "cause": found.cause, "rows": found.rows, "columns": alarmed[:_NAMED], "changed": len(alarmed),
        "joint": joint, "performance": performance,
    }  # fmt: skip
    return about | {"text": _text(about)}


def of_test(project: str) -> dict[str, Any]:
    """Return the message of ``mlpipes monitor alerts --test``."""
    text = f"test: alerts of project {project} arrive here"
    return {"event": "test", "kind": "test", "project": project, "text": text}


def _column(column: ColumnCheck) -> dict[str, Any]:
    # The name of a score is that of a class, so a value of the target.
    name = "score" if column.kind == "score" else column.name
    effect = None if column.effect is None else round(column.effect, 4)
    return {"name": name, "kind": column.kind, "change": column.change, "effect": effect, "p": column.p}


def _performance(found: Monitored) -> dict[str, Any] | None:
    if found.performance is None:
        return None
    metric = found.performance.metric
    check = found.performance.metrics.get(metric)
    return {
        "metric": metric,
        "alarm": found.performance.alarm,
        "live": None if check is None else check.live,
        "holdout": None if check is None else check.holdout,
        "rows": found.performance.with_truth,
    }


def _text(about: Mapping[str, Any]) -> str:
    model = f"version {about['version']} of model {about['model']} in project {about['project']}"
    when = f"check of {about['checked_at'][:16].replace('T', ' ')} UTC, {about['rows']} rows"
    if about["kind"] == "calm":
        return f"alarm ended: {model}\nthe {when}, found no change that matters"
    return "\n".join([f"alarm: {model}", *_causes(about), f"{when}; see `mlpipes monitor history`"])


def _causes(about: Mapping[str, Any]) -> Sequence[str]:
    lines, performance, columns = [], about["performance"], about["columns"]
    if performance is not None and performance["alarm"]:
        live, holdout = performance["live"], performance["holdout"]
        figures = "" if live is None or holdout is None else f": {live:.3f}, on the holdout {holdout:.3f}"
        lines.append(f"{performance['metric']} is worse than on the holdout{figures}")
    for column in columns:
        size = "" if column["effect"] is None else f", effect {column['effect']:.2f}"
        lines.append(f"{column['name']} changed: {column['change'] or 'no kind stated'}{size}")
    if about["changed"] > len(columns):
        lines.append(f"and {about['changed'] - len(columns)} more columns")
    if about["joint"] and not columns:
        lines.append("the inputs changed together, no single one of them alone")
    return lines
