"""What MLflow's access log leaves out: the looks of the API's workers, and questions for its health."""

from __future__ import annotations

import importlib.util
import logging

import pytest

from mlpipes_cli import package_files

LOOK = "/api/2.0/mlflow/registered-models/get?name=credit"


@pytest.mark.parametrize(
    ("method", "path", "status", "told"),
    [
        ("GET", LOOK, 200, False),
        ("GET", LOOK, 404, False),
        ("GET", "/health", 200, False),
        ("GET", LOOK, 500, True),
        ("GET", "/health", 503, True),
        ("POST", LOOK, 200, True),
        ("GET", "/api/2.0/mlflow/registered-models/get-latest-versions?name=x", 200, True),
        ("GET", "/api/2.0/mlflow/registered-models/search", 200, True),
        ("GET", "/healthy", 200, True),
        ("POST", "/api/2.0/mlflow/runs/create", 200, True),
    ],
)
def test_lines_that_are_left_out(method: str, path: str, status: int, told: bool) -> None:
    place = package_files.compose() / "mlflow" / "one_process.py"
    spec = importlib.util.spec_from_file_location("one_process", place)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    words = ("127.0.0.1:1", method, path, "1.1", status)
    record = logging.LogRecord("uvicorn.access", 20, "", 0, '%s - "%s %s HTTP/%s" %d', words, None)
    assert module.Unasked().filter(record) == told
    assert module.Unasked().filter(logging.LogRecord("uvicorn.access", 20, "", 0, "words", (), None))
