from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import serving_help

from mlpipes_cli.errors import MlpipesError, Rejected
from mlpipes_cli.ports import PredictionRow
from mlpipes_cli.server.batcher import Batcher, Job, grouped
from mlpipes_cli.server.faults import Fault
from mlpipes_cli.server.model import ServedModel
from mlpipes_cli.server.requests import Question
from mlpipes_cli.server.settings import ServerSettings


class MemoryStore:
    """Keeps rows in a list; a gate holds writes back, a rule refuses rows."""

    def __init__(self) -> None:
        self.batches: list[list[PredictionRow]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.refuse: Callable[[Sequence[PredictionRow]], MlpipesError | None] = lambda rows: None

    def prepare(self) -> None:
        return None

    def write(self, rows: Sequence[PredictionRow]) -> None:
        self.entered.set()
        assert self.gate.wait(30)
        if error := self.refuse(rows):
            raise error
        self.batches.append(list(rows))

    def ping(self) -> bool:
        return True

    def interrupt(self) -> None:
        return None

    def close(self) -> None:
        return None

    @property
    def rows(self) -> list[PredictionRow]:
        return [row for batch in self.batches for row in batch]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    path: Path = tmp_path_factory.mktemp("model") / "m"
    served: ServedModel = serving_help.served(serving_help.saved(path))
    return served


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def batcher(store: MemoryStore) -> Iterator[Batcher]:
    made = Batcher(store, ServerSettings("people", "production", 3, max_waiting=8))
    made.start()
    yield made
    store.gate.set()
    made.stop()


def job(model: ServedModel, rows: int = 1, ids: list[Any] | None = None, data: Any = None) -> Job:
    frame = serving_help.people(60).head(rows) if data is None else data
    enforced, params = model.enforce(frame, None)
    return Job(Question(enforced, params, ids, True, len(enforced)), model, time.perf_counter())


def test_an_answer_comes_after_the_write_and_names_its_rows(
    batcher: Batcher, store: MemoryStore, model: ServedModel
) -> None:
    asked = job(model, 3, ["a", "b", "c"])
    batcher.submit(asked)
    answer = asked.answer.result(30)
    assert [row.prediction_id for row in store.rows] == answer.prediction_ids
    assert [row.caller_id for row in store.rows] == ["a", "b", "c"]
    assert {(row.model, row.version, row.alias) for row in store.rows} == {("people", 3, "production")}


def test_nothing_is_answered_before_it_is_stored(
    batcher: Batcher, store: MemoryStore, model: ServedModel
) -> None:
    store.gate.clear()
    asked = job(model)
    batcher.submit(asked)
    assert store.entered.wait(30)
    assert not asked.answer.done()
    store.gate.set()
    assert asked.answer.result(30).prediction_ids


def test_requests_that_wait_together_are_written_together(
    batcher: Batcher, store: MemoryStore, model: ServedModel
) -> None:
    store.gate.clear()
    first = job(model)
    batcher.submit(first)
    assert store.entered.wait(30)
    others = [job(model, rows) for rows in (1, 2, 3)]
    for other in others:
        batcher.submit(other)
    serving_help.until(lambda: batcher._writer._queue.qsize() == 3)
    store.gate.set()
    for other, rows in zip(others, (1, 2, 3), strict=True):
        assert len(other.answer.result(30).predictions) == rows
    assert [len(batch) for batch in store.batches] == [1, 6]


def test_a_shared_call_gives_each_what_it_would_get_alone(model: ServedModel) -> None:
    frame = serving_help.people(40)
    jobs = [
        job(model, data=frame.iloc[start : start + 4].reset_index(drop=True)) for start in range(0, 40, 4)
    ]
    assert len(grouped(jobs)) == 1
    store = MemoryStore()
    batcher = Batcher(store, ServerSettings("people", "production", 3))
    batcher._writer.start()
    batcher._predict(jobs)
    shared = [one.answer.result(30) for one in jobs]
    batcher.stop()
    alone = [model.predict(one.question.data) for one in jobs]
    assert [a.predictions for a in shared] == [a.raw.tolist() for a in alone]
    for left, right in zip(shared, alone, strict=True):
        assert left.outcome.scores == pytest.approx(right.scores, abs=1e-12)


def test_a_row_that_breaks_the_model_fails_its_own_request_alone(
    batcher: Batcher, store: MemoryStore, model: ServedModel
) -> None:
    good, bad = job(model), job(model)
    bad.question.data["city"] = [{"not": "text"}]
    store.gate.clear()
    blocker = job(model)
    batcher.submit(blocker)
    assert store.entered.wait(30)
    for one in (good, bad):
        batcher.submit(one)
    store.gate.set()
    assert good.answer.result(30).prediction_ids
    with pytest.raises(Fault) as caught:
        bad.answer.result(30)
    assert caught.value.status == 400
    assert len(store.rows) == 2


def test_rows_that_the_database_refuses_fail_their_own_request_alone(
    batcher: Batcher, store: MemoryStore, model: ServedModel
) -> None:
    store.refuse = lambda rows: Rejected("bad") if any(r.caller_id == "bad" for r in rows) else None
    store.gate.clear()
    jobs = [job(model, 1, [name]) for name in ("first", "good", "bad", "fine")]
    for one in jobs:
        batcher.submit(one)
    store.gate.set()
    for one in (jobs[0], jobs[1], jobs[3]):
        assert one.answer.result(30).prediction_ids
    with pytest.raises(Fault) as caught:
        jobs[2].answer.result(30)
    assert caught.value.status == 400
    assert sorted(str(row.caller_id) for row in store.rows) == ["fine", "first", "good"]


def test_a_database_that_is_away_is_a_503_with_retry_after(
    batcher: Batcher, store: MemoryStore, model: ServedModel
) -> None:
    store.refuse = lambda rows: MlpipesError("away")
    asked = job(model)
    batcher.submit(asked)
    with pytest.raises(Fault) as caught:
        asked.answer.result(30)
    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "1"})


def test_the_queue_is_bounded(batcher: Batcher, store: MemoryStore, model: ServedModel) -> None:
    store.gate.clear()
    one = job(model)
    with pytest.raises(Fault) as caught:
        for _ in range(100):
            batcher.submit(Job(one.question, model, one.arrived))
    assert caught.value.status == 503


def test_a_request_that_nobody_waits_for_is_not_stored(
    batcher: Batcher, store: MemoryStore, model: ServedModel
) -> None:
    store.gate.clear()
    first, given_up, last = job(model), job(model), job(model)
    batcher.submit(first)
    assert store.entered.wait(30)
    batcher.submit(given_up)
    assert given_up.answer.cancel()
    batcher.submit(last)
    store.gate.set()
    last.answer.result(30)
    assert len(store.rows) == 2


def test_stopping_answers_what_is_inside(store: MemoryStore, model: ServedModel) -> None:
    batcher = Batcher(store, ServerSettings("people", "production", 3))
    jobs = [job(model) for _ in range(5)]
    batcher.start()
    for one in jobs:
        batcher.submit(one)
    batcher.stop()
    assert all(one.answer.done() for one in jobs)
    assert len(store.rows) == 5


def test_frames_of_different_shapes_are_not_mixed(model: ServedModel) -> None:
    whole = serving_help.people(2)
    jobs = [job(model, data=whole), job(model, data=whole.drop(columns=["amount"])), job(model, data=whole)]
    assert sorted(len(group) for group in grouped(jobs)) == [1, 2]
    empty = job(model, data=pd.DataFrame({name: whole[name].iloc[:0] for name in whole.columns}))
    assert len(grouped([empty, jobs[0]])) == 2
