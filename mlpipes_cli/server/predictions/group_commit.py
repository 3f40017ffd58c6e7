"""Group commit: requests that arrive together share a predict call, a COPY and a COMMIT.

Everything runs in one event loop. Requests read in one turn of the loop are predicted together: immediately
if a compiled predictor makes that cheap, otherwise in a thread, one call at a time, with all requests that
arrived meanwhile. A model in its own process has its own thread. Predictions made while a batch is being
committed go into the next batch. A request is answered after the transaction with its rows has been
committed.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mlpipes_cli.errors import MlpipesError, Rejected
from mlpipes_cli.ports import PredictionLog
from mlpipes_cli.server.http.api_error import ApiError, bad_request, unavailable
from mlpipes_cli.server.predictions import batch as batches
from mlpipes_cli.server.predictions.batch import PredictionJob
from mlpipes_cli.server.predictions.meter import Meter
from mlpipes_cli.server.predictions.stored_rows import StoredAnswer
from mlpipes_cli.server.settings import ServerSettings

logger = logging.getLogger("mlpipes.server")
_WRITES = 2  # batches that are being written at once
_AHEAD = 512  # number of waiting rows above which gathering more does not pay
_SWEEP = 0.25  # seconds between checks for requests that have waited too long


class GroupCommit:
    """Predicts and stores several requests at a time.

    Args:
        log: Stores the rows.
        settings: The limits.
        meter: Receives the measurements.
    """

    def __init__(self, log: PredictionLog, settings: ServerSettings, meter: Meter) -> None:
        self._log, self._settings, self._meter = log, settings, meter
        self._inside: set[PredictionJob] = set()
        self._fast: list[PredictionJob] = []
        self._slow: dict[object, list[PredictionJob]] = {}  # by thread that predicts, while it does
        self._ready: list[tuple[PredictionJob, StoredAnswer]] = []
        self._turning = False
        self._writing = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._stores = True
        self._thread = ThreadPoolExecutor(1, "predict")
        self._loop: asyncio.AbstractEventLoop

    @property
    def waiting(self) -> int:
        """The number of requests that are not answered yet."""
        return len(self._inside)

    def start(self) -> None:
        """Start to accept requests; called in the event loop."""
        self._loop = asyncio.get_running_loop()
        self._begin(self._sweep())

    async def stop(self) -> None:
        """Answer and store all submitted requests, then stop."""
        while self._inside:
            await asyncio.sleep(0.01)
        for task in self._tasks:
            task.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def submit(self, job: PredictionJob) -> None:
        """Accept a request; its future is resolved within the settings' timeout or the job's own."""
        job.expires = min(job.expires, self._loop.time() + self._settings.answer_timeout)
        self._inside.add(job)
        if job.rows is not None and job.model.cheap(job.count):
            self._fast.append(job)
            if not self._turning:
                self._turning = True
                self._loop.call_soon(self._turn)
            return
        lane = job.model.elsewhere
        if lane in self._slow:
            self._slow[lane].append(job)
        else:
            self._slow[lane] = [job]
            self._begin(self._predict_slow(lane))

    def _turn(self) -> None:
        """Predict the requests that were read in this turn of the loop."""
        self._turning = False
        if self._writing >= _WRITES and not self._worth_predicting():
            return  # the next finished write calls this again; requests until then are included
        self._predict_fast()
        self._write_ready()

    def _worth_predicting(self) -> bool:
        """Return whether enough rows wait to predict them while batches are being written."""
        return (
            sum(job.count for job in self._fast) >= _AHEAD
            and sum(len(answer.rows) for _, answer in self._ready) < self._settings.batch_rows
        )

    def _predict_fast(self) -> None:
        jobs, self._fast = self._fast, []
        while jobs:
            model, rows = jobs[0].model, 0
            group = [job for job in jobs if job.model is model]
            jobs = [job for job in jobs if job.model is not model]
            for at, job in enumerate(group):  # limit the rows per call, so that the loop is not blocked
                rows += job.count
                if at and not model.cheap(rows):
                    self._fast += group[at:]
                    group = group[:at]
                    self._turning = True
                    self._loop.call_soon(self._turn)
                    break
            self._keep(group, batches.ask(group) if len(group) > 1 else [batches._ask_alone(group[0])])

    async def _predict_slow(self, lane: object) -> None:
        """Predict in a thread until no request waits; ``lane`` is a model's process, or None."""
        thread = self._thread if lane is None else None
        try:
            while self._slow[lane]:
                jobs = self._taken(lane)
                for group in batches.grouped(job for job in jobs if not job.future.done()):
                    ask = functools.partial(batches.ask, group, self._settings.retry_after)
                    self._keep(group, await self._loop.run_in_executor(thread, ask))
                    self._write_ready()
        finally:
            del self._slow[lane]

    def _taken(self, lane: object) -> list[PredictionJob]:
        """Take the longest waiting jobs, as many as may share a call."""
        rows = taken = 0
        for job in self._slow[lane]:
            if taken and rows + job.count > self._settings.batch_rows:
                break
            rows, taken = rows + job.count, taken + 1
        jobs, self._slow[lane] = self._slow[lane][:taken], self._slow[lane][taken:]
        return jobs

    def _keep(self, group: Sequence[PredictionJob], answers: Sequence[batches.Outcome]) -> None:
        for job, answer in zip(group, answers, strict=True):
            if isinstance(answer, ApiError):
                self._answer(job, answer)
            else:
                job.predicted = True
                self._ready.append((job, answer))

    def _write_ready(self) -> None:
        while self._ready and self._writing < _WRITES:
            rows = taken = 0
            for _, answer in self._ready:
                if taken and rows + len(answer.rows) > self._settings.batch_rows:
                    break
                rows, taken = rows + len(answer.rows), taken + 1
            batch, self._ready = self._ready[:taken], self._ready[taken:]
            batch = [pair for pair in batch if not pair[0].future.done()]
            if batch:
                self._writing += 1
                self._begin(self._write(batch))

    async def _write(self, batch: list[tuple[PredictionJob, StoredAnswer]]) -> None:
        try:
            await self._log.write([row for _, answer in batch for row in answer.rows])
        except Rejected as error:
            await self._write_alone(batch, error)
        except MlpipesError as error:
            self._lost(batch, error)
        except Exception:
            logger.exception("%d requests were not stored", len(batch))
            self._fail(batch)
        else:
            self._stored(batch)
        finally:
            self._writing -= 1
            self._turn()

    def _stored(self, batch: list[tuple[PredictionJob, StoredAnswer]]) -> None:
        if not self._stores:
            logger.warning("predictions are being stored again")
        self._stores = True
        now = time.perf_counter()
        for job, answer in batch:
            self._answer(job, answer)
        self._meter.batch(len(batch), sum(len(answer.rows) for _, answer in batch))
        self._meter.log_lag(max(now - job.origin.arrived for job, _ in batch))

    async def _write_alone(self, batch: list[tuple[PredictionJob, StoredAnswer]], error: Rejected) -> None:
        """Store the requests of a batch one by one, to find the one whose rows cannot be stored."""
        for job, answer in batch:
            try:
                if len(batch) == 1:
                    raise error
                await self._log.write(answer.rows)
            except Rejected as refused:
                logger.warning("a request was not stored: %s", refused)
                message = "the rows cannot be stored: the database rejects their values"
                self._answer(job, bad_request(message))
            except MlpipesError as away:
                self._lost([(job, answer)], away)
            except Exception:
                logger.exception("a request not stored")
                self._fail([(job, answer)])
            else:
                self._stored([(job, answer)])

    def _lost(self, batch: list[tuple[PredictionJob, StoredAnswer]], error: MlpipesError) -> None:
        if self._stores:  # once per outage, not once per request
            logger.warning("predictions cannot be stored: %s", error)
        self._stores = False
        self._meter.log_failure()
        self._fail(batch)

    def _fail(self, batch: list[tuple[PredictionJob, StoredAnswer]]) -> None:
        error = unavailable("the prediction cannot be stored now; try again", self._settings.retry_after)
        for job, _ in batch:
            self._answer(job, error)

    def _answer(self, job: PredictionJob, answer: batches.Outcome) -> None:
        self._inside.discard(job)
        if isinstance(answer, ApiError):
            job.fail(answer)
        else:
            job.deliver(answer)

    async def _sweep(self) -> None:
        """Answer requests that have waited too long with 503, and forget those whose client left."""
        seconds = f"within {self._settings.answer_timeout:g} s; try again"
        while True:
            await asyncio.sleep(_SWEEP)
            now = self._loop.time()
            for job in [job for job in self._inside if job.expires < now or job.future.done()]:
                problem = "the prediction was not stored" if job.predicted else "the model did not respond"
                self._answer(job, unavailable(f"{problem} {seconds}", self._settings.retry_after))
            self._meter.waiting(len(self._inside))

    def _begin(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
