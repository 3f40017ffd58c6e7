"""What the page's routes answer, without a database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.recent_predictions import RecentPrediction
from mlpipes_cli.server.http.api_error import ApiError
from mlpipes_cli.server.models.signature import InputColumn
from mlpipes_cli.server.page.routes import add_routes
from mlpipes_cli.server.settings import ServerSettings

ROW = RecentPrediction("01a1", 1772366405250, 3, "production", '{"a": 1.5}', '"yes"', "[0.25, 0.75]", 1.5)


class Log:
    """The port, from a list."""

    def __init__(self, *rows: RecentPrediction) -> None:
        self.rows, self.asked, self.away = rows, [], False

    async def recent(self, model: str, limit: int) -> Sequence[RecentPrediction]:
        self.asked.append((model, limit))
        if self.away:
            raise MlpipesError("the database does not answer (refused)", "see `mlpipes status`")
        return self.rows[:limit]


def model(alias: str = "production", version: int = 3, **changes: Any) -> Any:
    columns = (InputColumn("a'\"b", "double", True), InputColumn("scan", "string", False))
    values = {
        "name": "people", "alias": alias, "version": version, "columns": columns, "promoted_at": None,
        "details": {
            "task": "binary", "classes": [0, 1], "positive": 1, "threshold": 0.25, "target": "Y",
            "images": ["scan"],
        },
        "pictures": [],
        "example": {"a'\"b": 2**60, "scan": float("nan")},
    }  # fmt: skip
    return SimpleNamespace(**(values | changes))


@pytest.fixture
def log() -> Log:
    return Log(ROW)


@pytest.fixture
def app(log: Log) -> FastAPI:
    first, second = model(), model("staging", 7, example=None, details={})
    service: Any = SimpleNamespace(
        model=first,
        models={"production": first, "staging": second},
        settings=ServerSettings("people", "production"),
        stores=SimpleNamespace(recent=log),
    )
    made = FastAPI()
    add_routes(made, service)

    async def fault(_: Request, error: Any) -> Response:
        return Response(error.body, error.status, error.headers, "application/json")

    made.add_exception_handler(ApiError, fault)
    return made


def get(app: FastAPI, path: str, **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(ask())


def test_the_page_allows_no_script_but_its_own(app: FastAPI) -> None:
    answer = get(app, "/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/page/page.js", "/page/model", "/predictions/recent"])
def test_what_a_browser_has_already_is_not_sent_again(app: FastAPI, path: str) -> None:
    first = get(app, path)
    assert first.status_code == 200
    again = get(app, path, **{"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_model_as_the_form_needs_it(app: FastAPI) -> None:
    assert get(app, "/page/model").json() == {
        "name": "people", "version": 3, "alias": "production", "promoted_at": None, "task": "binary",
        "classes": [0, 1], "positive": 1, "threshold": 0.25, "target": "Y",
        "columns": [
            {"name": "a'\"b", "type": "double", "required": True, "image": False, "quoted": repr("a'\"b")},
            {"name": "scan", "type": "string", "required": False, "image": True, "quoted": "'scan'"},
        ],
        "example": {"a'\"b": str(2**60), "scan": None},
        "aliases": [{"alias": "production", "version": 3}, {"alias": "staging", "version": 7}],
        "feedback": False, "max_bytes": 32 * 2**20,
    }  # fmt: skip


def test_another_alias_is_shown_when_asked_for(app: FastAPI) -> None:
    shown = get(app, "/page/model?alias=staging").json()
    assert (shown["alias"], shown["version"], shown["example"], shown["task"]) == ("staging", 7, None, None)
    assert shown["aliases"][0]["alias"] == "production"
    refused = get(app, "/page/model?alias=<b>secret</b>")
    assert refused.status_code == 404
    assert "secret" not in refused.text


def test_recent_predictions_as_documents(app: FastAPI, log: Log) -> None:
    assert get(app, "/predictions/recent?limit=7").json() == {
        "predictions": [
            {
                "prediction_id": "01a1", "made_at": "2026-03-01T12:00:05.250+00:00", "version": 3,
                "alias": "production", "inputs": {"a": 1.5}, "prediction": "yes", "scores": [0.25, 0.75],
                "latency_ms": 1.5,
            }
        ]
    }  # fmt: skip
    assert log.asked == [("people", 7)]


@pytest.mark.parametrize("limit", ["0", "101", "-1", "", "1.5", "ten", "٣", "9999"])
def test_a_limit_that_is_none_is_refused(app: FastAPI, log: Log, limit: str) -> None:
    answer = get(app, f"/predictions/recent?limit={limit}")
    assert answer.status_code == 400
    assert answer.json()["message"] == "limit: expected a whole number from 1 to 100"
    assert log.asked == []


def test_a_database_that_is_away(app: FastAPI, log: Log) -> None:
    log.away = True
    answer = get(app, "/predictions/recent")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["message"] == "the database does not answer (refused)"
