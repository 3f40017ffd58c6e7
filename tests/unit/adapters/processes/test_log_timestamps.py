from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from mlpipes_cli.adapters.processes import log_timestamps
from mlpipes_cli.errors import UsageError

NOON = 1795262400.0  # 2026-11-21 12:00:00 UTC


@pytest.fixture(autouse=True)
def _berlin() -> Iterator[None]:
    """Local time is one hour ahead."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "CET-1"
    time.tzset()
    yield
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("2026-11-21 12:00:00.500 UTC [12] LOG:  ready", NOON + 0.5),
        ("2026/11/21 13:00:00 INFO mlflow.server: begin", NOON),
        ("2026-11-21 13:00:00,250 WARNING: slow", NOON + 0.25),
        ("2026-11-21T12:00:00Z started", NOON),
        ("2026-11-21T12:00:00.123456789Z started", NOON + 0.123456),
        ("[2026-11-21 14:00:00 +0200] [7] booting", NOON),
        ("2026-11-21 07:00:00-05:00 x", NOON),
        ("INFO:     127.0.0.1 - GET /", None),
        ("2026-13-21 12:00:00 UTC x", None),
        ("2026-11-21 12:00 x", None),
        ("", None),
    ],
)
def test_the_times_that_programs_write(line: str, wanted: float | None) -> None:
    assert log_timestamps.seconds(line) == wanted


def test_a_line_without_a_time_is_as_old_as_the_one_above() -> None:
    lines = [
        "an old one", "2026-11-21 12:00:00 UTC first", "  more of it",
        "2026-11-21 12:00:02 UTC second", "Traceback", "2026-11-21 12:00:03 UTC third",
    ]  # fmt: skip
    assert list(log_timestamps.later(lines, NOON + 1, "a.log")) == lines[3:]
    assert list(log_timestamps.later(lines, NOON + 60, "a.log")) == []
    assert list(log_timestamps.later([], NOON, "a.log")) == []


def test_a_log_without_times_says_so() -> None:
    with pytest.raises(UsageError, match=r"the log of .*a\.log has no timestamps"):
        list(log_timestamps.later(["one", "two"], NOON, "a.log"))
