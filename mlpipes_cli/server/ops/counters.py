"""prometheus_client's metrics, updated with sums of many observations, without creation times."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Metric
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

INFO = "mlpipes_model_info"
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0, 16384.0, 65536.0)
_PARTS, _PART, _SUM = "_parts", "part", "sum"


def new_tally(bounds: tuple[float, ...]) -> list[float]:
    """Return an empty tally: a count for each bucket, the last one unbounded, and the sum."""
    return [0.0] * (len(bounds) + 2)


class BulkHistogram:
    """A histogram that accepts many observations at once.

    prometheus_client's own takes them one by one. So the counts of the buckets, and the sum, are values of
    one of its counters, which processes can share; :class:`Shown` makes a histogram of them.

    Args:
        name: Its name.
        help: Its description.
        labels: The names of its labels.
        bounds: The upper bounds of its buckets; an unbounded one is added.
        registry: Where the counter is registered.
    """

    def __init__(
        self,
        name: str,
        help: str,
        labels: tuple[str, ...] = (),
        *,
        bounds: tuple[float, ...],
        registry: CollectorRegistry,
    ) -> None:
        self.name, self.parts, self._help, self._labels = name, f"{name}{_PARTS}", help, labels
        every = (*bounds, math.inf)
        self._buckets = [floatToGoString(bound) for bound in every]  # type: ignore[no-untyped-call]
        self._counter = Counter(self.parts, help, [*labels, _PART], registry=registry)
        if not labels:  # shown before the first observation
            self._counter.labels(_SUM)

    def add(self, tally: list[float], *labels: str) -> None:
        """Add a tally (see :func:`new_tally`) of this histogram's buckets, and reset it."""
        for part, value in zip((*self._buckets, _SUM), tally, strict=True):
            if value:
                self._counter.labels(*labels, part).inc(value)
        tally[:] = [0.0] * len(tally)

    def shown(self, parts: Metric) -> Metric:
        """Return the histogram whose counter was collected."""
        found: dict[tuple[str, ...], dict[str, float]] = {}
        for sample in parts.samples:
            if sample.name.endswith("_total"):
                labels = tuple(sample.labels[name] for name in self._labels)
                found.setdefault(labels, {})[sample.labels[_PART]] = sample.value
        made = HistogramMetricFamily(self.name, self._help, labels=self._labels)
        for labels, values in found.items():
            counts = itertools.accumulate(values.get(bucket, 0.0) for bucket in self._buckets)
            made.add_metric(labels, list(zip(self._buckets, counts, strict=True)), values.get(_SUM, 0.0))
        return made


class Shown(Collector):
    """Leaves out creation times, and models that are no longer served, which the metric files keep.

    Args:
        inner: What it shows.
        histograms: Those whose counters become histograms.
    """

    def __init__(self, inner: Any, histograms: Iterable[BulkHistogram]) -> None:
        self._inner, self._histograms = inner, {histogram.parts: histogram for histogram in histograms}

    def collect(self) -> Iterable[Metric]:
        return self._metrics()

    def _metrics(self) -> Iterator[Metric]:
        for metric in self._inner.collect():
            if histogram := self._histograms.get(metric.name):
                yield histogram.shown(metric)
                continue
            metric.samples = [
                sample
                for sample in metric.samples
                if not sample.name.endswith("_created") and (metric.name != INFO or sample.value)
            ]
            yield metric
