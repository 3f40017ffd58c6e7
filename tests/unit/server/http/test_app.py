"""The API's own routes; the scoring protocol has a contract test."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import serving_help
from fastapi.testclient import TestClient
from serving_help import Kept

from mlpipes_cli.server.models.served_model import ServedModel
from mlpipes_cli.server.ops.log_format import HumanFormatter, JsonFormatter

ROW: dict[str, Any] = {
    "amount": 120.5, "age": 40, "city": "Paris", "member": True, "since": "2021-05-06T00:00:00",
}  # fmt: skip
LIMITS = {"max_bytes": 20_000, "max_rows": 50}


KINDS: dict[str, dict[str, Any]] = {
    "binary": {},
    "multiclass": {"classes": ("a", "b", "c")},
    "regression": {"regression": True},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ServedModel]:
    base = tmp_path_factory.mktemp("models")
    return {
        name: serving_help.served(serving_help.saved(base / name, **kind)) for name, kind in KINDS.items()
    }


@pytest.fixture
def store() -> Kept:
    return Kept()


@pytest.fixture
def client(models: dict[str, ServedModel], store: Kept) -> Iterator[TestClient]:
    app = serving_help.application(store, models["binary"], **LIMITS)
    with TestClient(app, raise_server_exceptions=False) as made:
        yield made


def test_a_record_records_and_lists_give_the_same(client: TestClient, store: Kept) -> None:
    one = client.post("/predict", json={**ROW, "ID": "x1"}).json()
    several = client.post("/predict", json=[{**ROW, "ID": "x1"}] * 2).json()
    lists = client.post("/predict", json={k: [v, v] for k, v in {**ROW, "ID": "x1"}.items()}).json()
    assert set(one) == {"predictions", "scores", "ids", "prediction_ids", "model"}
    assert one["model"] == {"name": "people", "version": 3, "alias": "production"}
    assert one["predictions"] * 2 == several["predictions"] == lists["predictions"]
    assert one["ids"] * 2 == several["ids"] == lists["ids"] == ["x1", "x1"]
    assert several["scores"] == lists["scores"] == pytest.approx(one["scores"] * 2, abs=1e-12)
    assert [row.prediction_id for row in store.rows] == (
        one["prediction_ids"] + several["prediction_ids"] + lists["prediction_ids"]
    )
    assert json.loads(store.rows[0].inputs) == ROW


@pytest.mark.parametrize("kind", KINDS)
def test_labels_and_scores_are_the_estimators(models: dict[str, ServedModel], kind: str) -> None:
    estimator, frame = serving_help.fitted(**KINDS[kind])
    records = [
        {**record, "since": record["since"].isoformat(), "amount": None if i == 3 else record["amount"]}
        for i, record in enumerate(frame.to_dict("records"))
    ]
    with TestClient(serving_help.application(Kept(), models[kind])) as client:
        answer = client.post("/predict", json=records).json()
    expected = estimator.predict(frame)
    if kind == "regression":
        assert answer["predictions"] == pytest.approx(expected.tolist(), abs=1e-9)
        assert answer["scores"] is None
        return
    assert answer["predictions"] == expected.tolist()
    table = estimator.predict_proba(frame)
    wanted = table[:, 1] if kind == "binary" else table
    given = [s for row in answer["scores"] for s in row] if kind == "multiclass" else answer["scores"]
    assert given == pytest.approx(wanted.ravel().tolist(), abs=1e-12)
    assert answer["ids"] is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({**ROW, "age": "old"}, "column 'age': expected a number (double), got text in row 0"),
        ([ROW, {**ROW, "age": [1]}], "column 'age': expected a number (double), got a list in row 1"),
        ({k: v for k, v in ROW.items() if k != "city"}, "column 'city' is missing, expected text (string)"),
        ({**ROW, "since": "soon"}, "column 'since': expected a date and time"),
        ({"amount": [1, 2], "age": [1]}, "column 'age': expected 2 values as in column 'amount', got 1"),
        ({"amount": [1, 2], "age": 1}, "column 'age': expected a list"),
        ([ROW, 5], "row 1: expected a record"),
        ("text", "expected a record, a list of records or an object of lists, got text"),
    ],
)
def test_a_wrong_request_names_the_column(client: TestClient, store: Kept, body: Any, said: str) -> None:
    answer = client.post("/predict", json=body)
    assert answer.status_code == 400
    assert said in answer.json()["message"]
    assert store.rows == []


def _parquet(frame: pd.DataFrame) -> bytes:
    written = io.BytesIO()
    frame.to_parquet(written)
    return written.getvalue()


PARQUET = {"content-type": "application/vnd.apache.parquet"}


def test_parquet_of_arrows_types_of_bytes_and_with_ids_in_its_index(client: TestClient, store: Kept) -> None:
    """pandas writes the name of a category's type in ArrowDtype, and does not read it."""
    rows = [{**ROW, "ID": "x1"}, {**ROW, "city": "Rome", "ID": "x2"}]
    expected = client.post("/predict", json=rows).json()
    table = pa.Table.from_pylist(rows)
    table = table.set_column(2, "city", table["city"].dictionary_encode())
    arrow = table.to_pandas(types_mapper=pd.ArrowDtype)
    assert "dictionary" in str(arrow["city"].dtype)
    unmarked = pd.DataFrame(rows).assign(city=[b"Paris", b"Rome"])
    for frame in (arrow, unmarked, pd.DataFrame(rows).set_index("ID")):
        answer = client.post("/invocations", content=_parquet(frame), headers=PARQUET)
        assert answer.status_code == 200, answer.text
        assert [json.loads(row.scores) for row in store.rows[-2:]] == pytest.approx(
            expected["scores"], abs=1e-12
        )
        assert [row.caller_id for row in store.rows[-2:]] == ["x1", "x2"]


def test_a_parquet_whose_columns_stand_twice_is_told(client: TestClient, store: Kept) -> None:
    table = pa.Table.from_pylist([ROW])
    written = io.BytesIO()
    pq.write_table(table.append_column("age", pa.array([1])), written)
    answer = client.post("/invocations", content=written.getvalue(), headers=PARQUET)
    assert answer.status_code == 400
    assert answer.json()["message"] == "duplicate column names: 'age'; rename them"


def test_a_request_without_rows_is_told(client: TestClient, store: Kept) -> None:
    empty = pd.DataFrame([ROW]).head(0)
    answers = [
        client.post("/predict", json={"columns": list(ROW), "data": []}),
        client.post("/invocations", json={"dataframe_split": {"columns": list(ROW), "data": []}}),
        client.post("/invocations", content=_parquet(empty), headers=PARQUET),
        client.post("/invocations", content=empty.to_csv(index=False), headers={"content-type": "text/csv"}),
    ]
    assert {answer.status_code for answer in answers} == {400}
    assert {answer.json()["message"].split(",")[0] for answer in answers} == {"the request has no rows"}
    assert not store.rows


@pytest.mark.parametrize("path", ["/predict", "/invocations"])
def test_errors_quote_no_value_and_no_stack(client: TestClient, path: str) -> None:
    secret = "s3cr3t-value"
    for row in (
        {**ROW, "age": secret},
        {**ROW, "since": secret},
        {"city": secret},
        {**ROW, "member": secret},
    ):
        body = row if path == "/predict" else {"dataframe_records": [row]}
        answer = client.post(path, json=body)
        if answer.status_code != 200:
            assert secret not in answer.text
            assert "Traceback" not in answer.text and "File " not in answer.text


def test_too_many_bytes_or_rows_are_413(client: TestClient, store: Kept) -> None:
    large = client.post("/predict", content=b" " * 20_001, headers={"content-type": "application/json"})
    assert (large.status_code, large.json()["error_code"]) == (413, "REQUEST_LIMIT_EXCEEDED")

    def parts() -> Iterator[bytes]:  # no Content-Length
        for _ in range(30):
            yield b" " * 1000

    assert client.post("/invocations", content=parts()).status_code == 413
    rows = {"age": [1] * 51}
    assert client.post("/predict", json=rows).status_code == 413
    csv = client.post("/invocations", content="age\n" + "1\n" * 51, headers={"content-type": "text/csv"})
    assert csv.status_code in (400, 413)
    assert store.rows == []


def test_a_database_that_is_away(client: TestClient, store: Kept) -> None:
    store.away = True
    answer = client.post("/predict", json=ROW)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    ready = client.get("/ready")
    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    assert client.get("/health").json() == {"status": "ok"}
    store.away = False
    assert client.post("/predict", json=ROW).status_code == 200


def test_what_is_served(client: TestClient) -> None:
    told = client.get("/version").json()
    assert (told["name"], told["version"], told["alias"], told["id"]) == ("people", 3, "production", "ID")
    assert [column["name"] for column in told["inputs"]] == serving_help.FEATURES
    assert told["mlflow"] and told["mlpipes"]


def test_the_openapi_document_knows_the_columns_and_the_answers(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert {"/predict", "/invocations", "/health", "/ready", "/version"} <= document["paths"].keys()
    predict = document["paths"]["/predict"]["post"]
    record = predict["requestBody"]["content"]["application/json"]["schema"]["oneOf"][0]
    assert list(record["properties"]) == serving_help.FEATURES
    assert {"400", "413", "503"} <= predict["responses"].keys()
    assert "PredictAnswer" in document["components"]["schemas"]
    assert client.get("/docs").status_code == 200


def test_the_log_of_a_failing_model_has_no_value_of_the_rows(
    models: dict[str, ServedModel],
    client: TestClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(data: Any, params: Any = None) -> Any:
        raise ValueError(f"amount out of range: {float(data['amount'].iloc[0])!r}")

    monkeypatch.setattr(models["binary"], "predict", fails)
    answer = client.post("/predict", json={**ROW, "amount": 4111111111111.25})
    assert answer.status_code == 400 and answer.json()["message"] == (
        "the model itself failed on these rows, although their columns and types are valid; compare their"
        " values with the training data (the log has the error type)"
    )
    (record,) = [record for record in caplog.records if record.name.startswith("mlpipes") and record.exc_info]
    for formatter in (JsonFormatter(), HumanFormatter()):
        line = formatter.format(record)
        assert "4111111111111" not in line and "out of range" not in line
        assert "the model failed" in line and "ValueError" in line and "in fails" in line
