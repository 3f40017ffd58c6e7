"""Routes that name the model, and the shapes that ``/predict`` takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import protocol_models
import pytest
from protocol_help import Api

pytestmark = pytest.mark.slow
PATH = "/models/prediction/train/production"


@pytest.fixture
def train(api: Callable[[str], Api]) -> Api:
    return api("train")


def test_a_client_of_ml_pipes_works_unchanged(train: Api) -> None:
    """It sends ``df.to_dict("list")`` with an ``id`` and reads ``id`` and ``prediction``."""
    frame = protocol_models.table(5).assign(id=range(5))
    answer = train.client.post(PATH, content=json.dumps(frame.to_dict("list"))).json()
    expected = train.client.post("/predict", content=frame.to_json(orient="records")).json()
    assert answer["id"] == answer["ids"] == expected["ids"] == [0, 1, 2, 3, 4]
    assert answer["prediction"] == answer["predictions"] == expected["predictions"]
    assert answer["scores"] == pytest.approx(expected["scores"], rel=1e-9)
    assert answer["model"] == expected["model"] == {"name": "train", "version": 3, "alias": "production"}
    for position, identifier in enumerate(answer["prediction_ids"]):
        row = train.stored(identifier)
        assert (row["caller_id"], row["prediction"]) == (str(position), answer["prediction"][position])


def test_the_served_models_are_listed_by_name_and_alias(train: Api) -> None:
    listed = train.client.get("/models/list").json()
    assert list(listed) == ["train"]
    production = listed["train"]["production"]
    assert (production["name"], production["version"], production["alias"]) == ("train", 3, "production")
    assert production["path"] == PATH and production["task"] == "binary"


@pytest.mark.parametrize("path", ["other/production", "train/staging", "train/3"])
def test_a_model_that_is_not_served_is_404(train: Api, path: str) -> None:
    answer = train.client.post(f"/models/prediction/{path}", json={"amount": 1})
    assert answer.status_code == 404 and answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


@pytest.mark.parametrize("path", ["/predict", PATH])
def test_every_shape_of_pandas_gives_the_same(train: Api, path: str) -> None:
    frame = protocol_models.table(4).assign(ID=["a", "b", "c", "d"])
    expected = train.client.post("/predict", content=frame.to_json(orient="records")).json()
    bare = frame.drop(columns="ID")
    bodies: dict[str, Any] = {
        **{f"to_dict {shape}": frame.to_dict(shape) for shape in ("list", "split", "tight", "records")},
        **{
            f"to_json {s}": json.loads(frame.to_json(orient=s))
            for s in ("split", "records", "index", "columns")
        },
        "values": json.loads(bare.to_json(orient="values")),
        "MLflow's": {"dataframe_split": frame.to_dict("split")},
    }
    for shape, body in bodies.items():
        answer = train.client.post(path, content=json.dumps(body))
        assert answer.status_code == 200, (shape, answer.text)
        found = answer.json()
        assert found["predictions"] == expected["predictions"], shape
        assert found["ids"] == (None if shape == "values" else expected["ids"]), shape


def test_a_record_is_answered_with_lists_of_one(train: Api) -> None:
    frame = protocol_models.table(1)
    answer = train.client.post(PATH, content=json.dumps(frame.to_dict("records")[0])).json()
    assert len(answer["prediction"]) == len(answer["prediction_ids"]) == 1 and answer["id"] is None


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"amount": [1], "ratio": 1}, "'ratio'"),
        ({"amount": [1], "ratio": [1, 2]}, "'ratio'"),
        ({"amount": {"0": 1}, "ratio": {"1": 1}}, "'ratio'"),
        ([1, 2], "row 0"),
        ([[1, 2]], "row 0"),
        (5, "record"),
        ("x", "record"),
        (None, "record"),
        ({}, "missing"),
        ([], "missing"),
        ({"amount": {}, "ratio": {}}, "missing"),
        ({"columns": 5, "data": 5}, ""),
    ],
)
def test_a_mistake_is_told_and_nothing_is_stored(train: Api, body: Any, told: str) -> None:
    before = train.count()
    for path in ("/predict", PATH):
        answer = train.client.post(path, content=json.dumps(body))
        assert answer.status_code == 400, answer.text
        assert told in answer.json()["message"]
    assert train.count() == before


def test_another_content_type_is_refused(train: Api) -> None:
    answer = train.client.post(PATH, content=b"a\n1\n", headers={"content-type": "text/csv"})
    assert answer.status_code == 415
