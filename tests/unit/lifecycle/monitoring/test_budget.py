"""The alphas of scheduled checks add up to the false alarms that the file allows in a year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from mlpipes_cli.config.monitoring import Monitoring
from mlpipes_cli.lifecycle.monitoring import budget
from mlpipes_cli.ports.monitoring import StoredCheck
from mlpipes_cli.server.predictions.uuid7 import uuid7

START = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = Monitoring(false_alarms=2.0)


def stored(at: datetime, alpha: float, cause: str = "scheduled", *, enough: bool = True) -> StoredCheck:
    return StoredCheck(
        uuid7(), at, "loans", 1, None, None, at, 100, False, enough, alpha, cause, "cron", 1.0, {}, None, 0
    )


@pytest.mark.parametrize("hours", [1, 24, 100])
def test_a_year_of_checks_spends_the_budget(hours: int) -> None:
    """At any pace, with pauses, checks by hand between them, and checks that had too few rows."""
    random = np.random.default_rng(hours)
    moment, before = START, [stored(START, 0.0)]
    while moment < START + timedelta(days=365):
        moment += timedelta(hours=hours * random.exponential())
        enough = random.random() < 0.8
        alpha = budget.of_schedule(SETTINGS, before, moment)
        before.insert(0, stored(moment, alpha, enough=enough))
        before.insert(0, stored(moment, 0.05, "manual"))
    spent = sum(check.alpha for check in before if check.cause == "scheduled" and check.enough)
    assert 1.5 <= spent <= 2.0 + SETTINGS.alpha  # less only where pauses reach the bound of a check


def test_the_first_check_has_the_time_of_the_schedule() -> None:
    weekly = Monitoring.model_validate({"schedule": "7d"})
    assert budget.of_schedule(weekly, [], START) == pytest.approx(7 / 365)
    assert budget.of_schedule(weekly, [stored(START, 0.05, "manual")], START) == pytest.approx(7 / 365)


def test_a_clock_that_jumps() -> None:
    last = [stored(START, 0.01)]
    assert budget.of_schedule(SETTINGS, last, START + timedelta(days=4000)) == SETTINGS.alpha
    assert 0 < budget.of_schedule(SETTINGS, last, START - timedelta(days=4000)) < 1e-6
