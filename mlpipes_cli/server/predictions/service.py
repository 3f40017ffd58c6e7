"""The prediction API without HTTP: takes requests, returns stored answers."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mlpipes_cli.server.http.api_error import ApiError, unavailable
from mlpipes_cli.server.models.deployment_notes import DeploymentNotes
from mlpipes_cli.server.models.served_model import ServedModel
from mlpipes_cli.server.models.served_models import AliasFollower, ServedModels
from mlpipes_cli.server.ops import context
from mlpipes_cli.server.predictions.batch import PredictionJob
from mlpipes_cli.server.predictions.group_commit import GroupCommit
from mlpipes_cli.server.predictions.meter import Meter
from mlpipes_cli.server.predictions.stored_rows import RecordOrigin, StoredAnswer
from mlpipes_cli.server.requests import caller_identifiers
from mlpipes_cli.server.requests.body_reader import read_body
from mlpipes_cli.server.requests.bounds import too_many_rows
from mlpipes_cli.server.requests.reader_threads import ReaderThreads
from mlpipes_cli.server.requests.request_decoder import DecodedRows, RequestDecoder
from mlpipes_cli.server.settings import ServerSettings
from mlpipes_cli.server.stores import Stores

if TYPE_CHECKING:
    from starlette.requests import Request

    from mlpipes_cli.server.requests.request_parser import ModelRequest

logger = logging.getLogger("mlpipes.server")
Reader = Callable[[bytes, str | None, ServedModel, int], "ModelRequest"]
_JSON = {  # as MLflow compares content types: case-sensitive, except for the charset's name
    "application/json",
    *(f"application/json;{space}charset={name}" for space in ("", " ") for name in ("utf-8", "UTF-8")),
}


class PredictionService:
    """Answers requests with a model and stores each prediction; belongs to one event loop.

    Args:
        models: The served models.
        stores: The external systems.
        settings: The limits.
        meter: Receives the measurements.
        follower: Follows the aliases; None for a model that does not change.
    """

    def __init__(
        self,
        models: ServedModels,
        stores: Stores,
        settings: ServerSettings,
        meter: Meter,
        follower: AliasFollower | None = None,
    ) -> None:
        self.stores, self.settings, self.meter = stores, settings, meter
        self._models, self._follower = models, follower
        self._notes = DeploymentNotes(stores.deployments, models)
        self._pipeline = GroupCommit(stores.log, settings, meter)
        self._readers = ReaderThreads(settings)
        self._reading = 0
        self._pinged: tuple[float, bool] = (-1.0, False)
        self._loop: asyncio.AbstractEventLoop
        self._mirrored: set[asyncio.Task[None]] = set()

    @property
    def model(self) -> ServedModel:
        """The model for requests that name none; it may change at any moment."""
        return self._models.primary

    @property
    def models(self) -> Mapping[str, ServedModel]:
        """The served models, by alias."""
        return self._models

    @property
    def problems(self) -> Mapping[str, str]:
        """The present problem of each alias that still answers."""
        return self._models.problems | {
            alias: model.elsewhere.problem
            for alias, model in self._models.items()
            if model.elsewhere is not None and model.elsewhere.problem is not None
        }

    @property
    def waiting(self) -> int:
        """The number of requests that are not answered yet."""
        return self._pipeline.waiting + self._reading + self._readers.inside

    def find(self, name: str, alias: str | None = None, version: int | None = None) -> ServedModel:
        """Return the served model of that name, alias and version.

        Raises:
            ApiError: It is not served here (404).
        """
        return self._models.find(name, alias, version)

    async def start(self) -> None:
        """Start to accept requests.

        Raises:
            MlpipesError: The database does not answer.
        """
        self._loop = asyncio.get_running_loop()
        await self.stores.log.open()
        self._pipeline.start()
        if self._follower is not None:
            self._follower.start(self._models)
        self._notes.start()

    async def stop(self) -> None:
        """Answer and store the requests in progress, then close the database connection."""
        if self._follower is not None:
            self._follower.stop()
        await self._notes.stop()
        if self._mirrored:
            await asyncio.wait(self._mirrored, timeout=self.settings.answer_timeout)
        await self._pipeline.stop()
        self._readers.stop()
        await self.stores.log.close()

    async def answer(self, request: Request, read: Reader, model: ServedModel | None = None) -> StoredAnswer:
        """Answer a request of any form after its rows were committed.

        Requests answered by the first alias's model are mirrored, whichever way they named it.

        Args:
            request: The request; its body is read here, within the limits.
            read: Parses body, content type, model and row limit into a request; runs in a thread.
            model: The model to use; the default is the first alias's model.

        Raises:
            ApiError: The request is wrong, too large, or cannot be stored.
        """
        began = time.perf_counter()
        self.admit()
        self._reading += 1
        try:
            length = request.headers.get("content-length")
            body = await read_body(request.receive, length, self.settings.max_bytes)
        finally:
            self._reading -= 1
        kind, first = request.headers.get("content-type"), self.model
        asked = model or first
        answer, _ = await self.ask(body, kind, asked, began, None, read)
        if asked is first:
            self._loop.call_soon(self.mirror, body, kind, None, read, answer)
        return answer

    def admit(self) -> None:
        """Check that one more request can be accepted.

        Raises:
            ApiError: Too many requests wait already (503).
        """
        if self.waiting >= self.settings.max_waiting:
            raise unavailable("too many requests are waiting; try again", self.settings.retry_after)

    async def ask(
        self,
        body: bytes,
        kind: str | None,
        model: ServedModel,
        began: float,
        lane: Callable[[RequestDecoder, bytes], DecodedRows | None] | None,
        read: Reader,
        shadows: list[str] | None = None,
    ) -> tuple[StoredAnswer, bool]:
        """Return the stored answer to a body, and whether the response is an object with ``predictions``.

        Args:
            body: The request's body.
            kind: Its content type, or None.
            model: The model to use.
            began: ``time.perf_counter()`` at the request's arrival.
            lane: The fast path's method for this form; None if it does not know the form.
            read: The slow path's parser.
            shadows: The predictions that these rows shadow.

        Raises:
            ApiError: The request is wrong, too large, or cannot be stored.
        """
        at = context.current.get()
        origin = RecordOrigin(began, None if at is None else at.trace_id, shadows)
        usual = kind in _JSON or (kind is None and lane is RequestDecoder.predict)
        if lane is not None and model.lane is not None and usual:
            rows = lane(model.lane, body)
            if rows is not None:
                count = len(rows.rows)
                if count > self.settings.max_rows:
                    raise too_many_rows(count, self.settings.max_rows)
                if at is not None and shadows is None:
                    at.rows, at.version = count, model.version
                job = PredictionJob(
                    model, count, origin, rows.ids, self._loop.create_future(), rows=rows.rows
                )
                self._pipeline.submit(job)
                return await job.future, True
        expires = self._loop.time() + self.settings.answer_timeout
        question = await self._readers.run(_checked, read, body, kind, model, self.settings.max_rows)
        future = self._loop.create_future()
        count, data, params = question.rows, question.data, question.params
        if at is not None and shadows is None:
            at.rows, at.version = count, model.version
        job = PredictionJob(
            model, count, origin, question.ids, future, data=data, params=params, expires=expires
        )
        self._pipeline.submit(job)
        return await future, question.wrapped

    def mirror(
        self,
        body: bytes,
        kind: str | None,
        lane: Callable[[RequestDecoder, bytes], DecodedRows | None] | None,
        read: Reader,
        answer: StoredAnswer,
    ) -> None:
        """Mirror the configured share of requests to the challenger, after the answer was sent.

        Its predictions are stored and its errors are logged. It never takes capacity from waiting clients.
        """
        alias = self.settings.mirror_alias
        challenger = self._models.get(alias) if alias else None
        if challenger is None or random.random() >= self.settings.mirror_share:
            return
        if self.waiting > self.settings.max_waiting // 2:
            return
        work = self.ask(
            body, kind, challenger, time.perf_counter(), lane, read, shadows=answer.prediction_ids
        )
        task = self._loop.create_task(self._shadow(work))
        self._mirrored.add(task)
        task.add_done_callback(self._mirrored.discard)

    @staticmethod
    async def _shadow(work: Any) -> None:
        try:
            await work
        except ApiError as error:
            logger.info("the challenger did not respond: %s", error.code)
        except Exception:
            logger.exception("the challenger did not answer")

    def spooled(self) -> tuple[int, float]:
        """Return the number of predictions in the local spool, and the age of the oldest in seconds."""
        pending = getattr(self.stores.log, "pending", None)
        return pending() if pending is not None else (0, 0.0)

    async def database_answers(self) -> bool:
        """Return whether the database answers; queries it at most once a second."""
        now = time.monotonic()
        if now - self._pinged[0] > 1.0:
            self._pinged = (now, await self.stores.log.ping())
        return self._pinged[1]


def _checked(read: Reader, *given: Any) -> ModelRequest:
    """Return a parsed request whose identifiers can be stored."""
    question = read(*given)
    caller_identifiers.check(question.ids)
    return question
