"""``/invocations`` against MLflow's own scoring server, request by request, on the same models."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import serving_help
from fastapi.testclient import TestClient

from mlpipes_cli.ports import PredictionRow
from mlpipes_cli.server.app import create_app
from mlpipes_cli.server.settings import ServerSettings

pytestmark = pytest.mark.slow
JSON, CSV = "application/json", "text/csv"

ROW: dict[str, Any] = {
    "amount": 120.5, "age": 40, "city": "Paris", "member": True, "since": "2021-05-06T00:00:00",
}  # fmt: skip
NAMES = list(ROW)
VALUES = list(ROW.values())


class Kept:
    """A store that keeps rows in memory: here the answers are what counts."""

    def __init__(self) -> None:
        self.rows: list[PredictionRow] = []

    def prepare(self) -> None:
        return None

    def write(self, rows: Sequence[PredictionRow]) -> None:
        self.rows.extend(rows)

    def ping(self) -> bool:
        return True

    def interrupt(self) -> None:
        return None

    def close(self) -> None:
        return None


@pytest.fixture(scope="module", params=["binary", "multiclass", "regression"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """MLflow's server and ours on the same model."""
    kinds: dict[str, dict[str, Any]] = {
        "binary": {},
        "multiclass": {"classes": ("a", "b", "c")},
        "regression": {"regression": True},
    }
    path = serving_help.saved(tmp_path_factory.mktemp("model") / "m", **kinds[request.param])
    port = serving_help.free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(path), "--env-manager", "local"]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    log = (tmp_path_factory.mktemp("log") / "mlflow.log").open("wb")
    process = subprocess.Popen(
        [*command, "--port", str(port)], env=environment, stdout=log, stderr=log, start_new_session=True
    )
    store = Kept()
    app = create_app(ServerSettings("people", "production", 3), store, serving_help.served(path))
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as theirs:
            serving_help.until(lambda: _answers(theirs), 120, "MLflow's server")
            with TestClient(app, raise_server_exceptions=False) as ours:
                yield theirs, ours, store
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/ping").status_code == 200
    except httpx.TransportError:
        return False


def records(**changes: Any) -> str:
    return json.dumps({"dataframe_records": [{**ROW, **changes}]})


def without(*names: str) -> str:
    return json.dumps({"dataframe_records": [{k: v for k, v in ROW.items() if k not in names}]})


def split(columns: list[Any] | None, data: Any, **more: Any) -> str:
    named = {} if columns is None else {"columns": columns}
    return json.dumps({"dataframe_split": {**named, "data": data, **more}})


def table(**changes: Any) -> dict[str, list[Any]]:
    return {name: [changes.get(name, value)] * 2 for name, value in ROW.items()}


def lines(*rows: Sequence[Any], header: Sequence[str] = NAMES) -> str:
    return "\n".join(",".join(str(v) for v in row) for row in (header, *rows)) + "\n"


REQUESTS: dict[str, tuple[str | bytes, str]] = {
    # what is right
    "records": (records(), JSON),
    "several records": (
        json.dumps({"dataframe_records": [ROW, {**ROW, "age": 80}, {**ROW, "amount": 1}]}),
        JSON,
    ),
    "split": (split(NAMES, [VALUES, VALUES]), JSON),
    "split reordered": (split(NAMES[::-1], [VALUES[::-1]]), JSON),
    "split with an index": (split(NAMES, [VALUES], index=["x"]), JSON),
    "instances": (json.dumps({"instances": [ROW, ROW]}), JSON),
    "instances of one": (json.dumps({"instances": [ROW]}), JSON),
    "inputs of lists": (json.dumps({"inputs": table()}), JSON),
    "inputs of a record": (json.dumps({"inputs": ROW}), JSON),
    "inputs of records": (json.dumps({"inputs": [ROW, ROW]}), JSON),
    "csv": (lines(VALUES, VALUES), CSV),
    "csv reordered": (lines(VALUES[::-1], header=NAMES[::-1]), CSV),
    "csv with a charset": (lines(VALUES), "text/csv; charset=utf-8"),
    "csv with a missing number": (lines(["", *VALUES[1:]]), CSV),
    "csv with an extra column": (lines([*VALUES, 5], header=[*NAMES, "extra"]), CSV),
    "csv with quotes": (lines([1, 2, '"Pa,ris"', True, "2021-05-06"]), CSV),
    "json with a charset": (records(), "application/json; charset=utf-8"),
    "charset in capitals": (records(), "application/json; charset=UTF-8"),
    "null number": (records(amount=None), JSON),
    "null number in all rows": (split(NAMES, [[None, *VALUES[1:]]] * 3), JSON),
    "NaN": (records(amount=float("nan")), JSON),
    "infinity where none was": (records(age=float("inf")), JSON),
    "null text": (records(city=None), JSON),
    "unicode": (records(city="東京 🙂 \u0000"), JSON),
    "unseen text": (records(city="nowhere"), JSON),
    "empty text": (records(city=""), JSON),
    "a whole number": (records(amount=7), JSON),
    "a huge number": (records(amount=2**62), JSON),
    "a number larger than a double": (records(amount=10**400), JSON),
    "number as text": (records(amount="12.5"), JSON),
    "truth as 0 and 1": (records(member=1), JSON),
    "truth as text": (records(member="true"), JSON),
    "truth as null": (records(member=None), JSON),
    "number where text is expected": (records(city=5), JSON),
    "text where a number is expected": (records(amount="much"), JSON),
    "truth where a number is expected": (records(amount=True), JSON),
    "object where a number is expected": (records(amount={"a": 1}), JSON),
    "list where a number is expected": (records(amount=[1, 2]), JSON),
    "date alone": (records(since="2021-05-06"), JSON),
    "date with a zone": (records(since="2021-05-06T01:02:03+02:00"), JSON),
    "date in nonsense": (records(since="yesterday-ish"), JSON),
    "date as a number": (records(since=1620259200), JSON),
    "date as null": (records(since=None), JSON),
    "extra column": (records(extra=1), JSON),
    "optional column missing": (without("amount"), JSON),
    "column missing": (without("city"), JSON),
    "columns missing": (without("city", "age", "member"), JSON),
    "column misspelt": (
        json.dumps({"dataframe_records": [{**ROW, "City": ROW["city"], "city": None}]}),
        JSON,
    ),
    "empty params": (json.dumps({"dataframe_records": [ROW], "params": {}}), JSON),
    "unknown params": (json.dumps({"dataframe_records": [ROW], "params": {"a": 1}}), JSON),
    "params of no kind": (json.dumps({"dataframe_records": [ROW], "params": 5}), JSON),
    # what is wrong
    "no rows": (json.dumps({"dataframe_records": []}), JSON),
    "empty record": (json.dumps({"dataframe_records": [{}]}), JSON),
    "no rows in split": (split(NAMES, []), JSON),
    "split without names": (split(None, [VALUES]), JSON),
    "split with too few values": (split(NAMES, [VALUES[:3]]), JSON),
    "split without data": (json.dumps({"dataframe_split": {"columns": NAMES}}), JSON),
    "split with an unknown key": (json.dumps({"dataframe_split": {"data": [], "rows": 1}}), JSON),
    "split as a list": (json.dumps({"dataframe_split": [1]}), JSON),
    "records as an object": (json.dumps({"dataframe_records": ROW}), JSON),
    "records of numbers": (json.dumps({"dataframe_records": [1, 2]}), JSON),
    "records of null": (json.dumps({"dataframe_records": None}), JSON),
    "instances of lists": (json.dumps({"instances": [[1, 2], [3, 4]]}), JSON),
    "inputs of different lengths": (json.dumps({"inputs": {**table(), "age": [1]}}), JSON),
    "inputs of nothing": (json.dumps({"inputs": {}}), JSON),
    "both forms": (json.dumps({"dataframe_records": [ROW], "instances": [ROW]}), JSON),
    "no form": (json.dumps({"rows": [ROW]}), JSON),
    "empty object": ("{}", JSON),
    "a list": (json.dumps([ROW]), JSON),
    "a number": ("5", JSON),
    "null": ("null", JSON),
    "no JSON": ("{not json", JSON),
    "an empty body": ("", JSON),
    "JSON in no UTF-8": (b'{"dataframe_records": [{"city": "\xff"}]}', JSON),
    "an empty CSV": ("", CSV),
    "a CSV header alone": (lines(), CSV),
    "a CSV with text for a number": (lines(["much", *VALUES[1:]]), CSV),
    "a CSV with a column missing": (lines(VALUES[1:-1], header=NAMES[1:-1]), CSV),
    "a CSV with ragged rows": (lines([*VALUES, 1, 2, 3]), CSV),
    "a CSV in no UTF-8": (b"city\n\xff\xfe", CSV),
    "an unknown content type": (records(), "application/x-unknown"),
    "another charset": (records(), "application/json; charset=latin-1"),
    "an unknown parameter": (records(), "application/json; format=pandas-split"),
    "the chat form": (json.dumps({"messages": [{"role": "user", "content": "hi"}]}), JSON),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_answer_is_mlflows(pair: Any, name: str) -> None:
    theirs, ours, store = pair
    body, kind = REQUESTS[name]
    content = body.encode() if isinstance(body, str) else body
    expected = theirs.post("/invocations", content=content, headers={"content-type": kind})
    before = len(store.rows)
    given = ours.post("/invocations", content=content, headers={"content-type": kind})
    assert given.status_code == expected.status_code, (expected.text[:300], given.text)
    if expected.status_code == 200:
        assert given.json() == expected.json()
        assert len(store.rows) - before == len(given.json()["predictions"])
        assert store.rows[-1].version == 3
        return
    assert len(store.rows) == before
    if expected.status_code == 400:
        assert given.json()["error_code"] == expected.json()["error_code"]
        assert 0 < len(given.json()["message"]) < 1000
        assert given.json().keys() == {"error_code", "message"}
        assert "Traceback" not in given.text
    else:
        assert given.text == expected.text


def test_mlflows_own_client_works_unchanged(pair: Any) -> None:
    from mlflow.pyfunc.scoring_server.client import dump_input_data

    theirs, ours, _ = pair
    frame = serving_help.people(10)
    body = dump_input_data(frame)
    answers = [
        client.post("/invocations", content=body, headers={"content-type": JSON}) for client in (theirs, ours)
    ]
    assert answers[0].status_code == answers[1].status_code == 200
    assert answers[0].json() == answers[1].json()
