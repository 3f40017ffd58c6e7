"""The newest check of the served model: as a page at ``/monitor``, and as metrics for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.html_page.document import POLICY, document
from mlpipes_cli.html_page.text import plain
from mlpipes_cli.server.http.api_error import unavailable

if TYPE_CHECKING:
    from mlpipes_cli.ports.monitoring import RecentChecks
    from mlpipes_cli.server.predictions.service import PredictionService

_FRESH = 15.0  # seconds for which a check that was read counts as the newest
_EARLIER = 90  # checks that the page shows over time
_HEADERS = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
Check = Mapping[str, Any]


def add_routes(app: FastAPI, service: PredictionService) -> None:
    """Add ``/monitor``."""

    @app.get("/monitor", summary="The newest check of the model, as a page", response_class=Response)
    async def monitor() -> Response:
        try:
            found = await service.stores.checks.newest(service.model.name, _EARLIER)
        except MlpipesError as error:
            raise unavailable(error.reason, service.settings.retry_after) from None
        return Response(_page(service.model.name, found), media_type="text/html", headers=_HEADERS)


def _page(model: str, checks: Sequence[Check]) -> str:
    from mlpipes_cli.monitoring.report.page import COMMAND, page

    if checks:
        return page(checks[0], previous=checks[1:])
    title = f"{plain(model)}: not checked yet"
    body = f"<header><h1>{title}</h1><p>Run <code>mlpipes monitor</code>.</p></header>"
    return document(title, COMMAND, body)


class CheckMetrics:
    """The newest check of a model as Prometheus' text, read from the database at most every 15 seconds.

    Args:
        checks: Reads the newest checks.
        model: The registered model's name.
    """

    def __init__(self, checks: RecentChecks, model: str) -> None:
        self._checks, self._model = checks, model
        self._text, self._read = b"", float("-inf")

    async def text(self) -> bytes:
        """Return the metrics; those read last while the database does not answer, nothing without a check."""
        if time.monotonic() - self._read >= _FRESH:
            self._read = time.monotonic()
            try:
                found = await self._checks.newest(self._model, 1)
            except MlpipesError:
                return self._text
            self._text = _exposed(found[0]) if found else b""
        return self._text


def _exposed(check: Check) -> bytes:
    registry = CollectorRegistry()
    registry.register(_OneCheck(check))
    return generate_latest(registry)


class _OneCheck(Collector):
    """Turns a check into gauges."""

    def __init__(self, check: Check) -> None:
        self._check = check

    def collect(self) -> Iterator[GaugeMetricFamily]:
        check = self._check
        labels = {"name": str(check["model"]), "version": str(check["version"])}
        checked = datetime.fromisoformat(check["checked_at"]).timestamp()
        yield _gauge("alarm", "1 if the newest check raised an alarm.", labels, check["alarm"])
        yield _gauge("checked_timestamp_seconds", "When the newest check was made.", labels, checked)
        yield _gauge("rows", "Rows that the newest check compared.", labels, check["rows"])
        columns = [*check["columns"], *(check.get("predictions") or {}).values()]
        for name, words, key in (
            ("column_alarm", "1 if the column raised an alarm.", "alarm"),
            ("column_effect", "How much the column changed, from 0 to 1.", "effect"),
            ("column_p_value", "The p-value of the column, adjusted for all columns.", "p"),
        ):
            yield _gauges(
                name, words, labels, "column", [(column["name"], column[key]) for column in columns]
            )
        metrics = (check.get("performance") or {}).get("metrics", {})
        for name, words, key in (
            ("live_metric", "The metric on predictions with ground truth.", "live"),
            ("holdout_metric", "The metric on the version's holdout.", "holdout"),
        ):
            yield _gauges(
                name, words, labels, "metric", [(metric, figures[key]) for metric, figures in metrics.items()]
            )


def _gauge(name: str, words: str, labels: Mapping[str, str], value: float) -> GaugeMetricFamily:
    made = GaugeMetricFamily(f"mlpipes_monitor_{name}", words, labels=list(labels))
    made.add_metric(list(labels.values()), float(value))
    return made


def _gauges(
    name: str, words: str, labels: Mapping[str, str], label: str, values: Sequence[tuple[str, Any]]
) -> GaugeMetricFamily:
    made = GaugeMetricFamily(f"mlpipes_monitor_{name}", words, labels=[*labels, label])
    for key, value in values:
        if value is not None:
            made.add_metric([*labels.values(), key], float(value))
    return made
