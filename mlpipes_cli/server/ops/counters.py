"""prometheus_client's metrics, updated with sums of many observations, without creation times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

INFO = "mlpipes_model_info"
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0, 16384.0, 65536.0)


def new_tally(bounds: tuple[float, ...]) -> list[float]:
    """Return an empty tally: a count for each bucket, the last one unbounded, and the sum."""
    return [0.0] * (len(bounds) + 2)


class BulkHistogram(Histogram):
    """A histogram that accepts many observations at once."""

    def add(self, tally: list[float]) -> None:
        """Add a tally (see :func:`new_tally`) of this histogram's buckets, and reset it."""
        self._sum.inc(tally[-1])
        for position, bucket in enumerate(self._buckets):
            if tally[position]:
                bucket.inc(tally[position])
        tally[:] = [0.0] * len(tally)


class Shown(Collector):
    """Leaves out creation times, and models that are no longer served, which the metric files keep."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def collect(self) -> Iterable[Metric]:
        return self._metrics()

    def _metrics(self) -> Iterator[Metric]:
        for metric in self._inner.collect():
            metric.samples = [
                sample
                for sample in metric.samples
                if not sample.name.endswith("_created") and (metric.name != INFO or sample.value)
            ]
            yield metric
