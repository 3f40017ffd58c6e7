"""``serve --engine mlflow``: workers of MLflow's own server, and words that pandas takes for missing."""

from __future__ import annotations

import signal
from typing import Any

import httpx
import pandas as pd
import pytest
from conftest import RunningStack
from waiting import free_port, until_answered

pytestmark = pytest.mark.slow
WORTH = {"NA": 10.0, "ZA": 20.0, "None": 30.0, "EU": 40.0, "": 50.0, "unknown": 50.0}
EXPERIMENT = """
experiment: countries
data:
  source: countries.csv
  target: y
  types: {zip: text}
  missing: [unknown]
  split: {test: 0.2, seed: 1}
metric: rmse
runs:
  - {name: ridge, trainer: sklearn, estimator: sklearn.linear_model.Ridge, params: {alpha: 0.000001}}
"""


def rows(count: int) -> list[tuple[str, str]]:
    return [(country, ("00501", "501")[at % 2]) for at in range(count) for country in WORTH]


def test_words_for_missing_values_are_categories_in_every_worker(running_stack: RunningStack) -> None:
    """NA and None are categories, the empty cell and the word of ``missing:`` are not; 00501 is not 501."""
    table = pd.DataFrame(rows(50), columns=["country", "zip"])
    table["y"] = table["country"].map(WORTH) + 0.5 * (table["zip"] == "501")
    table.to_csv(running_stack.root / "countries.csv", index=False)
    (running_stack.root / "countries.yaml").write_text(EXPERIMENT)
    cli = running_stack.cli
    cli("train", "countries.yaml").ok()
    cli("promote", "--experiment", "countries").ok()
    port = free_port()
    options = ["--model", "countries", "--engine", "mlflow", "--workers", "2", "--port", str(port)]
    process = cli.start("serve", *options)
    url = f"http://127.0.0.1:{port}"
    wanted = [WORTH[country] + 0.5 * (code == "501") for country, code in rows(2)]
    try:
        until_answered(process, f"{url}/ping", 180)
        records = [{"country": country, "zip": code} for country, code in rows(2)]
        for _ in range(8):  # each is answered by one of the two
            content = pd.DataFrame(records).to_csv(index=False)
            assert near(wanted, ask(url, content=content, headers={"content-type": "text/csv"}))
            assert near(wanted, ask(url, json={"dataframe_records": none_for_empty(records)}))
        refused = ask(url, content="country\nNA\n", headers={"content-type": "text/csv"})
        assert refused["message"] == "column 'zip' is missing, expected text (string)"
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert "warning" not in err


def none_for_empty(records: list[dict[str, str]]) -> list[dict[str, str | None]]:
    return [{name: value or None for name, value in record.items()} for record in records]


def ask(url: str, **request: Any) -> Any:
    answer = httpx.post(f"{url}/invocations", trust_env=False, timeout=60, **request)
    return answer.json()


def near(wanted: list[float], answer: Any) -> bool:
    return bool(answer["predictions"] == pytest.approx(wanted, abs=0.01))
