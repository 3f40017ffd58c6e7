"""What a minute of load was besides its latencies: the server's own times, the machine's, checkpoints."""

from __future__ import annotations

import http.client
from dataclasses import dataclass

import psutil
from peers.base import HOST
from prometheus_client.parser import text_string_to_metric_families
from stack import Stack

HISTOGRAM = "mlpipes_request_duration_seconds"
CHECKPOINTS = "SELECT num_timed + num_requested FROM pg_stat_checkpointer"


@dataclass(frozen=True)
class Marks:
    """Counters at a moment.

    Attributes:
        buckets: Requests by the upper bound of how long the server took, in seconds; cumulative.
        idle, stolen, whole: Processor time of the machine in seconds: unused, taken by others, all.
        checkpoints: PostgreSQL's, since its start.
    """

    buckets: dict[float, float]
    idle: float
    stolen: float
    whole: float
    checkpoints: int


@dataclass(frozen=True)
class Beside:
    """Between two moments.

    Attributes:
        server_p99: Of the server's own times from a request's arrival until its answer was ready, in ms;
            linear within its bucket, as Prometheus' ``histogram_quantile`` has it.
        idle, stolen: Shares of the machine's processor time.
        checkpoints: That PostgreSQL ended.
    """

    server_p99: float
    idle: float
    stolen: float
    checkpoints: int


def marks(port: int, route: str, stack: Stack) -> Marks:
    """Read all counters.

    Raises:
        OSError: The server does not answer.
        BenchError: PostgreSQL does not.
    """
    times = psutil.cpu_times()
    ended = stack.execute(CHECKPOINTS)[0][0]
    stolen = getattr(times, "steal", 0.0)
    return Marks(_buckets(port, route), times.idle + getattr(times, "iowait", 0.0), stolen, sum(times), ended)


def between(before: Marks, after: Marks) -> Beside:
    """What happened from one moment to the other."""
    counts = {bound: count - before.buckets.get(bound, 0.0) for bound, count in after.buckets.items()}
    whole = (after.whole - before.whole) or 1.0
    return Beside(
        1000 * quantile(0.99, counts),
        (after.idle - before.idle) / whole,
        (after.stolen - before.stolen) / whole,
        after.checkpoints - before.checkpoints,
    )


def quantile(share: float, cumulative: dict[float, float]) -> float:
    """Of a histogram; its last finite bound where the answer lies beyond."""
    bounds = sorted(cumulative)
    wanted, low, under = share * cumulative[bounds[-1]] if bounds else 0.0, 0.0, 0.0
    for bound in bounds:
        if cumulative[bound] >= wanted:
            if bound == float("inf"):
                return low
            inside = cumulative[bound] - under
            return low + (bound - low) * ((wanted - under) / inside if inside else 1.0)
        low, under = bound, cumulative[bound]
    return float("nan")


def _buckets(port: int, route: str) -> dict[float, float]:
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    found: dict[float, float] = {}
    for family in text_string_to_metric_families(text):
        if family.name == HISTOGRAM:
            for sample in family.samples:
                if sample.name.endswith("_bucket") and sample.labels["route"] == route:
                    found[float(sample.labels["le"])] = sample.value
    return found
