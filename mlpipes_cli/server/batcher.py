"""Group commit: requests that arrive together share a predict call, a COPY and a COMMIT.

Two threads, each of which takes all that waits for it: one asks the model, one writes. A request
is answered when the transaction that holds its rows has been committed. Both queues are bounded.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import pandas as pd

from mlpipes_cli.errors import MlpipesError, Rejected
from mlpipes_cli.ports import PredictionStore
from mlpipes_cli.server import journal
from mlpipes_cli.server.faults import Fault, bad_request, unavailable
from mlpipes_cli.server.journal import Answer
from mlpipes_cli.server.model import Outcome, ServedModel
from mlpipes_cli.server.requests import Question
from mlpipes_cli.server.settings import ServerSettings

logger = logging.getLogger("mlpipes.server")
T = TypeVar("T")

CANNOT_PREDICT = (
    "the model failed on this data although it fits the signature; "
    "compare the rows with those that the model was trained on"
)


@dataclass(eq=False)
class Job:
    """A request on its way.

    Attributes:
        question: What it asks.
        model: The model that it asks, fixed when it came.
        arrived: ``time.perf_counter()`` when it came.
        answer: Set once the rows are stored; a ``Fault`` where they are not.
    """

    question: Question
    model: ServedModel
    arrived: float
    answer: Future[Answer] = field(default_factory=Future)

    def fail(self, fault: Fault) -> None:
        """Answer with an error, unless nobody waits any more."""
        with suppress(InvalidStateError):
            self.answer.set_exception(fault)


class _Stage(Generic[T]):
    """A thread that takes everything that waits, up to a weight, and hands it on together."""

    def __init__(
        self, name: str, size: int, limit: int, weigh: Callable[[T], int], work: Callable[[list[T]], None]
    ) -> None:
        self._queue: queue.Queue[T | None] = queue.Queue(maxsize=size)
        self._limit, self._weigh, self._work = limit, weigh, work
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, item: T, *, block: bool) -> None:
        self._queue.put(item, block=block)

    def stop(self) -> None:
        """Finish what waits, then end."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            items, weight, last = [item], self._weigh(item), False
            while weight < self._limit:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    last = True
                    break
                items.append(following)
                weight += self._weigh(following)
            self._work(items)
            if last:
                return


class Batcher:
    """Predicts and stores, several requests at a time.

    Args:
        store: Keeps the rows; used by the writer thread alone.
        settings: The limits.
    """

    def __init__(self, store: PredictionStore, settings: ServerSettings) -> None:
        self._store, self._retry_after = store, settings.retry_after
        self._stores = True
        size, rows = settings.max_waiting, settings.batch_rows
        self._predictor = _Stage[Job]("predict", size, rows, lambda job: job.question.rows, self._predict)
        self._writer = _Stage[tuple[Job, Outcome]](
            "write", size, rows, lambda pair: pair[0].question.rows, self._write
        )

    def start(self) -> None:
        """Start both threads."""
        self._writer.start()
        self._predictor.start()

    def submit(self, job: Job) -> None:
        """Queue a request.

        Raises:
            Fault: Too many wait already (503).
        """
        try:
            self._predictor.put(job, block=False)
        except queue.Full:
            raise unavailable("too many requests are waiting; try again", self._retry_after) from None

    def stop(self) -> None:
        """Answer and store all that was queued, then end both threads."""
        self._predictor.stop()
        self._writer.stop()

    def _predict(self, jobs: list[Job]) -> None:
        for group in grouped(job for job in jobs if not job.answer.cancelled()):
            for job, outcome in _outcomes(group):
                self._writer.put((job, outcome), block=True)

    def _write(self, pairs: list[tuple[Job, Outcome]]) -> None:
        ready = [made for job, outcome in pairs if (made := _answer(job, outcome)) is not None]
        if not ready:
            return
        try:
            self._store.write([row for _, answer in ready for row in answer.rows])
        except Rejected as error:
            self._write_alone(ready, error)
        except MlpipesError as error:
            if self._stores:  # once an outage, not once a request
                logger.warning("predictions are not stored: %s", error)
            self._stores = False
            for job, _ in ready:
                job.fail(self._not_stored())
        except Exception:
            logger.exception("%d requests not stored", len(ready))
            for job, _ in ready:
                job.fail(self._not_stored())
        else:
            if not self._stores:
                logger.warning("predictions are stored again")
            self._stores = True
            for job, answer in ready:
                _deliver(job, answer)

    def _write_alone(self, ready: Sequence[tuple[Job, Answer]], error: Rejected) -> None:
        """One request's rows cannot be stored: find it, and store those of the others."""
        for job, answer in ready:
            try:
                if len(ready) == 1:
                    raise error
                self._store.write(answer.rows)
            except Rejected as refused:
                logger.warning("a request not stored: %s", refused)
                job.fail(bad_request("the rows cannot be stored: the database refuses their values"))
            except Exception:
                logger.exception("a request not stored")
                job.fail(self._not_stored())
            else:
                _deliver(job, answer)

    def _not_stored(self) -> Fault:
        return unavailable("the prediction cannot be stored at the moment; try again", self._retry_after)


def _deliver(job: Job, answer: Answer) -> None:
    with suppress(InvalidStateError):
        job.answer.set_result(answer)


def _answer(job: Job, outcome: Outcome) -> tuple[Job, Answer] | None:
    if job.answer.cancelled():
        return None
    try:
        return job, journal.answer(job.question, outcome, job.model, job.arrived)
    except Exception:
        logger.exception("a prediction cannot be written down")
        job.fail(Fault(500, "INTERNAL_ERROR", "the model's answer cannot be written down"))
        return None


def grouped(jobs: Iterable[Job]) -> list[list[Job]]:
    """Requests whose rows may stand in one frame: same model, same columns, same types, no params."""
    groups: dict[Any, list[Job]] = {}
    for job in jobs:
        data = job.question.data
        mergeable = (
            job.model.merges and not job.question.params and isinstance(data, pd.DataFrame) and len(data) > 0
        )
        key = (id(job.model), tuple(data.columns), tuple(data.dtypes)) if mergeable else id(job)
        groups.setdefault(key, []).append(job)
    return list(groups.values())


def _outcomes(group: list[Job]) -> list[tuple[Job, Outcome]]:
    """Predict for a group in one call; each request alone where that fails."""
    if len(group) > 1:
        try:
            return _together(group)
        except Exception as error:  # noqa: BLE001  one of them is to blame: ask for each alone
            logger.info("a shared predict call failed (%s)", type(error).__name__)
    done = []
    for job in group:
        try:
            done.append((job, job.model.predict(job.question.data, job.question.params)))
        except Exception as error:  # noqa: BLE001  a model may raise anything
            logger.warning("the model failed: %s: %s", type(error).__name__, str(error)[:200])
            job.fail(bad_request(CANNOT_PREDICT))
    return done


def _together(group: list[Job]) -> list[tuple[Job, Outcome]]:
    frame = pd.concat([job.question.data for job in group], ignore_index=True)
    whole = group[0].model.predict(frame)
    if len(whole.raw) != len(frame):
        raise ValueError("the model does not answer row by row")
    done, start = [], 0
    for job in group:
        end = start + len(job.question.data)
        part = whole.raw.iloc[start:end] if hasattr(whole.raw, "iloc") else whole.raw[start:end]
        done.append((job, Outcome(part, None if whole.scores is None else whole.scores[start:end])))
        start = end
    return done
