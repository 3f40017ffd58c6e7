"""``/invocations`` against MLflow's own scoring server, request by request, on the same models.

The first model is served by ``mlflow models serve`` itself; the others by the same application under
the same server, forked from one process, for the sake of time. Ours is the whole API under uvicorn, with
a real Postgres. Where MLflow's server errs, ``protocol_requests.BETTER`` says so, case by case.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import protocol_help
import protocol_models
import pytest
import serving_help
from protocol_requests import (
    COLUMNS,
    JSON,
    LITERALS,
    REQUESTS,
    TABLE,
    better,
    is_list_for_a_number,
    is_missing_truth,
    record,
    records,
)

pytestmark = pytest.mark.slow


class Pair:
    """MLflow's server and ours for one model."""

    def __init__(self, theirs: httpx.Client, ours: httpx.Client) -> None:
        self.theirs, self.ours = theirs, ours


class Servers:
    """Both servers of each model, and what ours said of it."""

    def __init__(self, database: serving_help.Postgres) -> None:
        self.database = database
        self.pairs: dict[str, Pair] = {}
        self.rows = 0
        self.ids: list[str] = []


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    base = tmp_path_factory.mktemp("models")
    ports = {kind: serving_help.free_port() for kind in protocol_models.KINDS}
    log = (tmp_path_factory.mktemp("log") / "mlflow.log").open("wb")
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(serving_help.postgres())
        first = next(iter(ports))
        protocol_models.KINDS[first](base / first)
        stack.enter_context(_served(base / first, ports[first], log))
        for kind in list(ports)[1:]:
            protocol_models.KINDS[kind](base / kind)
        rest = {kind: port for kind, port in ports.items() if kind != first}
        stack.enter_context(_forked(base, rest, log))
        found = Servers(database)
        for kind, port in ports.items():
            app = protocol_help.front(base / kind, database.url, name=kind)
            ours = stack.enter_context(protocol_help.live(app))
            clients = [stack.enter_context(_client(number)) for number in (port, ours)]
            found.pairs[kind] = Pair(*clients)
        for pair in found.pairs.values():
            serving_help.until(lambda pair=pair: _answers(pair.theirs), 180, "MLflow's server")
        yield found
    log.close()


def _client(port: int) -> httpx.Client:
    """Each request has a connection of its own: MLflow's server closes them without a word."""
    alone = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60, limits=alone)


@contextlib.contextmanager
def _served(path: Path, port: int, log: Any) -> Iterator[None]:
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(path), "--env-manager", "local"]
    with _running([*command, "--port", str(port)], log):
        yield


@contextlib.contextmanager
def _forked(base: Path, ports: dict[str, int], log: Any) -> Iterator[None]:
    given = [f"{port}={base / kind}" for kind, port in ports.items()]
    with _running([sys.executable, "-c", protocol_models.SERVERS, *given], log):
        yield


@contextlib.contextmanager
def _running(command: list[str], log: Any) -> Iterator[None]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"}
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/ping").status_code == 200
    except httpx.TransportError:
        return False


CASES = [(kind, name) for kind, requests in REQUESTS.items() for name in requests]


def _label(value: str) -> str:
    return value.encode("ascii", "backslashreplace").decode()[:60]


@pytest.mark.parametrize(("kind", "name"), CASES, ids=_label)
def test_the_answer_is_mlflows(servers: Servers, kind: str, name: str) -> None:
    pair, (body, content_type) = servers.pairs[kind], REQUESTS[kind][name]
    headers = {} if content_type is None else {"content-type": content_type}
    expected = pair.theirs.post("/invocations", content=body, headers=headers)
    given = pair.ours.post("/invocations", content=body, headers=headers)
    if given.status_code == 200:
        servers.rows += len(given.json()["predictions"])
        if "x-prediction-id" in given.headers:
            servers.ids.append(given.headers["x-prediction-id"])
    right = better(kind, name)
    if right is not None:
        assert given.status_code == right[0], (right[1], given.text[:300])
        return
    if expected.status_code == 500:  # a bug of MLflow's: the mistake is the client's
        assert given.status_code in (400, 415), (expected.text[:300], given.text[:300])
    else:
        assert given.status_code == expected.status_code, (expected.text[:300], given.text[:300])
    if given.status_code == 200:
        if not is_missing_truth(name):
            assert given.json() == expected.json()
        assert given.headers["content-type"] == expected.headers["content-type"]
    elif given.status_code == 400:
        assert given.json().keys() == {"error_code", "message"}
        assert 0 < len(given.json()["message"]) < 1000
        assert "Traceback" not in given.text
        if expected.status_code == 400 and not is_list_for_a_number(name):
            assert given.json()["error_code"] == expected.json()["error_code"]
    elif expected.status_code != 500:
        assert given.text == expected.text


@pytest.mark.parametrize("kind", ["train", "multiclass", "regression"])
def test_the_fast_way_is_among_those_that_are_compared(servers: Servers, kind: str) -> None:
    assert servers.pairs[kind].ours.get("/version").json()["compiled"] is True


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("form", ["a record", "records", "lists"])
def test_predict_reads_a_value_as_invocations_does(servers: Servers, form: str, name: str) -> None:
    client = servers.pairs["train"].ours
    for literal in LITERALS:
        row, wrapped = record(**{name: literal}), records(record(**{name: literal}))
        columns = "{" + ", ".join(f'"{k}": [{v}]' for k, v in {**TABLE, name: literal}.items()) + "}"
        body = {"a record": row, "records": f"[{row}]", "lists": columns}[form]
        if form == "a record" and literal[0] in "[{":
            continue  # lists and objects mean columns there
        expected = client.post("/invocations", content=wrapped, headers={"content-type": JSON})
        raw = body.encode("utf-8", "surrogatepass")
        given = client.post("/predict", content=raw, headers={"content-type": JSON})
        assert given.status_code == expected.status_code, (literal, given.text)
        if given.status_code == 200:
            servers.rows += 2
            servers.ids += given.json()["prediction_ids"]
            assert given.json()["predictions"] == expected.json()["predictions"], literal


@pytest.mark.parametrize("path", ["/ping", "/health", "/version"])
def test_the_other_routes_answer(servers: Servers, path: str) -> None:
    pair = servers.pairs["train"]
    assert pair.ours.get(path).status_code == pair.theirs.get(path).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_are_refused(servers: Servers, method: str) -> None:
    pair = servers.pairs["train"]
    answers = [client.request(method, "/invocations") for client in (pair.theirs, pair.ours)]
    assert answers[0].status_code == answers[1].status_code == 405


@pytest.mark.parametrize("kind", ["train", "mixed"])
def test_mlflows_own_client_works_unchanged(servers: Servers, kind: str) -> None:
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    frame = protocol_models.table(10) if kind == "train" else serving_help.people(10)
    pair = servers.pairs[kind]
    answers = []
    for client in (pair.theirs, pair.ours):
        asked = ScoringServerClient("127.0.0.1", client.base_url.port)
        asked.wait_server_ready(timeout=60)
        answers.append(asked.invoke(frame).get_predictions().to_dict("list"))
    assert answers[0] == answers[1]
    servers.rows += 10


def test_curl_works_unchanged(servers: Servers) -> None:
    pair, (body, _) = servers.pairs["train"], REQUESTS["train"]["two records"]
    answers = []
    for client in (pair.theirs, pair.ours):
        url = f"{client.base_url}/invocations"
        command = ["curl", "-sS", "--noproxy", "*", "-H", f"Content-Type: {JSON}", "--data-binary", "@-", url]
        done = subprocess.run(command, input=body, capture_output=True, check=True, timeout=30)
        answers.append(json.loads(done.stdout))
    assert answers[0] == answers[1]
    servers.rows += 2


def test_each_row_that_was_answered_is_stored_and_no_other(servers: Servers) -> None:
    rows = servers.database.query("select prediction_id::text from serving.predictions")
    assert len(rows) == servers.rows
    assert set(servers.ids) <= {row[0] for row in rows}
