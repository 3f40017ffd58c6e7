"""The framework is made when the API answers already."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import serving_help
from fastapi.testclient import TestClient
from serving_help import Kept

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.server.http import fastapi_app

ROW = {"amount": 120.5, "age": 40, "city": "Paris", "member": True, "since": "2021-05-06T00:00:00"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return serving_help.served(serving_help.saved(tmp_path_factory.mktemp("late") / "model"))


def test_predictions_do_not_wait_for_it_and_all_else_does(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, made, make = threading.Event(), [], fastapi_app.make

    def slowly(service: Any) -> Any:
        free.wait(30)
        made.append(service)
        return make(service)

    monkeypatch.setattr(fastapi_app, "make", slowly)
    with TestClient(serving_help.application(Kept(), model)) as client:
        assert client.post("/predict", json=ROW).status_code == 200
        assert made == []
        free.set()
        assert client.get("/health").status_code == 200
        assert client.get("/openapi.json").json()["paths"]["/predict"]
    assert len(made) == 1


def test_a_server_that_cannot_start_says_so_and_stops(model: Any, tmp_path: Path) -> None:
    class Refusing(Kept):
        async def open(self) -> None:
            raise MlpipesError("the database does not answer")

    starting = TestClient(serving_help.application(Refusing(), model))
    with pytest.raises(MlpipesError, match="the database does not answer"), starting:
        pytest.fail("it started")
