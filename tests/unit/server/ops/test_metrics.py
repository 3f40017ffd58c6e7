from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import serving_help
from prometheus_client.parser import text_string_to_metric_families

from mlpipes_cli.server.ops import shared_metrics
from mlpipes_cli.server.ops.counters import SECONDS
from mlpipes_cli.server.ops.metrics import Metrics
from mlpipes_cli.server.ops.routes import ROUTES, route_of


@pytest.fixture(autouse=True)
def alone() -> Any:
    with shared_metrics.alone():
        yield


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def value(metrics: Metrics, name: str, /, **labels: str) -> float | None:
    return samples(metrics.render()[0]).get((name, tuple(sorted(labels.items()))))


def test_requests_are_counted_by_route_and_status() -> None:
    metrics = Metrics()
    for status in (200, 200, 400):
        metrics.request("/predict", status, 0.004)
    metrics.request("/predict", 200, 0.4)
    for _ in range(2):  # asking changes nothing
        assert value(metrics, "mlpipes_requests_total", route="/predict", status="200") == 3
        assert value(metrics, "mlpipes_requests_total", route="/predict", status="400") == 1
        assert value(metrics, "mlpipes_request_duration_seconds_count", route="/predict") == 4
    total = value(metrics, "mlpipes_request_duration_seconds_sum", route="/predict")
    assert total == pytest.approx(0.412)
    metrics.request("/predict", 200, 1.0)
    assert value(metrics, "mlpipes_requests_total", route="/predict", status="200") == 4


@pytest.mark.parametrize("seconds", [0.0, 0.0005, 0.00051, 0.025, 1.0, 29.9, 30.0, 30.1, 1e6])
def test_buckets_are_those_of_prometheus(seconds: float) -> None:
    from prometheus_client import CollectorRegistry, Histogram, generate_latest

    registry = CollectorRegistry()
    theirs = Histogram("mlpipes_log_lag_seconds", "x", buckets=SECONDS, registry=registry)
    theirs.observe(seconds)
    ours = Metrics()
    ours.log_lag(seconds)
    wanted = {k: v for k, v in samples(generate_latest(registry)).items() if not k[0].endswith("_created")}
    got = {k: v for k, v in samples(ours.render()[0]).items() if k[0].startswith("mlpipes_log_lag")}
    assert got == wanted


def test_no_request_makes_a_route() -> None:
    metrics = Metrics()
    for n in range(2000):
        metrics.request(f"/secret/{n}", 404, 0.001)
        metrics.request(f"/v2/models/m{n}/infer", 404, 0.001)
        metrics.request(f"/v2/models/m/{n}", 404, 0.001)
        metrics.request(f"/models/prediction/m{n}/a", 404, 0.001)
    text = metrics.render()[0]
    assert b"secret" not in text
    assert value(metrics, "mlpipes_requests_total", route="other", status="404") == 2000
    routes = {dict(labels).get("route") for _, labels in samples(text)} - {None}
    assert routes == {
        "other",
        "/v2/models/{name}",
        "/v2/models/{name}/infer",
        "/models/prediction/{name}/{alias}",
    }
    assert len(metrics._requests) == 4


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/predict", "/predict"),
        ("/", "/"),
        ("/predict/", "other"),
        ("/v2/models/a/versions/3/infer", "/v2/models/{name}/infer"),
        ("/v2/models/a/ready", "/v2/models/{name}/ready"),
        ("/v2/health/live", "/v2/health/live"),
        ("/models/prediction/a/b", "/models/prediction/{name}/{alias}"),
        ("", "other"),
        ("/page/model", "/page/model"),
        ("/page/page.js", "/page/{file}"),
        ("/predictions/recent", "/predictions/recent"),
    ],
)
def test_routes(path: str, route: str) -> None:
    assert route_of(path) == route
    assert route in ROUTES


def test_a_model_that_is_replaced_is_no_longer_there() -> None:
    metrics = Metrics()
    metrics.model("credit", "production", 3)
    metrics.model("credit", "staging", 3)
    metrics.model("credit", "production", 4)
    assert value(metrics, "mlpipes_model_info", name="credit", alias="production", version="4") == 1
    assert value(metrics, "mlpipes_model_info", name="credit", alias="production", version="3") is None
    assert value(metrics, "mlpipes_model_info", name="credit", alias="staging", version="3") == 1
    metrics.model("credit", "production", 3)  # and back
    assert value(metrics, "mlpipes_model_info", name="credit", alias="production", version="3") == 1
    assert value(metrics, "mlpipes_model_info", name="credit", alias="production", version="4") is None
    metrics.model("credit", "staging", None)
    assert value(metrics, "mlpipes_model_info", name="credit", alias="staging", version="3") is None


def test_the_rest() -> None:
    metrics = Metrics()
    metrics.batch(3, 17)
    metrics.waiting(5)
    metrics.log_failure()
    metrics.watch(lambda: (12, 3.5))
    metrics.reload(True)
    metrics.reload(False)
    assert value(metrics, "mlpipes_batch_requests_sum") == 3
    assert value(metrics, "mlpipes_batch_rows_bucket", le="16.0") == 0
    assert value(metrics, "mlpipes_batch_rows_bucket", le="32.0") == 1
    assert value(metrics, "mlpipes_queue_requests") == 5
    assert value(metrics, "mlpipes_log_failures_total") == 1
    assert value(metrics, "mlpipes_spool_rows") == 12
    assert value(metrics, "mlpipes_spool_oldest_seconds") == 3.5
    assert value(metrics, "mlpipes_model_reloads_total", result="ok") == 1
    assert value(metrics, "mlpipes_model_reloads_total", result="failed") == 1


def test_names_follow_the_conventions() -> None:
    metrics = Metrics()
    metrics.request("/predict", 200, 0.1)
    text, kind = metrics.render()
    assert kind.startswith("text/plain; version=0.0.4")
    for family in text_string_to_metric_families(text.decode()):
        assert family.documentation, family.name
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)
        assert not family.name.endswith(("_created", "_milliseconds"))


_WORKER = """
import asyncio, json, os, sys
from mlpipes_cli.server.ops.metrics import Metrics
async def main():
    metrics = Metrics()
    metrics.model("credit", "production", 3)
    if sys.argv[1] == "new":
        metrics.model("credit", "production", 4)
    for _ in range(int(sys.argv[2])):
        metrics.request("/predict", 200, 0.004)
        metrics.log_lag(0.003)
    metrics.waiting(2)
    metrics.batch(1, 7)
    waits = [(5, 1.0), (2, 0.5), (0, 0.0)]  # seen empty without another request
    metrics.watch(lambda: waits.pop(0) if len(waits) > 1 else waits[0])
    await asyncio.sleep(1.7)  # it is handed on without being asked
    print(os.getpid(), flush=True)
    for line in sys.stdin:
        if line.strip() == "render":
            print(json.dumps(metrics.render()[0].decode()), flush=True)
        else:
            return
asyncio.run(main())
"""


def worker(model: str, requests: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WORKER, model, str(requests)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert int(process.stdout.readline())
    return process


def rendered(process: subprocess.Popen[str]) -> dict[Any, float]:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("render\n")
    process.stdin.flush()
    return samples(json.loads(process.stdout.readline()).encode())


def test_each_of_several_processes_answers_for_all(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "counter_1.db").write_bytes(b"left by an earlier server")
    (folder / "gauge_livesum_1.db").write_bytes(b"left by an earlier server")
    with shared_metrics.shared(folder):
        first, second = worker("old", 30), worker("new", 12)
        try:
            for process in (first, second):
                found = rendered(process)
                labels = (("route", "/predict"), ("status", "200"))
                assert found["mlpipes_requests_total", labels] == 42
                assert found["mlpipes_request_duration_seconds_count", labels[:1]] == 42
                assert found["mlpipes_log_lag_seconds_count", ()] == 42
                assert found["mlpipes_log_lag_seconds_bucket", (("le", "0.0025"),)] == 0
                assert found["mlpipes_log_lag_seconds_bucket", (("le", "0.005"),)] == 42
                assert found["mlpipes_batch_rows_sum", ()] == 14
                assert found["mlpipes_queue_requests", ()] == 4
                assert found["mlpipes_spool_rows", ()] == 0
                models = [dict(key[1])["version"] for key in found if key[0] == "mlpipes_model_info"]
                assert sorted(models) == ["3", "4"]  # as it is while they swap one after the other
            second.kill()
            second.wait()
            found = rendered(first)
            assert found["mlpipes_requests_total", labels] == 42  # a counter never goes back
            assert found["mlpipes_queue_requests", ()] == 2
            models = [dict(key[1])["version"] for key in found if key[0] == "mlpipes_model_info"]
            assert models == ["3"]
        finally:
            for process in (first, second):
                process.kill()
                process.wait()
    assert not folder.exists()
    assert shared_metrics.VARIABLE not in os.environ


def test_the_route_answers() -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from mlpipes_cli.server.ops import metrics as module

    class Service:
        meter = Metrics()
        model = SimpleNamespace(name="people")
        stores = SimpleNamespace(checks=serving_help.NoChecks())

        def spooled(self) -> tuple[int, float]:
            return 3, 1.5

    app = FastAPI()
    module.add_routes(app, Service())
    Service.meter.request("/predict", 200, 0.01)
    answer = TestClient(app).get("/metrics")
    assert answer.headers["content-type"] == module.CONTENT_TYPE
    assert 'mlpipes_requests_total{route="/predict",status="200"} 1.0' in answer.text


def test_counting_waits_for_nothing() -> None:
    import timeit

    metrics = Metrics()
    best = min(timeit.repeat(lambda: metrics.request("/predict", 200, 0.008), number=2000, repeat=5)) / 2000
    assert best < 20e-6  # 0.3 microseconds on an idle machine
    asyncio.run(asyncio.sleep(0))
