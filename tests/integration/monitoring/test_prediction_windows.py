"""The predictions that a check looks at, read from a real database."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import log_help
import psycopg2
from log_help import Row

from mlpipes_cli.adapters.postgres.prediction_windows import PostgresWindowReader
from mlpipes_cli.ports.monitoring import PredictionWindow

START = log_help.milliseconds("2026-05-01")
HOUR = 3_600_000


def read(url: str, **changed: Any) -> tuple[PredictionWindow, list[int]]:
    """The window, and the input ``n`` of its rows in order."""
    asked: dict[str, Any] = {"since": None, "until": None, "rows": None, "most": 1000, "size": 7} | changed
    with PostgresWindowReader(url).window("people", 3, **asked) as window:
        rows = [row for batch in window.batches for row in batch]
    return window, sorted(json.loads(row.inputs)["n"] for row in rows)


def rows(numbers: range, every: int = HOUR, **fields: Any) -> list[Row]:
    return [Row(START + n * every, inputs={"n": n}, **fields) for n in numbers]


def test_only_the_version_and_the_window_count(url: str) -> None:
    log_help.add(url, rows(range(48)))
    log_help.add(url, rows(range(5), version=2) + rows(range(3), model="others"))
    log_help.add(url, [Row(START + HOUR + 1, inputs={"n": 100}, shadow_of=log_help.identifier(START))])
    at = START / 1000
    window, found = read(url, since=at + 3600, until=at + 10 * 3600)
    assert found == [*range(1, 10), 100]
    assert (window.predictions, window.mirrored, window.others, window.read) == (10, 1, 4, 10)
    assert window.since is not None and window.since.timestamp() == at + 3600
    assert window.first is not None and window.first.timestamp() == at + 3600
    assert window.last is not None and window.last.timestamp() == at + 9 * 3600


def test_the_newest_rows(url: str) -> None:
    log_help.add(url, rows(range(48)))
    window, found = read(url, rows=5)
    assert found == [43, 44, 45, 46, 47]
    assert (window.predictions, window.read, window.since) == (5, 5, None)


def test_of_a_caller_only_the_newest_prediction_counts(url: str) -> None:
    log_help.add(url, rows(range(10), caller_id="ana") + rows(range(20, 22), caller_id="ben"))
    log_help.add(url, rows(range(30, 33)))
    window, found = read(url)
    assert found == [9, 21, 30, 31, 32]
    assert (window.predictions, window.read) == (15, 15)


def test_of_very_many_predictions_the_same_random_part_is_read(url: str) -> None:
    """All predictions of a caller are in the part, or none; and every prediction has the same chance."""
    log_help.add(url, [row for n in range(1000) for row in rows(range(n, n + 2), 1000, caller_id=f"c{n}")])
    log_help.add(url, rows(range(5000, 7000), 1000))
    window, found = read(url, most=1000)
    assert window.predictions == 4000 and 880 < window.read < 1120
    assert read(url, most=1000)[1] == found
    of_callers = [n for n in found if n < 5000]
    alone = len(found) - len(of_callers)
    assert window.read == 2 * len(of_callers) + alone
    assert 420 < alone < 580


def judge(url: str, prediction: Row, day: int, value: Any = 1) -> None:
    with closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
        cursor.execute(
            "insert into serving.ground_truth (prediction_id, value, received_at) values (%s, %s, %s)",
            (prediction.prediction_id, json.dumps(value), f"2026-06-{day:02}T12:00Z"),
        )


def test_truths_count_when_they_arrive(url: str) -> None:
    """A mirrored prediction has the answered one's truth; a window in rows has the truths of its rows."""
    answered, *others = log_help.add(url, rows(range(6)))
    mirrored = [Row(START, version=4, inputs={"n": 9}, shadow_of=answered.prediction_id)]
    log_help.add(url, mirrored)
    for day, prediction in enumerate((answered, *others[:3]), start=10):
        judge(url, prediction, day, day)
    june = log_help.milliseconds("2026-06-11") / 1000

    def arrived(version: int = 3, **changed: Any) -> list[tuple[int, Any]]:
        asked: dict[str, Any] = {
            "since": None,
            "until": None,
            "rows": None,
            "most": 1000,
            "size": 2,
        } | changed
        with PostgresWindowReader(url).window("people", version, **asked) as window:
            found = [row for batch in window.truths for row in batch]
        return [(json.loads(row.inputs)["n"], json.loads(row.truth)) for row in found]

    assert arrived() == [(0, 10), (1, 11), (2, 12), (3, 13)]
    assert arrived(since=june, until=june + 2 * 86_400) == [(1, 11), (2, 12)]
    assert arrived(most=2) == [(2, 12), (3, 13)]
    assert arrived(rows=3) == [(3, 13)]
    assert arrived(version=4) == [(9, 10)]
    with PostgresWindowReader(url).window(
        "people", 3, since=None, until=None, rows=None, most=9, size=9
    ) as window:
        assert sorted(row.judged for batch in window.batches for row in batch) == [False] * 2 + [True] * 4


def test_a_window_without_predictions(url: str) -> None:
    window, found = read(url)
    assert (found, window.predictions, window.first, window.last) == ([], 0, None, None)
