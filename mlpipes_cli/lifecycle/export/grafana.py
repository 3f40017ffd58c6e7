"""A Grafana dashboard on the metrics of the prediction API and of its newest check."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlpipes_cli import output_files

if TYPE_CHECKING:
    from mlpipes_cli.project import ProjectFolder

_SCHEMA = 39  # of dashboards: Grafana 10.1 and newer read it
_WIDTH, _HEIGHT = 8, 8  # of a panel; a row of the grid is 24 wide
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_MARK = "mlpipes export grafana"


@dataclass(frozen=True)
class Panel:
    """A panel.

    Attributes:
        title: Its title.
        queries: PromQL, with the legend of each.
        unit: Grafana's name of the unit.
        kind: Lines over time, or the newest value.
        tells: One sentence.
    """

    title: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: Literal["timeseries", "stat"] = "timeseries"
    tells: str = ""


PANELS = (
    Panel(
        "Alarm of the newest check",
        [("max by (name, version) (mlpipes_monitor_alarm)", "{{name}} version {{version}}")],
        "bool_yes_no",
        "stat",
        "Whether the newest check found a change beyond chance that matters.",
    ),
    Panel(
        "Time since the newest check",
        [("time() - max by (name) (mlpipes_monitor_checked_timestamp_seconds)", "{{name}}")],
        "s",
        "stat",
    ),
    Panel(
        "Model in use",
        [("max by (name, alias, version) (mlpipes_model_info)", "{{name}}@{{alias}}: version {{version}}")],
        kind="stat",
    ),
    Panel(
        "How much columns changed",
        [("topk(10, max by (column) (mlpipes_monitor_column_effect))", "{{column}}")],
        tells="The ten largest effects, from 0 to 1.",
    ),
    Panel(
        "Live metrics",
        [
            ("max by (metric) (mlpipes_monitor_live_metric)", "{{metric}}, live"),
            ("max by (metric) (mlpipes_monitor_holdout_metric)", "{{metric}}, holdout"),
        ],
        tells="On predictions with ground truth, next to the holdout's.",
    ),
    Panel("Rows of the newest check", [("max by (name) (mlpipes_monitor_rows)", "{{name}}")]),
    Panel(
        "Requests",
        [("sum by (route, status) (rate(mlpipes_requests_total[$__rate_interval]))", "{{route}} {{status}}")],
        "reqps",
    ),
    Panel(
        "Response time",
        [
            (
                f"histogram_quantile({quantile}, sum by (le) "
                "(rate(mlpipes_request_duration_seconds_bucket[$__rate_interval])))",
                name,
            )
            for quantile, name in ((0.5, "median"), (0.99, "99 % of the requests"))
        ],
        "s",
    ),
    Panel(
        "Failed requests",
        [
            (
                'sum(rate(mlpipes_requests_total{status=~"5.."}[$__rate_interval])) '
                "/ sum(rate(mlpipes_requests_total[$__rate_interval]))",
                "share with a status of 500 and more",
            )
        ],
        "percentunit",
    ),
    Panel(
        "Time until predictions are stored",
        [
            (
                "histogram_quantile(0.99, "
                "sum by (le) (rate(mlpipes_log_lag_seconds_bucket[$__rate_interval])))",
                "99 % of the batches",
            )
        ],
        "s",
    ),
    Panel(
        "Predictions that wait for the database",
        [
            ("sum(mlpipes_spool_rows)", "in the spool"),
            ("sum(mlpipes_queue_requests)", "requests in progress"),
        ],
    ),
    Panel(
        "Models loaded",
        [("sum by (result) (increase(mlpipes_model_reloads_total[$__rate_interval]))", "{{result}}")],
    ),
)


def dashboard(project: str) -> dict[str, Any]:
    """Return the dashboard as Grafana imports it.

    Args:
        project: The project's name.
    """
    return {
        "title": f"mlpipes: {project}",
        "uid": f"mlpipes-{project}"[:40],
        "description": _MARK,
        "tags": ["mlpipes"],
        "schemaVersion": _SCHEMA,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
            ]
        },
        "panels": list(_panels()),
    }


def _panels() -> Iterator[dict[str, Any]]:
    for position, panel in enumerate(PANELS):
        column, row = position % 3, position // 3
        yield {
            "id": position + 1,
            "type": panel.kind,
            "title": panel.title,
            "description": panel.tells,
            "datasource": _SOURCE,
            "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
            "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
            "targets": [
                {"refId": chr(ord("A") + nth), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
                for nth, (query, legend) in enumerate(panel.queries)
            ],
        }


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: The file.
        panels: The number of panels.
    """

    path: str
    panels: int


def export(project: ProjectFolder, output: Path, *, force: bool = False) -> Exported:
    """Write the dashboard of a project.

    Args:
        project: The project.
        output: A JSON file; one that this command wrote is replaced.
        force: Replace any regular file.

    Raises:
        UsageError: It is another file, or its folder does not exist.
        MlpipesError: The file cannot be written.
    """
    made = dashboard(project.config.project)
    output_files.check(output, f'"description": "{_MARK}"', f"a dashboard of `{_MARK}`", force=force)
    output_files.write(output, json.dumps(made, indent=2) + "\n")
    return Exported(str(output), len(made["panels"]))
