"""Metrics for Prometheus.

A request is counted in plain lists, which takes 0.3 microseconds instead of 4 for prometheus_client's own
locked (and, with several workers, file-backed) values. Those get the sums before each response to ``GET
/metrics`` and, with several workers, within half a second.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from mlpipes_cli.server.ops import shared_metrics
from mlpipes_cli.server.ops.counters import INFO, SECONDS, SIZES, BulkHistogram, Shown, new_tally
from mlpipes_cli.server.ops.routes import route_of

if TYPE_CHECKING:
    from fastapi import FastAPI

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FLUSH_SECONDS = 0.5


class Metrics:
    """Metrics of one process; used only from its event loop's thread."""

    def __init__(self) -> None:
        self._folder = shared_metrics.folder()
        self._registry = registry = CollectorRegistry()
        self._requests_total = Counter(
            "mlpipes_requests_total", "Requests answered.", ["route", "status"], registry=registry
        )
        self._duration = BulkHistogram(
            "mlpipes_request_duration_seconds",
            "Time from a request's arrival until its response was ready.",
            ("route",),
            bounds=SECONDS,
            registry=registry,
        )
        self._batch_requests = BulkHistogram(
            "mlpipes_batch_requests", "Requests per batch.", bounds=SIZES, registry=registry
        )
        self._batch_rows = BulkHistogram(
            "mlpipes_batch_rows", "Rows per batch.", bounds=SIZES, registry=registry
        )
        self._lag = BulkHistogram(
            "mlpipes_log_lag_seconds",
            "Time from a request's arrival until its predictions were committed.",
            bounds=SECONDS,
            registry=registry,
        )
        self._histograms = (self._duration, self._batch_requests, self._batch_rows, self._lag)
        self._log_failures = Counter(
            "mlpipes_log_failures_total", "Batches that the database did not accept.", registry=registry
        )
        self._reloads = Counter(
            "mlpipes_model_reloads_total", "Models loaded while serving.", ["result"], registry=registry
        )
        self._queue = Gauge(
            "mlpipes_queue_requests",
            "Requests in progress.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._spool_rows = Gauge(
            "mlpipes_spool_rows",
            "Predictions in the local spool, not in the database yet.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._spool_seconds = Gauge(
            "mlpipes_spool_oldest_seconds",
            "The age of the oldest prediction in the spool.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._model = Gauge(
            INFO,
            "The served model versions.",
            ["name", "alias", "version"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        for result in ("ok", "failed"):
            self._reloads.labels(result)
        if self._folder is None:
            ProcessCollector(registry=registry)
        self._requests: dict[tuple[str, int], list[float]] = {}
        self._batches = (new_tally(SIZES), new_tally(SIZES))
        self._lags = new_tally(SECONDS)
        self._waiting = 0
        self._spool: Callable[[], tuple[int, float]] = lambda: (0, 0.0)
        self._served: dict[tuple[str, str], str] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = self._folder is None  # no other process reads the numbers of a single process

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request.

        Args:
            route: A path; it is counted for its route (see :func:`route_of`).
            status: The HTTP status.
            seconds: Time from the arrival until the answer was ready.
        """
        tally = self._requests.get((route, status)) or self._known(route, status)
        tally[bisect_left(SECONDS, seconds)] += 1
        tally[-1] += seconds
        if not self._due:
            self._soon()

    def batch(self, requests: int, rows: int) -> None:
        """Count a batch of requests that shared a predict call and a COMMIT."""
        for tally, size in zip(self._batches, (requests, rows), strict=True):
            tally[bisect_left(SIZES, size)] += 1
            tally[-1] += size
        if not self._due:
            self._soon()

    def waiting(self, n: int) -> None:
        """Set the number of requests that wait for their answer."""
        self._waiting = n
        if not self._due:
            self._soon()

    def log_lag(self, seconds: float) -> None:
        """Record the time from a request's arrival until its predictions were committed."""
        self._lags[bisect_left(SECONDS, seconds)] += 1
        self._lags[-1] += seconds

    def log_failure(self) -> None:
        """Count a batch that the database did not accept."""
        self._log_failures.inc()

    def watch(self, spool: Callable[[], tuple[int, float]]) -> None:
        """Set the source of the number of spooled predictions and of the age of the oldest in seconds."""
        self._spool = spool

    def reload(self, ok: bool) -> None:
        """Count a model that was loaded while serving, successfully or not."""
        self._reloads.labels("ok" if ok else "failed").inc()

    def model(self, name: str, alias: str, version: int | str | None) -> None:
        """Set the version that serves the alias from now on; None for none."""
        before = self._served.pop((name, alias), None)
        if before is not None:
            self._model.labels(name, alias, before).set(0)
        if version is not None:
            self._served[name, alias] = str(version)
            self._model.labels(name, alias, str(version)).set(1)

    def flush(self) -> None:
        """Pass the counts on to prometheus_client."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due = self._folder is None
        for (route, status), tally in self._requests.items():
            if count := sum(tally[:-1]):
                self._requests_total.labels(route, str(status)).inc(count)
                self._duration.add(tally, route)
        for tally, histogram in (
            (self._batches[0], self._batch_requests),
            (self._batches[1], self._batch_rows),
            (self._lags, self._lag),
        ):
            if any(tally):
                histogram.add(tally)
        self._queue.set(self._waiting)
        rows, seconds = self._spool()
        self._spool_rows.set(rows)
        self._spool_seconds.set(seconds)
        if rows and self._folder is not None:  # the spool may become empty without a request
            self._due = self._later()

    def text(self) -> bytes:
        """Return all flushed numbers, of all workers, in Prometheus' text format; from any thread."""
        if self._folder is None:
            return generate_latest(Shown(self._registry, self._histograms))
        shared_metrics.forget_the_dead(self._folder)
        collector = MultiProcessCollector(None, str(self._folder))  # type: ignore[no-untyped-call]
        return generate_latest(Shown(collector, self._histograms))

    def render(self) -> tuple[bytes, str]:
        """Return the present numbers and their content type."""
        self.flush()
        return self.text(), CONTENT_TYPE

    def _known(self, route: str, status: int) -> list[float]:
        return self._requests.setdefault((route_of(route), status), new_tally(SECONDS))

    def _soon(self) -> None:
        self._due = True
        if not self._later():
            self.flush()

    def _later(self) -> bool:
        """Schedule a flush; return False if there is no event loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        self._timer = loop.call_later(_FLUSH_SECONDS, self.flush)
        return True


def add_routes(app: FastAPI, service: Any) -> None:
    """Add ``GET /metrics``; ``service.meter`` is a :class:`Metrics`."""
    from fastapi import Response

    from mlpipes_cli.server.ops.monitoring import CheckMetrics

    numbers: Metrics = service.meter
    numbers.watch(service.spooled)
    newest = CheckMetrics(service.stores.checks, service.model.name)

    @app.get("/metrics", summary="Metrics for Prometheus", response_class=Response, response_model=None)
    async def metrics() -> Response:
        numbers.flush()
        text = await asyncio.to_thread(numbers.text)
        return Response(text + await newest.text(), headers={"content-type": CONTENT_TYPE})
