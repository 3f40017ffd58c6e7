"""The prediction log, read from a real Postgres."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import log_help
import pytest
import serving_help
from log_help import Row

from mlpipes_cli.adapters.postgres.ground_truth import PostgresTruthStore
from mlpipes_cli.adapters.postgres.prediction_records import PostgresPredictionRecords
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.ground_truth import Truth
from mlpipes_cli.ports.prediction_records import Prunable, Selection, Tally

pytestmark = pytest.mark.slow
MAY, JUNE, JULY = (log_help.milliseconds(f"2026-{month}") for month in ("05-01", "06-01", "07-01"))
DAY = 86_400_000


@pytest.fixture
def records(postgres: serving_help.Postgres) -> PostgresPredictionRecords:
    log_help.fresh(postgres.url)
    log_help.months(postgres.url, "2026-05", "2026-06", "2026-07")
    return PostgresPredictionRecords(postgres.url)


def say(url: str, *said: tuple[Row, Any], model: str = "people") -> None:
    store = PostgresTruthStore(url)
    store.record([Truth(json.dumps(value), row.prediction_id) for row, value in said], model=model)
    store.close()


def count(postgres: serving_help.Postgres, table: str = "predictions") -> int:
    return int(postgres.query(f"select count(*) from serving.{table}")[0][0])


def test_the_newest_with_their_truth(records: Any, postgres: serving_help.Postgres) -> None:
    rows = log_help.add(postgres.url, [Row(MAY + n * DAY, f"c{n}", version=n % 2 + 1) for n in range(40)])
    shadow = Row(MAY + 39 * DAY + 1, version=7, alias="staging", shadow_of=rows[-1].prediction_id)
    log_help.add(postgres.url, [shadow, Row(model="another")])
    say(postgres.url, (rows[-1], 1), (rows[0], 0))
    found = records.newest(Selection(model="people"), 3)
    assert [row.prediction_id for row in found] == [
        shadow.prediction_id,
        rows[39].prediction_id,
        rows[38].prediction_id,
    ]
    assert [row.truth for row in found] == ["1", "1", None]
    assert json.loads(found[1].inputs) == {"amount": 1.5, "city": "Köln"}
    assert found[1].made_at == datetime(2026, 6, 9, tzinfo=UTC)
    only = records.newest(
        Selection("people", 1, "production", (MAY + DAY) / 1000, (MAY + 5 * DAY) / 1000), 10
    )
    assert [row.caller_id for row in only] == ["c4", "c2"]
    assert records.newest(Selection(model="nobody"), 10) == []
    assert records.models() == ["another", "people"]


def test_no_prediction_at_all(records: Any) -> None:
    records.prepare()
    assert records.models() == []
    assert records.tally(Selection(), "month") == []
    assert list(records.judged(Selection(), None, 10)) == []
    assert records.prunable(0.0, None) == Prunable(0, 0, ())
    with records.snapshot(Selection(), inputs=True, size=10) as snapshot:
        assert (snapshot.rows, dict(snapshot.inputs), list(snapshot.batches)) == (0, {}, [])


def test_a_snapshot_is_of_one_moment(records: Any, postgres: serving_help.Postgres) -> None:
    rows = log_help.add(
        postgres.url,
        [
            Row(MAY + 1, inputs={"a": 1, "b": "x"}, prediction=1.0, scores=[0.1, 0.9]),
            Row(MAY + 2, inputs={"a": 2.5, "c": None}, prediction="yes", scores=None),
            Row(JUNE, inputs=[1, 2], prediction=3),
        ],
    )
    say(postgres.url, (rows[0], True))
    with records.snapshot(Selection(), inputs=True, size=2) as snapshot:
        log_help.add(postgres.url, [Row(MAY + 3)])
        assert snapshot.rows == 3
        assert snapshot.kinds == {"prediction": {"float", "string", "integer"}, "truth": {"boolean"}}
        assert snapshot.inputs == {"a": {"integer", "float"}, "b": {"string"}, "c": {"null"}}
        batches = [[row.prediction_id for row in batch] for batch in snapshot.batches]
    assert batches == [[rows[0].prediction_id, rows[1].prediction_id], [rows[2].prediction_id]]


def test_tallies_and_what_can_be_judged(records: Any, postgres: serving_help.Postgres) -> None:
    rows = log_help.add(
        postgres.url,
        [Row(start + n, version=version) for start, version in ((MAY, 1), (JUNE, 2)) for n in range(4)],
    )
    shadows = [Row(row.made_at + 1, version=2, shadow_of=row.prediction_id, prediction=0) for row in rows[:2]]
    log_help.add(postgres.url, shadows)
    say(postgres.url, (rows[0], 1), (rows[4], 0))
    may, june = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    assert records.tally(Selection("people"), "month") == [
        Tally(1, may, 4, 0),
        Tally(2, may, 2, 2),
        Tally(2, june, 4, 0),
    ]
    assert records.tally(Selection("people", version=2), None) == [Tally(2, None, 6, 2)]
    judged = sorted(row for batch in records.judged(Selection("people"), "month", 2) for row in batch)
    assert judged == [
        (1, may, "1", "0.75", "1", None), (2, may, "0", "0.75", "1", None), (2, june, "1", "0.75", "0", None),
    ]  # fmt: skip


def test_prune_removes_what_it_told_and_no_more(records: Any, postgres: serving_help.Postgres) -> None:
    rows = log_help.add(postgres.url, [Row(MAY - 40 * DAY)])  # in the default partition
    rows += log_help.add(postgres.url, [Row(MAY + n * DAY) for n in range(92)])
    say(postgres.url, *((row, 1) for row in rows[::2]))
    say(postgres.url, *((row, 0) for row in rows[::4]))
    before = (JUNE + 10 * DAY + 1) / 1000
    old = [row for row in rows if row.made_at < JUNE + 10 * DAY + 1]
    told = records.prunable(before, None)
    assert told == Prunable(len(old), len(old[::2]), ("2026-05",))
    assert count(postgres) == len(rows)
    steps: list[int] = []
    assert records.prune(before, None, steps.append) == told
    assert sum(steps) == len(old)
    left = [row.prediction_id for row in rows if row not in old]
    assert [
        i for (i,) in postgres.query("select prediction_id::text from serving.predictions order by made_at")
    ] == left
    truths = {i for (i,) in postgres.query("select prediction_id::text from serving.ground_truth")}
    assert truths == {row.prediction_id for row in rows[::2]} & set(left)
    past = {i for (i,) in postgres.query("select prediction_id::text from serving.ground_truth_history")}
    assert past == {row.prediction_id for row in rows[::4]} & set(left)
    assert postgres.query("select to_regclass('serving.predictions_2026_05')") == [(None,)]
    assert records.prune(before, None, steps.append) == Prunable(0, 0, ())


def test_prune_of_one_model_leaves_the_others(records: Any, postgres: serving_help.Postgres) -> None:
    mine = log_help.add(postgres.url, [Row(MAY + n) for n in range(5)] + [Row(JUNE + n) for n in range(5)])
    other = log_help.add(postgres.url, [Row(MAY + n, model="another") for n in range(7)])
    say(postgres.url, (mine[0], 1))
    say(postgres.url, (other[0], 1), model="another")
    told = records.prunable(JULY / 1000, "people")
    assert told == Prunable(10, 1, ("2026-06",))
    assert records.prune(JULY / 1000, "people", lambda _: None) == told
    assert (count(postgres), count(postgres, "ground_truth")) == (7, 1)
    assert records.models() == ["another"]


def test_prune_waits_for_readers_and_lets_writers_through(
    records: Any, postgres: serving_help.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpipes_cli.adapters.postgres import pruning

    monkeypatch.setattr(pruning, "_PATIENCE", 2.0)
    log_help.add(postgres.url, [Row(MAY + n) for n in range(5)])
    failed: list[BaseException] = []

    def prune() -> None:
        try:
            records.prune(JULY / 1000, None, lambda _: None)
        except BaseException as error:
            failed.append(error)

    with PostgresPredictionRecords(postgres.url).snapshot(Selection(), inputs=False, size=1) as snapshot:
        next(snapshot.batches)
        thread = threading.Thread(target=prune)
        thread.start()
        written = 0
        while thread.is_alive():
            log_help.add(postgres.url, [Row()])
            written += 1
        assert [type(error) for error in failed] == [MlpipesError]
        assert "2026-05" in str(failed[0]) and count(postgres) == 5 + written and written > 3
    records.prune(JULY / 1000, None, lambda _: None)
    assert count(postgres) == written


def plan(postgres: serving_help.Postgres, query: str, *values: Any) -> str:
    return "\n".join(line for (line,) in postgres.query(f"explain (costs off) {query}", *values))


def test_each_use_of_the_log_is_served_by_an_index(records: Any, postgres: serving_help.Postgres) -> None:
    def made() -> Any:
        for n in range(60_000):
            yield Row(MAY + n * (92 * DAY // 60_000), f"c{n}", model=f"m{n % 3}", version=n % 5 + 1)

    rows = log_help.add(postgres.url, made())
    postgres.query("analyze serving.predictions")
    some = rows[31_000]
    moment = datetime.fromtimestamp(some.made_at / 1000, UTC)

    both = plan(
        postgres,
        "select * from serving.predictions where prediction_id = %s and made_at = %s",
        some.prediction_id,
        moment,
    )
    assert both.count("Scan") == both.count("Index Scan using predictions_2026_06") == 1
    alone = plan(postgres, "select * from serving.predictions where prediction_id = %s", some.prediction_id)
    assert "Seq Scan" not in alone.replace("Seq Scan on predictions_default", "")
    assert alone.count("_pkey") >= 3
    by_time = plan(
        postgres,
        "select * from serving.predictions where made_at between %s and %s",
        moment,
        moment + timedelta(hours=1),
    )
    assert "made_at_idx" in by_time and "Seq Scan" not in by_time and "2026_07" not in by_time
    newest = plan(postgres, "select * from serving.predictions order by made_at desc limit 20")
    assert newest.count("Index Scan") == 4 and "Sort" not in newest.replace("Sort Key", "")
    by_version = plan(
        postgres,
        "select count(*) from serving.predictions where model_name = 'm1' and model_version = 2",
    )
    assert by_version.count("model_name_model_version_made_at_idx") >= 3
    by_caller = plan(postgres, "select * from serving.predictions where caller_id = 'c31000'")
    assert by_caller.count("caller_id_idx") >= 3 and "Seq Scan on predictions_2026" not in by_caller
