"""``POST /feedback`` on a real model and a real Postgres."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import log_help
import pytest
import serving_help
import signing_help
from fastapi.testclient import TestClient
from log_help import Row

from mlpipes_cli.lifecycle.serving.stores import make_stores
from mlpipes_cli.server.http.app import create_app
from mlpipes_cli.server.settings import ServerSettings

pytestmark = pytest.mark.slow
ROW: dict[str, Any] = {
    "amount": 120.5, "age": 40, "city": "Paris", "member": True, "since": "2021-05-06T00:00:00",
}  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("models")
    return {
        "binary": serving_help.saved(base / "binary"),
        "text": serving_help.saved(base / "text", ("bad", "good", "odd")),
        "regression": serving_help.saved(base / "regression", regression=True),
    }


@pytest.fixture
def kind() -> str:
    return "binary"


@pytest.fixture
def api(folders: dict[str, Path], kind: str, postgres: serving_help.Postgres) -> Iterator[TestClient]:
    log_help.fresh(postgres.url)
    settings = ServerSettings(
        "people",
        "production",
        3,
        str(folders[kind]),
        files=signing_help.digest(folders[kind]),
        max_bytes=20_000,
        max_rows=50,
        answer_timeout=15.0,
    )
    app = create_app(settings, make_stores(settings, postgres.url, None))
    with TestClient(app, headers={"content-type": "application/json"}) as client:  # type: ignore[arg-type]
        yield client


def counts(answer: Any) -> tuple[int, int, int, int]:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return body["stored"], body["corrected"], body["unchanged"], body["unknown"]


def truths(postgres: serving_help.Postgres) -> dict[str, Any]:
    return dict(postgres.query("select prediction_id::text, value from serving.ground_truth"))


def test_the_truth_of_what_the_api_answered(api: TestClient, postgres: serving_help.Postgres) -> None:
    answer = api.post("/predict", json=[{**ROW, "ID": 5}, {**ROW, "ID": 6}, {**ROW, "ID": 5}]).json()
    first, second, third = answer["prediction_ids"]
    assert counts(api.post("/feedback", json={"prediction_id": first, "value": 1})) == (1, 0, 0, 0)
    assert counts(api.post("/feedback", json={"id": 5, "value": 0})) == (1, 1, 0, 0)
    assert truths(postgres) == {first: 0, third: 0}
    both = [{"id": 5.0, "value": 0}, {"id": "6", "value": 1.0}]
    assert counts(api.post("/feedback", json=both)) == (1, 0, 2, 0)
    wrapped = {"feedback": [{"id": 5, "value": True}], "latest": True, "version": 3, "source": "the shop"}
    assert counts(api.post("/feedback", json=wrapped)) == (0, 1, 0, 0)
    assert truths(postgres) == {first: 0, second: 1, third: 1}
    sources = dict(postgres.query("select prediction_id::text, source from serving.ground_truth"))
    assert sources == {first: "api", second: "api", third: "the shop"}


def test_unknown_ids_are_named_and_all_unknown_is_404(
    api: TestClient, postgres: serving_help.Postgres
) -> None:
    (known,) = log_help.add(postgres.url, [Row(caller_id="c1")])
    strange = str(uuid.uuid4())
    answer = api.post(
        "/feedback",
        json=[{"id": "x", "value": 1}, {"id": "c1", "value": 1}, {"prediction_id": strange, "value": 0}],
    )
    assert counts(answer) == (1, 0, 0, 2)
    assert answer.json()["unknown_ids"] == [{"item": 0, "id": "x"}, {"item": 2, "id": strange}]
    assert truths(postgres) == {known.prediction_id: 1}
    none = api.post("/feedback", json=[{"id": "secret-7", "value": 1}, {"id": "secret-8", "value": 1}])
    assert (none.status_code, none.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert none.json()["message"] == "none of the 2 items matches a stored prediction of model 'people'"
    many = [{"id": f"n{n}", "value": 1} for n in range(49)] + [{"id": "c1", "value": 1}]
    assert counts(api.post("/feedback", json=many)) == (0, 0, 1, 49)


ITEM = {"id": 1, "value": 1}
WRONG: list[tuple[Any, str]] = [
    ([], "the request contains no items"),
    ("text", "expected an item, a list of items"),
    (None, "expected an item, a list of items"),
    ([ITEM, 5], "item 1: expected an object"),
    ([ITEM, {"id": 1}], "item 1: value is missing; expected one of 0, 1"),
    ([{"value": 1}], "item 0: expected either prediction_id or id"),
    ([{**ITEM, "prediction_id": str(uuid.uuid4())}], "item 0: expected either prediction_id or id"),
    ([{**ITEM, "valeu": 1}], "item 0: an item may only have prediction_id or id, and value"),
    ([{"prediction_id": "57", "value": 1}], "item 0: prediction_id: expected a UUID"),
    ([{"prediction_id": 57, "value": 1}], "item 0: prediction_id: expected a UUID"),
    ([{"id": None, "value": 1}], "item 0: id: expected a string or a number"),
    ([{"id": "", "value": 1}], "item 0: id: expected a string of 1 to 1000 bytes"),
    ([{"id": [1], "value": 1}], "item 0: id: expected a string or a number"),
    ([{"id": 1, "value": 2}], "item 0: value: expected one of 0, 1"),
    ([{"id": 1, "value": "1"}], "item 0: value: expected one of 0, 1"),
    ([{"id": 1, "value": None}], "item 0: value: expected one of 0, 1"),
    ([{"id": 1, "value": [1]}], "item 0: value: expected one of 0, 1"),
    ({"feedback": ITEM}, "expected an item, a list of items"),
    (
        {"feedback": [ITEM], "oops": 1},
        "besides `feedback`, only these keys are allowed: latest, source, version",
    ),
    ({"feedback": [ITEM], "version": "3"}, "version: expected a version number"),
    ({"feedback": [ITEM], "source": 3}, "source: expected a string"),
    ({"feedback": [ITEM], "latest": 1}, "latest: expected true or false"),
]


@pytest.mark.parametrize(("body", "message"), WRONG)
def test_what_is_wrong_is_named_and_nothing_is_stored(
    api: TestClient, postgres: serving_help.Postgres, body: Any, message: str
) -> None:
    log_help.add(postgres.url, [Row(caller_id="1")])
    answer = api.post("/feedback", content=json.dumps(body))
    assert answer.status_code == 400, answer.text
    assert message in answer.json()["message"]
    assert truths(postgres) == {}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"id": 1, "value": NaN}', b"[" * 100_000])
def test_what_is_no_json_is_400_or_413(api: TestClient, body: bytes) -> None:
    assert api.post("/feedback", content=body).status_code in (400, 413)


def test_too_much_is_413(api: TestClient) -> None:
    assert api.post("/feedback", json=[ITEM] * 51).status_code == 413
    assert api.post("/feedback", content=b" " * 30_000).status_code == 413


@pytest.mark.parametrize("kind", ["text"])
def test_labels_that_are_text(api: TestClient, postgres: serving_help.Postgres) -> None:
    (row,) = log_help.add(postgres.url, [Row(caller_id="ü\u2028", prediction="good")])
    assert counts(api.post("/feedback", json={"id": "ü\u2028", "value": "odd"})) == (1, 0, 0, 0)
    assert truths(postgres) == {row.prediction_id: "odd"}
    answer = api.post("/feedback", json={"id": "c1", "value": "secret"})
    assert answer.json()["message"] == 'item 0: value: expected one of "bad", "good", "odd"'


@pytest.mark.parametrize("kind", ["regression"])
def test_numbers(api: TestClient, postgres: serving_help.Postgres) -> None:
    (row,) = log_help.add(postgres.url, [Row(caller_id="c1", prediction=2.5, scores=None)])
    assert counts(api.post("/feedback", json={"id": "c1", "value": 3})) == (1, 0, 0, 0)
    assert counts(api.post("/feedback", json={"id": "c1", "value": 3.25})) == (0, 1, 0, 0)
    for value in (True, "3", None):
        answer = api.post("/feedback", json={"id": "c1", "value": value})
        assert answer.json()["message"] == "item 0: value: expected a number"
    huge = api.post("/feedback", content=b'{"id": "c1", "value": 1e999}')
    assert huge.status_code == 400
    assert truths(postgres) == {row.prediction_id: 3.25}


def test_the_description_is_that_of_the_model(api: TestClient) -> None:
    described = api.get("/openapi.json").json()["paths"]["/feedback"]["post"]
    text = json.dumps(described["requestBody"])
    assert '"enum": [0, 1]' in text
    assert {"200", "400", "404", "413", "503"} <= described["responses"].keys()


def test_a_database_that_is_away_is_503_in_time(folders: dict[str, Path]) -> None:
    with serving_help.postgres() as server:
        files = signing_help.digest(folders["binary"])
        settings = ServerSettings(
            "people", "production", 3, str(folders["binary"]), files=files, answer_timeout=2.0
        )
        app = create_app(settings, make_stores(settings, server.url, None))
        with TestClient(app) as client:  # type: ignore[arg-type]
            (row,) = log_help.add(server.url, [Row()])
            said = {"prediction_id": row.prediction_id, "value": 1}
            assert client.post("/feedback", json=said).status_code == 200
            server.freeze(True)
            started = time.monotonic()
            frozen = client.post("/feedback", json=said)
            took = time.monotonic() - started
            server.freeze(False)
            assert (frozen.status_code, frozen.headers["retry-after"]) == (503, "1")
            assert took < 5
            server.kill()
            away = client.post("/feedback", json=said)
            assert (away.status_code, away.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
            server.start()
            assert counts(client.post("/feedback", json=said)) == (0, 0, 1, 0)
