"""The newest check as a page and as metrics: the right values, and a database that is away."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from prometheus_client.parser import text_string_to_metric_families

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.server.http.api_error import ApiError
from mlpipes_cli.server.ops import monitoring
from mlpipes_cli.server.settings import ServerSettings

COLUMN: dict[str, Any] = {
    "name": 'in"come', "kind": "number", "rows": 300, "reference_rows": 600, "effect": 0.7, "p": 0.001,
    "significant": True, "alarm": True, "change": "location", "effects": [], "quality": [], "note": "",
    "shape": {}, "detectable": None, "detectable_words": "",
}  # fmt: skip
FEW = COLUMN | {"name": "few", "effect": None, "p": None, "alarm": False, "significant": False}
CHECK: dict[str, Any] = {
    "model": "loans", "version": 3, "window": {}, "rows": 300, "reference_rows": 600, "alarm": True,
    "enough": True, "alpha": 0.05, "verdict": "income changed", "columns": [COLUMN, FEW],
    "predictions": {"score": COLUMN | {"name": "score", "effect": 0.25, "alarm": False}}, "joint": None,
    "performance": {
        "task": "binary", "metric": "ks", "predictions": 300, "with_truth": 80, "ids": 80, "alarm": False,
        "metrics": {"ks": {"metric": "ks", "live": 0.5, "interval": [0.4, 0.6], "holdout": 0.6, "p": 0.2,
                           "worse": False, "note": ""}},
        "decay": None, "estimates": {}, "segments": [], "verdict": "as on the holdout",
    },
    "notes": [], "checked_at": "2026-11-28T06:00:00.000+00:00",
}  # fmt: skip


class Checks:
    def __init__(self, *checks: dict[str, Any]) -> None:
        self.checks: list[dict[str, Any]] | None = list(checks)
        self.asked: list[tuple[str, int]] = []

    async def newest(self, model: str, limit: int) -> list[dict[str, Any]]:
        self.asked.append((model, limit))
        if self.checks is None:
            raise MlpipesError("the database did not respond within 5 s")
        return self.checks[:limit]


def get(checks: Checks) -> httpx.Response:
    service: Any = SimpleNamespace(
        model=SimpleNamespace(name="loans"),
        stores=SimpleNamespace(checks=checks),
        settings=ServerSettings("loans", "production"),
    )
    app = FastAPI()
    monitoring.add_routes(app, service)

    async def fault(_: Request, error: Any) -> Response:
        return Response(error.body, error.status, error.headers, "application/json")

    app.add_exception_handler(ApiError, fault)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.get("/monitor")

    return asyncio.run(ask())


def test_the_page_is_the_report_of_the_newest_check() -> None:
    answer = get(Checks(CHECK, CHECK | {"checked_at": "2026-11-27T06:00:00.000+00:00"}))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "script" not in answer.headers["content-security-policy"]
    assert "<h1>loans, version 3</h1>" in answer.text and "income changed" in answer.text
    assert "Over time" in answer.text


def test_without_a_check_the_page_says_what_to_run() -> None:
    answer = get(Checks())
    assert (answer.status_code, "<code>mlpipes monitor</code>" in answer.text) == (200, True)


def test_without_a_database_the_page_is_not_available() -> None:
    checks = Checks()
    checks.checks = None
    answer = get(checks)
    assert answer.status_code == 503
    assert "did not respond" in answer.json()["message"]


def exposed(text: bytes) -> dict[tuple[str, str], float]:
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            assert (sample.labels.pop("name"), sample.labels.pop("version")) == ("loans", "3")
            found[sample.name.removeprefix("mlpipes_monitor_"), *sample.labels.values() or [""]] = (
                sample.value
            )
    return found


def test_metrics_have_the_figures_of_the_newest_check() -> None:
    text = asyncio.run(monitoring.CheckMetrics(Checks(CHECK), "loans").text())
    assert exposed(text) == {
        ("alarm", ""): 1.0, ("rows", ""): 300.0, ("checked_timestamp_seconds", ""): 1795845600.0,
        ("column_alarm", 'in"come'): 1.0, ("column_alarm", "few"): 0.0, ("column_alarm", "score"): 0.0,
        ("column_effect", 'in"come'): 0.7, ("column_effect", "score"): 0.25,
        ("column_p_value", 'in"come'): 0.001, ("column_p_value", "score"): 0.001,
        ("live_metric", "ks"): 0.5, ("holdout_metric", "ks"): 0.6,
    }  # fmt: skip


def test_metrics_are_read_once_in_a_while_and_stay_while_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checks = Checks(CHECK)
    metrics = monitoring.CheckMetrics(checks, "loans")

    async def several() -> list[bytes]:
        first = [await metrics.text(), await metrics.text()]
        assert checks.asked == [("loans", 1)]
        monkeypatch.setattr(monitoring, "_FRESH", 0.0)
        checks.checks = None
        first.append(await metrics.text())
        checks.checks = []
        return [*first, await metrics.text()]

    one, two, away, none = asyncio.run(several())
    assert one == two == away != b""
    assert none == b""
