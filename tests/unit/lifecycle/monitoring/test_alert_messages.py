"""What an alert says of a check: no level, no value, no name of a class."""

from __future__ import annotations

import json

from mlpipes_cli.lifecycle.monitoring import alert_messages
from mlpipes_cli.lifecycle.monitoring.result import Monitored, Window
from mlpipes_cli.monitoring.performance_results import MetricCheck, PerformanceCheck
from mlpipes_cli.monitoring.results import ColumnCheck, Effect


def column(name: str, kind: str = "category", *, alarm: bool = True) -> ColumnCheck:
    effects = (Effect("mix", 0.4, 0.2, 0.31415, "'Secretville' 20 % -> 31 %"),)
    return ColumnCheck(
        name, kind, 300, 600, 0.4, 0.001, True, alarm, "mix", effects, shape={"levels": ["Secretville"]}  # type: ignore[arg-type]
    )  # fmt: skip


def check(*, alarm: bool) -> Monitored:
    metric = MetricCheck("roc_auc", 0.61234, (0.5, 0.7), 0.8, 0.001, alarm)
    performance = PerformanceCheck(
        "multiclass", "roc_auc", 300, 250, 250, alarm, {"roc_auc": metric}, None, {}, (),
        "worse for Secretville",
    )  # fmt: skip
    return Monitored(
        "loans", 3, "production", Window(None, None, None, None, 300), 300, 600, alarm, True,
        "1 of 2 columns changed: city ('Secretville' 20 % -> 31 %)", 0.05,
        (column("city"), column("age", alarm=False)),
        {"score_Secretville": column("score_Secretville", "score")}, None, performance, None,
        ("Secretville",),
        "7", "2026-11-30T01:02:03.004+00:00", "scheduled", "ana@desk", 1.0,
    )  # fmt: skip


def test_an_alarm_names_columns_and_figures_and_no_level() -> None:
    found = alert_messages.of_check("bank", check(alarm=True))
    assert found["text"].splitlines() == [
        "alarm: version 3 of model loans in project bank",
        "roc_auc is worse than on the holdout: 0.612, on the holdout 0.800",
        "city changed: mix, effect 0.40",
        "score changed: mix, effect 0.40",
        "check of 2026-11-30 01:02 UTC, 300 rows; see `mlpipes monitor history`",
    ]
    text = json.dumps(found)
    assert "Secretville" not in text and "31415" not in text and "ana@desk" not in text
    assert [one["name"] for one in found["columns"]] == ["city", "score"]
    assert found["columns"][0] == {
        "name": "city",
        "kind": "category",
        "change": "mix",
        "effect": 0.4,
        "p": 0.001,
    }


def test_the_end_of_an_alarm() -> None:
    found = alert_messages.of_check("bank", check(alarm=False))
    assert (found["kind"], found["columns"]) == ("calm", [])
    assert found["text"].startswith("alarm ended: version 3 of model loans in project bank\n")
