"""The decision threshold of a model is shown wherever it is described."""

from __future__ import annotations

from pathlib import Path

import mlflow.sklearn
import pytest
import serving_help
from fastapi.testclient import TestClient

from mlpipes_cli.lifecycle.serving import api_status


@pytest.mark.parametrize("threshold", [0.031, None])
def test_the_threshold_is_shown_where_the_model_has_one(tmp_path: Path, threshold: float | None) -> None:
    arguments = serving_help.arguments()
    if threshold is not None:
        arguments["metadata"]["mlpipes"]["threshold"] = threshold
    mlflow.sklearn.save_model(path=str(tmp_path / "m"), **arguments)
    app = serving_help.application(serving_help.Kept(), serving_help.served(tmp_path / "m"))
    with TestClient(app, base_url="http://localhost") as client:
        ready, metadata = client.get("/ready").json(), client.get("/v2/models/people").json()
    outputs = {output["name"]: output.get("parameters") for output in metadata["outputs"]}
    told = {} if threshold is None else {"threshold": threshold}
    assert ready["models"] == [{"name": "people", "version": 3, "alias": "production", **told}]
    assert outputs == dict.fromkeys(outputs) | {"predict": told or None}
    more = "" if threshold is None else ", threshold 0.031"
    assert api_status._sentences(ready) == [f"prediction API: people version 3 (production{more})"]
