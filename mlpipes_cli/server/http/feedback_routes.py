"""``POST /feedback``: ground truth of earlier predictions."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from mlpipes_cli.errors import MlpipesError, Rejected
from mlpipes_cli.ports.ground_truth import Recorded
from mlpipes_cli.server.http import documents
from mlpipes_cli.server.http.api_error import ApiError, invalid_value, unavailable
from mlpipes_cli.server.http.feedback_body import Feedback, read, schema
from mlpipes_cli.server.requests.body_reader import read_body
from mlpipes_cli.server.requests.ground_truth import Expected

if TYPE_CHECKING:
    from mlpipes_cli.server.predictions.service import PredictionService

UNKNOWN_SHOWN = 100
_AT_ONCE, _WAITING = 2, 32


class UnknownItem(BaseModel):
    """An item for which there is no prediction."""

    item: int = Field(description="Its position in the request, from 0.")
    id: Any = Field(description="Its identifier, as received.")


class FeedbackAnswer(BaseModel):
    """What became of the items. The counts are of predictions; an ``id`` may have had several."""

    items: int = Field(description="The number of items in the request.")
    stored: int = Field(description="Predictions without an earlier ground truth.")
    corrected: int = Field(
        description="Predictions with a different earlier ground truth, which is kept in the history."
    )
    unchanged: int = Field(description="Predictions that already had this ground truth.")
    unknown: int = Field(description="Items without a prediction; they are not stored.")
    unknown_ids: list[UnknownItem] = Field(description=f"The first {UNKNOWN_SHOWN} of these items.")


def add_routes(app: FastAPI, service: PredictionService) -> None:
    """Add the route."""
    recorder = FeedbackRecorder(service)

    @app.post(
        "/feedback",
        summary="Ground truth, by prediction id or by the caller's id",
        response_model=FeedbackAnswer,
        responses={
            400: {"model": documents.ErrorAnswer, "description": "An item is wrong; the message names it."},
            401: {"model": documents.ErrorAnswer, "description": "An API key is required."},
            403: documents.ERRORS[403],
            404: {"model": documents.ErrorAnswer, "description": "No item matches a prediction."},
            413: {
                "model": documents.ErrorAnswer,
                "description": "The request exceeds a limit of bytes or items.",
            },
            415: documents.ERRORS[415],
            503: {
                "model": documents.ErrorAnswer,
                "description": "The feedback cannot be stored; see Retry-After.",
            },
        },
        openapi_extra={"requestBody": schema(_expected(service))},
    )
    async def feedback(request: Request) -> JSONResponse:
        settings = service.settings
        length = request.headers.get("content-length")
        body = await read_body(request.receive, length, settings.max_bytes)
        parsed = await recorder.run(read, body, _expected(service), settings.max_rows)
        kept: Recorded = await recorder.run(partial(recorder.record, parsed))
        if parsed.truths and not kept.matched:
            raise _nothing(len(parsed.truths), service.model.name, parsed.version)
        return JSONResponse(_answer(parsed, kept).model_dump())


class FeedbackRecorder:
    """Runs feedback in a few threads of its own, so that a hanging database blocks nothing else."""

    def __init__(self, service: PredictionService) -> None:
        self._service = service
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="feedback")
        self._inside = 0

    async def run(self, work: Any, *arguments: Any) -> Any:
        """Call a function in a thread.

        Raises:
            ApiError: Too many requests wait, or the call takes too long.
        """
        settings = self._service.settings
        if self._inside >= _WAITING:
            raise unavailable("too many feedback requests are waiting; try again", settings.retry_after)
        self._inside += 1
        try:
            future = asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
            async with asyncio.timeout(settings.answer_timeout):
                return await future
        except TimeoutError:
            message = f"the feedback was not stored within {settings.answer_timeout:g} s; send it again"
            raise unavailable(message, settings.retry_after) from None
        finally:
            self._inside -= 1

    def record(self, feedback: Feedback) -> Recorded:
        """Store the reported truths.

        Raises:
            ApiError: The database rejects them or does not answer.
        """
        settings = self._service.settings
        try:
            return self._service.stores.truth.record(
                feedback.truths,
                model=self._service.model.name,
                version=feedback.version,
                latest=feedback.latest,
                source=feedback.source,
                seconds=settings.answer_timeout,
            )
        except Rejected:
            raise invalid_value("the database refused the feedback") from None
        except MlpipesError:
            raise unavailable(
                "the feedback cannot be stored now; send it again", settings.retry_after
            ) from None


def _answer(feedback: Feedback, kept: Recorded) -> FeedbackAnswer:
    shown = [UnknownItem(item=n, id=feedback.names[n]) for n in kept.unknown[:UNKNOWN_SHOWN]]
    return FeedbackAnswer(
        items=len(feedback.truths),
        stored=kept.stored,
        corrected=kept.corrected,
        unchanged=kept.unchanged,
        unknown=len(kept.unknown),
        unknown_ids=shown,
    )


def _nothing(items: int, model: str, version: int | None) -> ApiError:
    what = "the item matches no" if items == 1 else f"none of the {items} items matches a"
    which = f"version {version} of model {model!r}" if version else f"model {model!r}"
    return ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"{what} stored prediction of {which}")


def _expected(service: PredictionService) -> Expected:
    return Expected.of([model.details for model in (service.model, *service.models.values())])
