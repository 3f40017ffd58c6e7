"""What sets off a training, and when none may start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from mlpipes_cli.config.retraining.causes import Condition, conditions
from mlpipes_cli.config.retraining.settings import Retrain
from mlpipes_cli.lifecycle.retraining import causes, limits
from mlpipes_cli.ports import ModelVersion
from mlpipes_cli.ports.monitoring import StoredCheck
from mlpipes_cli.ports.retraining.store import Retraining

NOW, DAY = datetime(2026, 5, 1, 12, tzinfo=UTC), timedelta(days=1)
ID = UUID(int=7)


def check(days_ago: float = 0.0, *, enough: bool = True, alarm: bool = False, **result: Any) -> StoredCheck:
    at = NOW - days_ago * DAY
    return StoredCheck(
        ID, at, "loans", 1, "production", None, at, 500, alarm, enough, 0.05, "scheduled", "ana@desk", 1.0,
        result, None, 0,
    )  # fmt: skip


def column(alarm: bool) -> dict[str, Any]:
    return {"name": "income", "alarm": alarm}


def find(text: str, *checks: StoredCheck, truths: int = 0) -> tuple[str | None, str]:
    cause, why = causes.find(conditions(text), checks, lambda: truths)
    return (None if cause is None else cause.summary), why


@pytest.mark.parametrize(
    "result",
    [
        {"columns": [column(False), column(True)]},
        {"columns": [column(False)], "predictions": {"score": column(True)}},
        {"columns": [column(False)], "joint": {"alarm": True}},
    ],
)
def test_inputs_scores_and_the_joint_check_are_drift(result: dict[str, Any]) -> None:
    made = check(alarm=True, **result)
    assert find("drift", made) == (f"drift, check {ID}", "")
    assert find("performance", made)[0] is None
    assert find("performance,drift", made) == (f"drift, check {ID}", "")


def test_a_loss_of_performance_is_no_drift() -> None:
    made = check(alarm=True, columns=[column(False)], performance={"alarm": True})
    assert find("drift,performance", made) == (f"performance, check {ID}", "")
    assert find("drift", made) == (None, "the check of 2026-05-01 12:00 UTC shows no drift")


def test_the_newest_check_with_enough_rows_decides() -> None:
    calm, alarm = check(1, columns=[column(False)]), check(2, alarm=True, columns=[column(True)])
    assert find("drift", check(0, enough=False), calm, alarm)[0] is None
    assert find("drift", check(0, enough=False), alarm)[0] is not None
    assert find("drift") == (None, "no check shows drift: none with enough rows is stored")


def test_enough_new_ground_truths_are_a_cause() -> None:
    assert find("truth:500", truths=499) == (None, "499 of 500 new ground truths")
    assert find("truth:500", truths=500) == ("500 new ground truths", "")
    assert find("drift,truth:500", check(columns=[column(False)]), truths=3) == (
        None, "the check of 2026-05-01 12:00 UTC shows no drift; 3 of 500 new ground truths",
    )  # fmt: skip


def test_conditions_are_read_once_each() -> None:
    truth = Condition("truth", 5)
    assert conditions(" drift, truth:5 ,drift") == (Condition("drift"), truth)
    assert [str(one) for one in conditions("performance,truth:5")] == ["performance", "truth:5"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "no condition is given; use drift, performance or truth:N, such as truth:500"),
        ("truth", "'truth' needs a number of rows from 1: truth:500"),
        ("truth:-3", "'truth:-3' needs a number of rows from 1: truth:500"),
        ("perfomance", "unknown condition 'perfomance'; did you mean 'performance'?"),
        ("rain", "unknown condition 'rain'; use drift, performance or truth:N, such as truth:500"),
    ],
)
def test_wrong_conditions(text: str, line: str) -> None:
    with pytest.raises(ValueError) as caught:
        conditions(text)
    assert str(caught.value) == line


def past(days_ago: float, outcome: str | None) -> Retraining:
    at = NOW - days_ago * DAY
    return Retraining(ID, "loans", "drift", None, at, at, outcome, "", None, None, "ana@desk")


def why_not(*history: Retraining, **settings: Any) -> str:
    return limits.why_not(Retrain.model_validate(settings), history, NOW)


def test_the_cool_down_begins_with_a_retraining_that_decided() -> None:
    assert why_not() == ""
    for outcome in ("promoted", "refused", "unchanged", "rolled back", None):
        assert why_not(past(6.9, outcome)).endswith("the cool-down of 1w lasts until 2026-05-01 14:24 UTC")
        assert why_not(past(7.1, outcome)) == ""
    assert why_not(past(1, "killed"), past(2, "failed")) == ""
    assert why_not(past(1, "killed"), past(2, "refused"))
    assert why_not(past(1.5, "refused"), cool_down="1d") == ""


def test_tries_without_a_promotion_that_stands_are_limited() -> None:
    tries = [past(1, "killed"), past(8, "rolled back"), past(16, "refused")]
    assert why_not(*tries, past(20, "promoted")) == (
        "3 retrainings within 30d led to no promotion that stands (max_tries: 3); the next one may start at "
        "2026-05-15 12:00 UTC"
    )
    assert why_not(*tries, max_tries=4) == ""
    assert why_not(*tries[:2], past(31, "refused")) == ""
    assert why_not(past(8, "promoted"), *[past(9 + day, "refused") for day in range(5)]) == ""


def test_a_clock_that_was_ahead_stops_nothing() -> None:
    assert why_not(past(-400, "refused")) == ""


def test_ground_truth_is_new_since_the_last_training_that_was_judged() -> None:
    made = ModelVersion("loans", 2, "run", (), {}, int((NOW - 9 * DAY).timestamp() * 1000))
    assert causes.since(made, [past(1, "killed"), past(3, "refused"), past(5, "promoted")]) == NOW - 3 * DAY
    assert causes.since(made, [past(10, "promoted")]) == NOW - 9 * DAY
    assert causes.since(made, []) == NOW - 9 * DAY
