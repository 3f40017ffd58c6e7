"""Two aliases side by side, and the challenger that is asked without being heard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import serving_help
from fastapi.testclient import TestClient
from serving_help import Kept

from mlpipes_cli.server.models.served_model import ServedModel

ROW: dict[str, Any] = {
    "amount": 120.5, "age": 40, "city": "Paris", "member": True, "since": "2021-05-06T00:00:00",
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[ServedModel, ServedModel]:
    base: Path = tmp_path_factory.mktemp("models")
    first = serving_help.served(serving_help.saved(base / "1"), 1)
    second = serving_help.served(serving_help.saved(base / "2", classes=("a", "b")), 2, "staging")
    return first, second


def asked(models: tuple[ServedModel, ServedModel], requests: int, rows: int, **settings: Any) -> Kept:
    log = Kept()
    with TestClient(serving_help.application(log, *models, **settings)) as client:
        for _ in range(requests):
            answer = client.post("/predict", json=[ROW] * rows)
            assert answer.status_code == 200
            assert answer.json()["model"] == {"name": "people", "version": 1, "alias": "production"}
            assert answer.headers["x-model-version"] == "1"
    return log


def test_the_challengers_predictions_are_stored_beside_those_that_went_out(
    models: tuple[ServedModel, ServedModel],
) -> None:
    log = asked(models, 3, 2, mirror_alias="staging")
    answered = {row.prediction_id: row for row in log.rows if row.alias == "production"}
    shadows = [row for row in log.rows if row.alias == "staging"]
    assert (len(answered), len(shadows)) == (6, 6)
    assert {row.shadow_of for row in shadows} == answered.keys()
    for row in shadows:
        assert row.version == 2 and row.prediction in (b'"a"', b'"b"')
        assert row.inputs == answered[str(row.shadow_of)].inputs
    assert all(row.shadow_of is None for row in answered.values())


TENSORS = {
    "inputs": [
        {"name": name, "shape": [1], "datatype": kind, "data": [ROW[name]]}
        for name, kind in {
            "amount": "FP64", "age": "FP64", "city": "BYTES", "member": "BOOL", "since": "BYTES",
        }.items()
    ]
}  # fmt: skip
FORMS = {
    "/predict": ROW,
    "/invocations": {"dataframe_records": [ROW]},
    "/models/prediction/people/production": ROW,
    "/v2/models/people/infer": TENSORS,
    "/v2/models/people/versions/1/infer": TENSORS,
}


@pytest.mark.parametrize("path", FORMS)
def test_each_form_of_a_request_is_mirrored(models: tuple[ServedModel, ServedModel], path: str) -> None:
    log = Kept()
    with TestClient(serving_help.application(log, *models, mirror_alias="staging")) as client:
        assert client.post(path, json=FORMS[path]).status_code == 200
    (answered,) = [row for row in log.rows if row.alias == "production"]
    (shadow,) = [row for row in log.rows if row.alias == "staging"]
    assert (shadow.shadow_of, shadow.inputs) == (answered.prediction_id, answered.inputs)
    assert shadow.version == 2


@pytest.mark.parametrize("path", ["/models/prediction/people/staging", "/v2/models/people/versions/2/infer"])
def test_who_asks_the_challenger_itself_is_answered_once(
    models: tuple[ServedModel, ServedModel], path: str
) -> None:
    log = Kept()
    with TestClient(serving_help.application(log, *models, mirror_alias="staging")) as client:
        assert client.post(path, json=TENSORS if "v2" in path else ROW).status_code == 200
    assert [(row.alias, row.shadow_of) for row in log.rows] == [("staging", None)]


def test_only_a_share_is_mirrored_and_nothing_by_default(models: tuple[ServedModel, ServedModel]) -> None:
    some = [r for r in asked(models, 60, 1, mirror_alias="staging", mirror_share=0.5).rows if r.shadow_of]
    assert 10 <= len(some) <= 50  # 30 expected; outside with a chance below 1e-7
    assert not [row for row in asked(models, 5, 1).rows if row.alias == "staging"]


def test_a_challenger_that_fails_disturbs_nobody(
    models: tuple[ServedModel, ServedModel], tmp_path: Path
) -> None:
    import mlflow.sklearn
    from mlflow.models import infer_signature
    from sklearn.dummy import DummyClassifier

    other = DummyClassifier().fit([[0], [1]], [0, 1])
    mlflow.sklearn.save_model(
        other,
        str(tmp_path / "m"),
        serialization_format="cloudpickle",
        signature=infer_signature(serving_help.people(4)[["age"]].rename(columns={"age": "height"}), [0]),
        pip_requirements=["scikit-learn"],
    )
    challenger = serving_help.served(tmp_path / "m", 9, "staging")
    log = asked((models[0], challenger), 3, 1, mirror_alias="staging")
    assert {row.alias for row in log.rows} == {"production"}
    assert len(log.rows) == 3
