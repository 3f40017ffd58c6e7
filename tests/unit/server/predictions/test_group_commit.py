from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import serving_help
from serving_help import Kept, Silent

from mlpipes_cli.errors import MlpipesError, Rejected
from mlpipes_cli.server.http.api_error import ApiError
from mlpipes_cli.server.models.served_model import ServedModel
from mlpipes_cli.server.predictions.batch import PredictionJob, ask, grouped
from mlpipes_cli.server.predictions.group_commit import GroupCommit
from mlpipes_cli.server.predictions.stored_rows import RecordOrigin, StoredAnswer
from mlpipes_cli.server.settings import ServerSettings


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    path: Path = tmp_path_factory.mktemp("model") / "m"
    served: ServedModel = serving_help.served(serving_help.saved(path))
    return served


def job(model: ServedModel, rows: int = 1, ids: list[Any] | None = None, data: Any = None) -> PredictionJob:
    frame = serving_help.people(60).head(rows) if data is None else data
    enforced, params = model.mlflow.enforce(frame, None)
    future: asyncio.Future[StoredAnswer] = asyncio.get_running_loop().create_future()
    return PredictionJob(
        model, len(enforced), RecordOrigin(time.perf_counter()), ids, future, data=enforced, params=params
    )


def run(work: Callable[[GroupCommit, Kept], Awaitable[None]], **settings: Any) -> Kept:
    """Run a test's work with a pipeline on a log in memory, then stop it."""

    async def main() -> Kept:
        log = Kept()
        pipeline = GroupCommit(log, ServerSettings("people", "production", **settings), Silent())
        pipeline.start()
        await work(pipeline, log)
        log.gate.set()
        await asyncio.wait_for(pipeline.stop(), 30)
        return log

    return asyncio.run(main())


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.005)


def test_an_answer_comes_after_the_write_and_names_its_rows(model: ServedModel) -> None:
    async def work(pipeline: GroupCommit, log: Kept) -> None:
        asked = job(model, 3, ["a", "b", "c"])
        pipeline.submit(asked)
        answer = await asked.future
        assert [row.prediction_id for row in log.rows] == answer.prediction_ids
        assert [row.caller_id for row in log.rows] == ["a", "b", "c"]
        assert {(row.model, row.version, row.alias) for row in log.rows} == {("people", 3, "production")}

    run(work)


def test_nothing_is_answered_before_it_is_stored(model: ServedModel) -> None:
    async def work(pipeline: GroupCommit, log: Kept) -> None:
        log.gate.clear()
        asked = job(model)
        pipeline.submit(asked)
        await until(lambda: log.entered)
        await asyncio.sleep(0.05)
        assert not asked.future.done()
        log.gate.set()
        assert (await asked.future).prediction_ids

    run(work)


def test_requests_that_wait_together_are_written_together(model: ServedModel) -> None:
    async def work(pipeline: GroupCommit, log: Kept) -> None:
        log.gate.clear()
        blockers = [job(model), job(model)]  # as many as are written at once
        for number, one in enumerate(blockers, 1):
            pipeline.submit(one)
            await until(lambda n=number: log.entered == n)  # type: ignore[misc]
        others = [job(model, rows) for rows in (1, 2, 3)]
        for other in others:
            pipeline.submit(other)
        await until(lambda: len(pipeline._ready) == 3)
        log.gate.set()
        for other, rows in zip(others, (1, 2, 3), strict=True):
            assert len((await other.future).predictions) == rows
        assert sorted(len(batch) for batch in log.batches) == [1, 1, 6]

    run(work)


def test_a_shared_call_gives_each_what_it_would_get_alone(model: ServedModel) -> None:
    async def work(pipeline: GroupCommit, log: Kept) -> None:
        frame = serving_help.people(40)
        parts = [frame.iloc[start : start + 4].reset_index(drop=True) for start in range(0, 40, 4)]
        jobs = [job(model, data=part) for part in parts]
        assert len(grouped(jobs)) == 1
        shared = ask(jobs)
        for one, answer in zip(jobs, shared, strict=True):
            alone = model.predict(one.data)
            assert isinstance(answer, StoredAnswer)
            assert answer.predictions == alone.raw.tolist()
            assert answer.scores == pytest.approx(alone.scores, abs=1e-12)

    run(work)


def test_a_row_that_breaks_the_model_fails_its_own_request_alone(model: ServedModel) -> None:
    async def work(pipeline: GroupCommit, log: Kept) -> None:
        good, bad = job(model), job(model)
        bad.data["city"] = [{"not": "text"}]
        for one in (good, bad):
            pipeline.submit(one)
        assert (await good.future).prediction_ids
        with pytest.raises(ApiError) as caught:
            await bad.future
        assert caught.value.status == 400
        assert len(log.rows) == 1

    run(work)


def test_rows_that_the_database_refuses_fail_their_own_request_alone(model: ServedModel) -> None:
    async def work(pipeline: GroupCommit, log: Kept) -> None:
        log.refuse = lambda rows: Rejected("bad") if any(r.caller_id == "bad" for r in rows) else None
        jobs = [job(model, 1, [name]) for name in ("first", "good", "bad", "fine")]
        for one in jobs:
            pipeline.submit(one)
        for one in (jobs[0], jobs[1], jobs[3]):
            assert (await one.future).prediction_ids
        with pytest.raises(ApiError) as caught:
            await jobs[2].future
        assert caught.value.status == 400
        assert sorted(str(row.caller_id) for row in log.rows) == ["fine", "first", "good"]

    run(work)


def test_a_database_that_is_away_is_a_503_with_retry_after(model: ServedModel) -> None:
    async def work(pipeline: GroupCommit, log: Kept) -> None:
        log.refuse = lambda rows: MlpipesError("away")
        asked = job(model)
        pipeline.submit(asked)
        with pytest.raises(ApiError) as caught:
            await asked.future
        assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "1"})

    run(work)


def test_who_waits_too_long_gets_a_503(model: ServedModel) -> None:
    async def work(pipeline: GroupCommit, log: Kept) -> None:
        log.gate.clear()
        asked = job(model)
        pipeline.submit(asked)
        with pytest.raises(ApiError) as caught:
            await asyncio.wait_for(asked.future, 30)
        assert caught.value.status == 503
        assert caught.value.message == "the prediction was not stored within 0.2 s; try again"
        assert pipeline.waiting == 0

    run(work, answer_timeout=0.2)


def test_a_slow_model_is_not_blamed_on_the_database(
    model: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    answers, predict = threading.Event(), model.predict
    monkeypatch.setattr(model, "predict", lambda *given: answers.wait(30) and predict(*given))

    async def work(pipeline: GroupCommit, log: Kept) -> None:
        asked = job(model)
        pipeline.submit(asked)
        with pytest.raises(ApiError) as caught:
            await asyncio.wait_for(asked.future, 30)
        answers.set()
        assert caught.value.message == "the model did not respond within 0.2 s; try again"

    run(work, answer_timeout=0.2)


def test_a_request_that_nobody_waits_for_is_not_stored(model: ServedModel) -> None:
    async def work(pipeline: GroupCommit, log: Kept) -> None:
        log.gate.clear()
        blockers = [job(model), job(model)]
        for number, one in enumerate(blockers, 1):
            pipeline.submit(one)
            await until(lambda n=number: log.entered == n)  # type: ignore[misc]
        given_up, last = job(model), job(model)
        pipeline.submit(given_up)
        given_up.future.cancel()
        pipeline.submit(last)
        log.gate.set()
        await last.future
        assert len(log.rows) == 3
        await until(lambda: not pipeline.waiting)

    run(work)


def test_stopping_answers_what_is_inside(model: ServedModel) -> None:
    jobs: list[PredictionJob] = []

    async def work(pipeline: GroupCommit, log: Kept) -> None:
        jobs.extend(job(model) for _ in range(5))
        for one in jobs:
            pipeline.submit(one)

    log = run(work)
    assert all(one.future.done() for one in jobs)
    assert len(log.rows) == 5


def test_frames_of_different_shapes_are_not_mixed(model: ServedModel) -> None:
    async def work(pipeline: GroupCommit, log: Kept) -> None:
        whole = serving_help.people(2)
        jobs = [
            job(model, data=whole),
            job(model, data=whole.drop(columns=["amount"])),
            job(model, data=whole),
        ]
        assert sorted(len(group) for group in grouped(jobs)) == [1, 2]
        empty = job(model, data=pd.DataFrame({name: whole[name].iloc[:0] for name in whole.columns}))
        assert len(grouped([empty, jobs[0]])) == 2

    run(work)
