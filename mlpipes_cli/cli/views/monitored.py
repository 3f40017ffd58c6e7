"""Shows a check of a model, and the list of checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlpipes_cli.cli.views.tables import Column, FittedTable
from mlpipes_cli.monitoring.wording import p_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from mlpipes_cli.lifecycle.monitoring.alerts import Alerts
    from mlpipes_cli.lifecycle.monitoring.history import History, RetrainingEntry
    from mlpipes_cli.lifecycle.monitoring.result import Monitored
    from mlpipes_cli.lifecycle.monitoring.watch import Watched
    from mlpipes_cli.monitoring.performance_results import PerformanceCheck
    from mlpipes_cli.monitoring.results import ColumnCheck


def monitored(found: Monitored) -> RenderableType | str:
    """Return the verdict, the columns by effect, faults of the data, and what could have been seen."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [Text(found.verdict, style="bold red" if found.alarm else "bold")]
    if found.rows or found.columns:
        parts += [Text(line) for line in _about(found)]
    columns = found.table()
    if columns and found.enough:
        parts += [Text(""), _columns(columns)]
    if found.performance is not None and found.performance.metrics:
        parts += [Text(""), _metrics(found.performance)]
    lines = [*_quality(columns), *_joint(found), *found.notes]
    if found.report:
        lines.append(f"wrote {found.report}")
    if lines:
        parts += [Text(""), *(Text(line) for line in lines)]
    return Group(*parts)


def _about(found: Monitored) -> Iterator[str]:
    window = found.window
    which = f"version {found.version} of model {found.model!r}" if found.model else str(window.file)
    yield f"{which}: {found.rows} rows, compared with {found.reference_rows} of the reference"
    if window.since or window.first:
        yield f"predictions from {window.since or window.first} to {window.until}"
    for entry in found.windows:
        result = "ALARM" if entry.alarm else "no alarm" if entry.enough else "too few rows"
        since = (entry.since or "")[:16].replace("T", " ")
        yield f"{_periods(entry.periods)}, since {since}: {entry.rows} rows, {result}"
    if window.sampled:
        yield f"a random part of {window.predictions} predictions"
    if window.repeated:
        yield f"{window.repeated} predictions left out: the same caller id was scored again later"
    if window.others:
        yield f"{window.others} predictions of other versions in that time are not compared"


def _periods(periods: int) -> str:
    return "1 window" if periods == 1 else f"{periods} windows"


def _columns(columns: Sequence[ColumnCheck]) -> FittedTable:
    table = FittedTable(
        (
            Column("column", least=12), Column("kind", drop=4), Column("result"),
            Column("effect", right=True), Column("p", right=True, drop=2), Column("what changed", least=14),
            Column("could be seen", least=10, drop=3), Column("rows", right=True, drop=5),
        )
    )  # fmt: skip
    for column in columns:
        result = "ALARM" if column.alarm else "small" if column.significant else ""
        words = next((effect.words for effect in column.effects if effect.change == column.change), "")
        table.add(
            column.name,
            column.kind,
            result,
            "" if column.effect is None else f"{column.effect:.2f}",
            "" if column.p is None else p_value(column.p),
            words or column.note,
            column.detectable_words,
            str(column.rows),
            styles={2: "red"} if column.alarm else None,
        )
    return table


def _metrics(found: PerformanceCheck) -> FittedTable:
    table = FittedTable(
        (
            Column("metric", least=8), Column("result"), Column("live", right=True),
            Column("95 % interval", drop=2), Column("holdout", right=True), Column("p", right=True, drop=1),
        )
    )  # fmt: skip
    for check in found.metrics.values():
        decides = check.metric == found.metric
        table.add(
            f"{check.metric} (decides)" if decides else check.metric,
            "WORSE" if check.worse else check.note if check.live is None else "",
            "" if check.live is None else f"{check.live:.4f}",
            "" if check.interval is None else f"{check.interval[0]:.4f} to {check.interval[1]:.4f}",
            "" if check.holdout is None else f"{check.holdout:.4f}",
            "" if check.p is None else p_value(check.p),
            styles={1: "red"} if check.worse and decides else None,
        )
    return table


def _quality(columns: Sequence[ColumnCheck]) -> Iterator[str]:
    findings = [(column.name, finding.words) for column in columns for finding in column.quality]
    if findings:
        yield "data quality:"
    for name, words in findings:
        yield f"  {name}: {words}"


def _joint(found: Monitored) -> Iterator[str]:
    joint = found.joint
    if joint is None or joint.effect is None or joint.p is None:
        return
    result = "ALARM" if joint.alarm else "no alarm"
    yield f"all inputs together: {result}, effect {joint.effect:.2f}, p {p_value(joint.p)}"


def checks(found: History) -> RenderableType | str:
    """Return the list of checks, and the alarms that last."""
    if not found.checks and not found.retrainings:
        return "no check is stored yet: `mlpipes monitor` makes one"
    from rich.console import Group
    from rich.text import Text

    table = FittedTable(
        (
            Column("checked at (UTC)"), Column("model", least=8, drop=4),
            Column("version", right=True, drop=3), Column("rows", right=True, drop=2), Column("result"),
            Column("windows", drop=1), Column("columns", least=12),
            Column("cause", drop=5), Column("by", least=6, drop=6),
        )
    )  # fmt: skip
    for check in found.checks:
        result = "ALARM" if check.alarm else "ok" if check.enough else "too few"
        table.add(
            check.checked_at[:16].replace("T", " "),
            check.model,
            str(check.version),
            str(check.rows),
            result,
            ", ".join(str(window.periods) for window in check.windows if window.alarm),
            ", ".join(check.columns),
            check.cause,
            check.actor,
            styles={4: "red"} if check.alarm else None,
        )
    lasting = [
        f"version {alarm.version} of model {alarm.model!r}: alarm since {alarm.since[:16].replace('T', ' ')}"
        f" UTC, in {alarm.checks} check{'s' if alarm.checks > 1 else ''}"
        for alarm in found.alarms
    ]
    lines = [Text(line, style="bold") for line in lasting]
    return Group(
        *([table] if found.checks else []),
        *lines,
        *(Text(_retraining(retraining)) for retraining in found.retrainings),
    )


def _retraining(retraining: RetrainingEntry) -> str:
    check = "" if retraining.check is None else f", check {retraining.check}"
    detail = f"; {retraining.detail}" if retraining.detail else ""
    when = retraining.started_at[:16].replace("T", " ")
    outcome = f"{retraining.outcome or 'no end yet'}{detail}"
    return f"{when} UTC, retraining of {retraining.model!r} ({retraining.cause}{check}): {outcome}"


def deliveries(found: Alerts) -> RenderableType | str:
    """Return the list of alerts."""
    if found.tested is not None:
        return f"alert {found.tested!r} accepted the test message"
    if not found.alerts:
        return "no alert is stored yet" if found.channels else "mlpipes.yaml has no `monitoring: alerts:`"
    table = FittedTable(
        (
            Column("stored at (UTC)"), Column("event", least=14), Column("alert", least=8), Column("state"),
            Column("tries", right=True, drop=2), Column("last error", least=12, drop=1),
        )
    )  # fmt: skip
    for alert in found.alerts:
        table.add(
            alert.created_at[:16].replace("T", " "), alert.event, alert.channel, alert.state,
            str(alert.attempts), alert.last_error or "",
            styles={3: "red"} if alert.state == "dropped" else None,
        )  # fmt: skip
    return table


def watched(found: Watched) -> str:
    """Return what one look of the watcher did."""
    check = found.check
    if check is None:
        made = "no check was due"
    else:
        result = "ALARM" if check.alarm else "no alarm" if check.enough else "too few rows"
        made = f"version {check.version} of model {check.model!r}: {result}; {check.verdict}"
    waiting = f"\nalerts that waited and were sent: {found.sent}" if found.sent else ""
    return f"{made}{waiting}\nthe next check is due at {found.next[:16].replace('T', ' ')} UTC"
