"""Ground truth in a real Postgres."""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

import log_help
import pytest
import serving_help
from log_help import Row

from mlpipes_cli.adapters.postgres.ground_truth import PostgresTruthStore
from mlpipes_cli.errors import MlpipesError, Rejected
from mlpipes_cli.ports.ground_truth import Recorded, Truth

pytestmark = pytest.mark.slow


@pytest.fixture
def store(postgres: serving_help.Postgres) -> Any:
    log_help.fresh(postgres.url)
    made = PostgresTruthStore(postgres.url)
    yield made
    made.close()


def kept(postgres: serving_help.Postgres) -> dict[str, Any]:
    return dict(postgres.query("select prediction_id::text, value from serving.ground_truth"))


def test_the_same_twice_is_once_and_another_value_is_a_correction(
    store: PostgresTruthStore, postgres: serving_help.Postgres
) -> None:
    one, two = log_help.add(postgres.url, [Row(), Row()])
    truths = [Truth("1", one.prediction_id), Truth("0", two.prediction_id)]
    assert store.record(truths, model="people", source="first") == Recorded(2, 0, 0, ())
    assert store.record(truths, model="people", source="again") == Recorded(0, 0, 2, ())
    assert store.record([Truth("0", one.prediction_id)], model="people", source="x") == Recorded(0, 1, 0, ())
    assert kept(postgres) == {one.prediction_id: 0, two.prediction_id: 0}
    assert dict(postgres.query("select value, source from serving.ground_truth where source = 'x'")) == {
        0: "x"
    }
    past = postgres.query(
        "select prediction_id::text, value, source, replaced_at > received_at"
        " from serving.ground_truth_history"
    )
    assert past == [(one.prediction_id, 1, "first", True)]


def test_numbers_that_are_equal_are_the_same_truth(
    store: PostgresTruthStore, postgres: serving_help.Postgres
) -> None:
    (row,) = log_help.add(postgres.url, [Row()])
    store.record([Truth("1", row.prediction_id)], model="people")
    assert store.record([Truth("1.0", row.prediction_id)], model="people").unchanged == 1


def test_of_several_truths_in_one_call_the_last_one_counts(
    store: PostgresTruthStore, postgres: serving_help.Postgres
) -> None:
    (row,) = log_help.add(postgres.url, [Row(caller_id="c1")])
    said = [Truth("0", row.prediction_id), Truth("2", None, ("c1",)), Truth("1", row.prediction_id)]
    assert store.record(said, model="people") == Recorded(1, 0, 0, ())
    assert kept(postgres) == {row.prediction_id: 1}


def test_unknown_identifiers_are_reported_and_not_kept(
    store: PostgresTruthStore, postgres: serving_help.Postgres
) -> None:
    row, other = log_help.add(postgres.url, [Row(caller_id="c1"), Row(caller_id="c2", model="another")])
    said = [
        Truth("1", log_help.identifier(row.made_at)),  # the same moment, never predicted
        Truth("1", str(uuid.uuid4())),
        Truth("1", "ffffffff-ffff-7fff-bfff-ffffffffffff"),
        Truth("1", row.prediction_id),
        Truth("1", other.prediction_id),
        Truth("1", None, ("c2",)),
        Truth("1", None, ("nobody", "nobody.0")),
    ]
    assert store.record(said, model="people") == Recorded(1, 0, 0, (0, 1, 2, 4, 5, 6))
    assert store.record(said[:1], model="people") == Recorded(0, 0, 0, (0,))
    assert kept(postgres) == {row.prediction_id: 1}


def test_an_identifier_of_the_caller_means_all_its_predictions_or_the_newest(
    store: PostgresTruthStore, postgres: serving_help.Postgres
) -> None:
    now = Row().made_at
    first, second, third = log_help.add(
        postgres.url,
        [
            Row(now - 90_000_000_000, "c1", version=2),  # in the default partition
            Row(now - 5, "c1"),
            Row(now, "c1"),
        ],
    )
    only = store.record([Truth("0", None, ("c1",))], model="people", version=2)
    assert (only.stored, kept(postgres)) == (1, {first.prediction_id: 0})
    newest = store.record([Truth("1", None, ("c1",))], model="people", latest=True)
    assert (newest.stored, kept(postgres)[third.prediction_id]) == (1, 1)
    everything = store.record([Truth("1", None, ("c1",))], model="people")
    assert everything == Recorded(1, 1, 1, ())
    assert kept(postgres) == dict.fromkeys(
        [first.prediction_id, second.prediction_id, third.prediction_id], 1
    )


def test_a_shadow_has_the_truth_of_what_it_shadows(
    store: PostgresTruthStore, postgres: serving_help.Postgres
) -> None:
    answered = Row(caller_id="c1")
    shadow = Row(answered.made_at + 3, "c1", version=4, shadow_of=answered.prediction_id)
    log_help.add(postgres.url, [answered, shadow])
    assert store.record([Truth("1", None, ("c1",))], model="people").stored == 1
    assert store.record([Truth("0", shadow.prediction_id)], model="people").corrected == 1
    assert kept(postgres) == {answered.prediction_id: 0}


def test_a_value_that_is_no_json_is_refused_and_the_rest_with_it(
    store: PostgresTruthStore, postgres: serving_help.Postgres
) -> None:
    (row,) = log_help.add(postgres.url, [Row()])
    with pytest.raises(Rejected):
        store.record([Truth("1", row.prediction_id), Truth("{", row.prediction_id)], model="people")
    assert kept(postgres) == {}
    assert store.record([Truth("1", row.prediction_id)], model="people").stored == 1


def test_corrections_at_the_same_moment_lose_nothing(
    store: PostgresTruthStore, postgres: serving_help.Postgres
) -> None:
    rows = log_help.add(postgres.url, [Row() for _ in range(50)])
    failed: list[BaseException] = []

    def say(value: int) -> None:
        try:
            for turn in range(5):
                said = [Truth(str(value * 100 + turn), row.prediction_id) for row in rows]
                store.record(said if value % 2 else said[::-1], model="people")
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=say, args=(value,)) for value in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    past = postgres.query("select value from serving.ground_truth_history")
    assert len(past) == 50 * (4 * 5 - 1)
    everything = {value for (value,) in past} | set(kept(postgres).values())
    assert everything == {value * 100 + turn for value in range(4) for turn in range(5)}


def test_a_database_that_was_restarted_is_found_again() -> None:
    with serving_help.postgres() as server:
        log_help.fresh(server.url)
        (row,) = log_help.add(server.url, [Row()])
        store = PostgresTruthStore(server.url)
        assert store.record([Truth("1", row.prediction_id)], model="people").stored == 1
        server.kill()
        with pytest.raises(MlpipesError, match="does not answer"):
            store.record([Truth("0", row.prediction_id)], model="people", seconds=2)
        server.start()
        assert store.record([Truth("0", row.prediction_id)], model="people").corrected == 1
        server.freeze(True)
        started = time.monotonic()
        try:
            with pytest.raises(MlpipesError, match="does not answer"):
                store.record([Truth("1", row.prediction_id)], model="people", seconds=1)
        finally:
            server.freeze(False)
        assert time.monotonic() - started < 60
        assert store.record([Truth("1", row.prediction_id)], model="people").matched == 1
        store.close()


def test_a_hundred_thousand_truths_take_seconds_and_each_touches_one_partition(
    store: PostgresTruthStore, postgres: serving_help.Postgres
) -> None:
    log_help.months(postgres.url, *(f"2025-{month:02}" for month in range(1, 13)))
    start, hour = log_help.milliseconds("2025-01-01"), 3_600_000
    rows = log_help.add(postgres.url, (Row(start + n * hour // 12, f"c{n}") for n in range(100_000)))
    started = time.monotonic()
    by_id = store.record([Truth("1", row.prediction_id) for row in rows], model="people", seconds=300)
    by_caller = store.record(
        [Truth("0", None, (f"c{n}",)) for n in range(100_000)], model="people", seconds=300
    )
    assert (by_id.stored, by_caller.corrected) == (100_000, 100_000)
    assert time.monotonic() - started < 300  # 5 s where nothing else runs
