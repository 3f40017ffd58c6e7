"""The API as it is operated: metrics of several workers, keys, logs, traces and CORS, on a real Postgres."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import ops_help
import psutil
import pytest
import serving_help
from ops_help import Server, sample
from prometheus_client.parser import text_string_to_metric_families

from mlpipes_cli.adapters.postgres.api_keys import PostgresKeyStore
from mlpipes_cli.server.ops.keys import new_key

pytestmark = pytest.mark.slow
ORIGIN = "https://app.example"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory, saved_model: Path, postgres: serving_help.Postgres
) -> Iterator[Server]:
    """Two workers that log every request."""
    folder = tmp_path_factory.mktemp("pair")
    options: dict[str, Any] = {"access_log": "all", "cors": [ORIGIN]}
    with Server(folder, saved_model, postgres.url, workers=2, **options) as server:
        yield server


@pytest.fixture
def store(pair: Server, postgres: serving_help.Postgres) -> Iterator[PostgresKeyStore]:
    """The keys; at the end none was ever made, and both workers know it."""
    made = PostgresKeyStore(postgres.url)
    made.prepare()
    yield made
    made.close()
    postgres.query("delete from serving.api_keys")
    serving_help.until(lambda: passed_by_all(pair, {}), 60, "the end of the keys")


Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(server: Server, **headers: str) -> Samples:
    answer = server.request("GET", "/metrics", headers=headers)
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def total(found: Samples, name: str, /, **labels: str) -> float:
    wanted = set(labels.items())
    return sum(value for (n, given), value in found.items() if n == name and wanted <= given)


def test_any_worker_tells_the_numbers_of_all(pair: Server) -> None:
    before = total(samples(pair), "mlpipes_requests_total", route="/predict", status="200")
    for n in range(40):
        assert pair.predict(sample(1, n)).status_code == 200
    pair.request("POST", "/predict", content=b"{", headers={"content-type": "application/json"})

    def told(found: Samples) -> bool:  # a worker writes its numbers down now and then
        refused = total(found, "mlpipes_requests_total", route="/predict", status="400")
        return refused == 1 and total(found, "mlpipes_queue_requests") == 0

    serving_help.until(
        lambda: all(told(samples(pair)) for _ in range(6)), 60, "the numbers of the other worker"
    )
    for _ in range(6):  # whichever worker answers
        found = samples(pair)
        assert total(found, "mlpipes_requests_total", route="/predict", status="200") == before + 40
        assert total(found, "mlpipes_model_info", name="people", version="3") == 1
        assert total(found, "mlpipes_queue_requests") == 0
    assert total(found, "mlpipes_requests_total", route="/predict", status="400") == 1
    assert total(found, "mlpipes_batch_rows_sum") == before + 40
    assert total(found, "mlpipes_log_lag_seconds_count") > 0
    assert total(found, "mlpipes_log_lag_seconds_sum") > 0


def test_a_killed_worker_is_replaced_and_no_counter_goes_back(pair: Server) -> None:
    def count() -> float:
        return total(samples(pair), "mlpipes_requests_total", route="/predict", status="200")

    least = count() + 10
    for n in range(10):
        assert pair.predict(sample(1, n)).status_code == 200
    serving_help.until(lambda: count() >= least, 60, "the numbers")
    before = count()
    pids = pair.workers_pids()
    assert len(pids) == 2
    worker = psutil.Process(pids[0])
    worker.suspend()
    time.sleep(1)  # by now it was asked whether it is well, and for the answer there is a minute
    worker.kill()
    serving_help.until(lambda: len(set(pair.workers_pids()) - {pids[0]}) == 2, 50, "the new worker")

    def answered() -> bool:
        try:
            return all(pair.predict(sample(1, n)).status_code == 200 for n in range(20))
        except httpx.TransportError:
            return False

    serving_help.until(answered, 60, "the answers")
    serving_help.until(lambda: count() >= before + 20, 60, "the numbers of all")
    found = samples(pair)
    assert total(found, "mlpipes_model_info", name="people", version="3") == 1


def test_a_trace_goes_through_to_the_stored_row(pair: Server, postgres: serving_help.Postgres) -> None:
    given = {
        "traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
        "tracestate": "congo=t61rcWkgMzE",
        "x-request-id": "order-17",
    }
    for path in ("/predict", "/version"):
        method, body = ("POST", sample()) if path == "/predict" else ("GET", None)
        answer = pair.request(method, path, json=body, headers=given)
        assert answer.headers["x-request-id"] == "order-17"
        version, trace, span, flags = answer.headers["traceparent"].split("-")
        assert (version, trace, flags) == ("00", TRACE, "01") and span != "b7ad6b7169203331"
        assert answer.headers["tracestate"] == "congo=t61rcWkgMzE"
        if path == "/predict":
            (identifier,) = answer.json()["prediction_ids"]
            stored = "select trace_id from serving.predictions where prediction_id = %s"
            assert postgres.query(stored, identifier) == [(TRACE,)]

    def lines() -> list[dict[str, Any]]:
        return [line for line in pair.lines() if line.get("request_id") == "order-17"]

    serving_help.until(lambda: len(lines()) >= 2, 60, "the lines of the log")
    mine = lines()
    assert [line["path"] for line in mine] == ["/predict", "/version"]
    assert mine[0]["trace_id"] == TRACE and (mine[0]["rows"], mine[0]["version"]) == (1, 3)


def test_without_a_trace_there_is_none(pair: Server) -> None:
    answer = pair.predict(sample())
    assert "traceparent" not in answer.headers
    assert len(answer.headers["x-request-id"]) == 32


def cors_of(answer: httpx.Response) -> dict[str, str]:
    return {n: v for n, v in answer.headers.items() if n.startswith("access-control-") or n == "vary"}


@pytest.mark.parametrize("origin", [None, ORIGIN, "https://other.example"])
def test_cors_is_the_same_on_every_path(pair: Server, origin: str | None) -> None:
    headers = {} if origin is None else {"Origin": origin}
    framework = pair.request("GET", "/version", headers=headers)
    for answer in (
        pair.request("POST", "/predict", json=sample(), headers=headers),
        pair.request("POST", "/invocations", json={"dataframe_records": sample()}, headers=headers),
        pair.request("POST", "/predict", content=b"{", headers=headers),
    ):
        assert cors_of(answer) == cors_of(framework)
    assert (framework.headers.get("access-control-allow-origin") == ORIGIN) is (origin == ORIGIN)


def test_a_browser_may_ask_before_it_asks_and_needs_no_key_for_that(
    pair: Server, store: PostgresKeyStore
) -> None:
    key = new_key()
    store.create(key.id, "browser", key.digest)
    serving_help.until(lambda: refused_by_all(pair), 60, "the keys")
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, traceparent, x-api-key",
    }
    answer = pair.request("OPTIONS", "/predict", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    foreign = pair.request("OPTIONS", "/predict", headers=asked | {"Origin": "https://other.example"})
    assert "access-control-allow-origin" not in foreign.headers
    refused = pair.request("POST", "/predict", json=sample(), headers={"Origin": ORIGIN})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == ORIGIN


def refused_by_all(server: Server, headers: dict[str, str] | None = None, tries: int = 12) -> bool:
    """Whether every one of many new connections, so both workers, is refused."""
    return all(server.request("GET", "/version", headers=headers).status_code == 401 for _ in range(tries))


def passed_by_all(server: Server, headers: dict[str, str], tries: int = 12) -> bool:
    return all(server.request("GET", "/version", headers=headers).status_code == 200 for _ in range(tries))


def test_keys_count_and_stop_counting_on_all_workers(pair: Server, store: PostgresKeyStore) -> None:
    assert passed_by_all(pair, {})
    first, second = new_key(), new_key()
    store.create(first.id, "first", first.digest)
    store.create(second.id, "second", second.digest)
    serving_help.until(lambda: refused_by_all(pair), 60, "the keys")
    serving_help.until(lambda: passed_by_all(pair, {"X-API-Key": second.text}), 60, "the second key")
    assert passed_by_all(pair, {"Authorization": f"Bearer {first.text}"})
    assert passed_by_all(pair, {"X-API-Key": second.text})
    assert pair.predict(sample(), X_API_Key=first.text).status_code == 200
    for path in ("/health", "/ping", "/ready", "/"):
        assert pair.request("GET", path).status_code == 200, path
    for method, path in (
        ("POST", "/invocations"),
        ("POST", "/predict"),
        ("POST", "/feedback"),
        ("GET", "/metrics"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/nothing"),
    ):
        answer = pair.request(method, path)
        assert answer.status_code == 401, path
        assert answer.json()["error_code"] == "UNAUTHENTICATED"
        assert answer.headers["www-authenticate"] == 'Bearer realm="mlpipes"'
    store.revoke("first")
    serving_help.until(lambda: refused_by_all(pair, {"X-API-Key": first.text}), 60, "the refusal")
    assert passed_by_all(pair, {"X-API-Key": second.text})
    store.revoke("second")
    serving_help.until(lambda: refused_by_all(pair, {"X-API-Key": second.text}), 60, "the second refusal")
    assert refused_by_all(pair)  # no key is left, and nothing is open


def test_keys_count_while_the_database_is_away(
    pair: Server, store: PostgresKeyStore, postgres: serving_help.Postgres
) -> None:
    key = new_key()
    store.create(key.id, "away", key.digest)
    serving_help.until(lambda: refused_by_all(pair), 60, "the keys")
    serving_help.until(lambda: passed_by_all(pair, {"X-API-Key": key.text}), 60, "the key")
    store.close()
    postgres.kill()
    try:
        until = time.monotonic() + 6
        while time.monotonic() < until:
            assert pair.request("GET", "/version", headers={"X-API-Key": key.text}).status_code == 200
            assert pair.request("GET", "/version").status_code == 401
            assert pair.request("GET", "/health").status_code == 200
            time.sleep(0.2)
    finally:
        postgres.start()
    store.revoke("away")
    serving_help.until(lambda: refused_by_all(pair, {"X-API-Key": key.text}, 6), 60, "the refusal")


def test_without_a_database_at_the_start_nothing_is_open(
    tmp_path: Path, saved_model: Path, store: PostgresKeyStore, postgres: serving_help.Postgres
) -> None:
    key = new_key()
    store.create(key.id, "start", key.digest)
    store.close()
    spool = {"on_log_failure": "spool", "spool": str(tmp_path / "spool")}
    postgres.kill()
    try:
        with Server(tmp_path / "s", saved_model, postgres.url, **spool) as server:
            for headers in ({}, {"X-API-Key": key.text}):
                answer = server.request("GET", "/version", headers=headers)
                assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
            assert server.request("GET", "/health").status_code == 200
            postgres.start()
            serving_help.until(lambda: passed_by_all(server, {"X-API-Key": key.text}), 60, "the keys")
            assert server.request("GET", "/version").status_code == 401
    finally:
        if not postgres.answers():
            postgres.start()


def test_no_key_and_no_input_is_logged(pair: Server, store: PostgresKeyStore) -> None:
    marker = "Zebra4929"
    row = sample()[0]
    key = new_key()
    store.create(key.id, "log", key.digest)
    serving_help.until(lambda: refused_by_all(pair), 60, "the keys")
    serving_help.until(lambda: passed_by_all(pair, {"X-API-Key": key.text}), 60, "the key")
    with_key = {"X-API-Key": key.text}
    bodies: list[Any] = [
        {**row, "city": marker},
        {**row, "amount": marker},
        {**row, "age": [marker]},
        {**row, "since": marker},
        {marker: marker},
        [marker],
        marker,
        {**row, "amount": {marker: marker}},
    ]
    for body in bodies:
        pair.request("POST", f"/predict?query={marker}", json=body, headers=with_key)
        pair.request("POST", f"/invocations?{marker}", json={"dataframe_records": [body]}, headers=with_key)
        pair.request("POST", "/invocations", json={"inputs": body, "params": {marker: 1}}, headers=with_key)
        pair.request("POST", "/feedback", json=body, headers=with_key)
    for content in (marker.encode(), b'{"a": ' + marker.encode(), b"\xff" + marker.encode()):
        for kind in ("application/json", "text/csv", f"text/{marker}"):
            pair.request("POST", "/invocations", content=content, headers=with_key | {"content-type": kind})
    pair.request("GET", f"/{key.text}", headers={"Authorization": f"Bearer {key.text}", "Cookie": marker})
    pair.request("GET", "/version", headers={"Authorization": f"Basic {marker}", "X-API-Key": marker})
    asked = len(pair.lines())  # whatever was written before this moment
    pair.request("GET", "/version", headers=with_key | {"x-request-id": "the-last"})
    serving_help.until(lambda: "the-last" in pair.log() and len(pair.lines()) > asked, 60, "the log")
    log = pair.log()
    assert marker not in log
    assert key.text not in log and key.text.split("_")[2] not in log
    assert len(pair.lines()) > 40


def test_a_reader_of_the_log_that_stops_reading_stops_no_answer(
    tmp_path: Path, saved_model: Path, postgres: serving_help.Postgres
) -> None:
    server = Server(tmp_path / "s", saved_model, postgres.url, access_log="all")
    command = ops_help.command(server)
    environment = os.environ | {"MLPIPES_DATABASE_URL": postgres.url}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True)
    server.process = process
    try:
        serving_help.until(server._ready, 120, "the API")
        with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
            for _ in range(1500):  # some 300 KB of log; a pipe takes 64
                assert client.get("/health").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        rest: list[bytes] = []
        reader = threading.Thread(target=lambda: rest.append(process.stderr.read()))  # type: ignore[union-attr]
        reader.start()
        assert process.wait(120) == 0
        reader.join(60)
        assert rest[0].count(b'"/health"') >= 1500
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
