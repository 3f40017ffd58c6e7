"""Routes of the Open Inference Protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from mlpipes_cli import __version__
from mlpipes_cli.server.http.api_error import ApiError
from mlpipes_cli.server.models.served_model import ServedModel
from mlpipes_cli.server.v2 import answers, documents, envelope, frames, signature

if TYPE_CHECKING:
    from mlpipes_cli.server.predictions.service import PredictionService

PREFIX = "/v2"
_TAG: Any = ["Open Inference Protocol"]
Handler = Callable[[Request, ServedModel], Awaitable[Response]]


def add_routes(app: FastAPI, service: PredictionService) -> None:
    """Add ``/v2``: health, metadata, the list of models, and inference."""
    _add_server(app, service)
    _add_models(app, service)
    _word_refusals(app)


def _add_server(app: FastAPI, service: PredictionService) -> None:
    @app.get(PREFIX, summary="The server", tags=_TAG, response_model=documents.Server)
    async def server() -> Response:
        extensions = ["binary_tensor_data", "model_repository(index)"]
        return _json({"name": "mlpipes", "version": __version__, "extensions": extensions})

    @app.get(f"{PREFIX}/health/live", summary="Alive", tags=_TAG, response_model=documents.Live)
    async def live() -> Response:
        return _json({"live": True})

    @app.get(
        f"{PREFIX}/health/ready",
        summary="A model is loaded and predictions can be stored",
        tags=_TAG,
        response_model=documents.Ready,
        responses={503: {"model": documents.Ready}},
    )
    async def ready() -> Response:
        good = await _stores(service)
        return _json({"ready": good}, 200 if good else 503, _again(service, good))

    @app.post(
        f"{PREFIX}/repository/index",
        summary="All served models",
        tags=_TAG,
        response_model=list[documents.Indexed],
    )
    async def index() -> Response:
        problems = service.problems
        return _json(
            [
                {
                    "name": model.name,
                    "version": str(model.version),
                    "state": "READY",
                    "reason": problems.get(alias, ""),
                }
                for alias, model in service.models.items()
            ]
        )


def _add_models(app: FastAPI, service: PredictionService) -> None:
    async def metadata(_: Request, model: ServedModel) -> Response:
        known = await asyncio.to_thread(signature.of, model)
        versions = [str(other.version) for other in service.models.values() if other.name == model.name]
        return _json(
            {
                "name": model.name,
                "versions": list(dict.fromkeys(versions)),
                "platform": "mlflow",
                "inputs": [tensor.document() for tensor in known.inputs],
                "outputs": [tensor.document() for tensor in known.outputs],
            }
        )

    async def ready(_: Request, model: ServedModel) -> Response:
        good = await _stores(service)
        return _json({"name": model.name, "ready": good}, 200 if good else 503, _again(service, good))

    async def infer(request: Request, model: ServedModel) -> Response:
        return await _infer(service, request, model)

    missing: Any = {404: {"model": documents.Error}}
    away: Any = {**missing, 503: {"model": documents.ModelReady}}
    body = {"requestBody": documents.inference_body(service.model)}
    add = partial(_add, service)
    add(
        app.get,
        "",
        metadata,
        summary="Inputs and outputs",
        response_model=documents.Metadata,
        responses=missing,
    )
    add(app.get, "/ready", ready, summary="Ready", response_model=documents.ModelReady, responses=away)
    add(
        app.post,
        "/infer",
        infer,
        summary="Predict",
        response_model=documents.Inferred,
        responses=documents.ERRORS,
        openapi_extra=body,
    )


def _add(service: PredictionService, method: Any, end: str, handler: Handler, **options: Any) -> None:
    """Add one route for the present version, and one that names the version."""

    async def current(request: Request, name: str) -> Response:
        return await _worded(service, request, handler, name, None)

    async def versioned(request: Request, name: str, version: str) -> Response:
        return await _worded(service, request, handler, name, version)

    method(f"{PREFIX}/models/{{name}}{end}", tags=_TAG, **options)(current)
    method(f"{PREFIX}/models/{{name}}/versions/{{version}}{end}", tags=_TAG, **options)(versioned)


async def _infer(service: PredictionService, request: Request, model: ServedModel) -> Response:
    headers = request.headers
    coding, length = headers.get("content-encoding", ""), headers.get(envelope.HEADER)
    limit = service.settings.max_bytes
    asked: list[envelope.Inference] = []  # of the model that answers, then perhaps of its challenger

    def read(body: bytes, _: str | None, model: ServedModel, max_rows: int) -> Any:
        found = envelope.read(envelope.decompressed(body, coding, limit), length)
        asked.append(found)
        answers.check_outputs(found, {output.name for output in signature.of(model).outputs})
        return frames.question(found, model, max_rows)

    answer = await service.answer(request, read, model)
    content, head = answers.encode(answer, asked[0])
    if head is None:
        return Response(content, media_type="application/json")
    return Response(content, 200, {envelope.HEADER: str(head)}, "application/octet-stream")


def _find(service: PredictionService, name: str, version: str | None) -> ServedModel:
    if version is None:
        primary = service.model
        return primary if primary.name == name else service.find(name)
    if not version.isascii() or not version.isdigit() or len(version) > 9 or int(version) == 0:
        raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", "a model version must be a whole number")
    return service.find(name, version=int(version))


async def _stores(service: PredictionService) -> bool:
    return service.settings.on_log_failure == "spool" or await service.database_answers()


def _again(service: PredictionService, good: bool) -> dict[str, str]:
    return {} if good else {"Retry-After": str(service.settings.retry_after)}


async def _worded(
    service: PredictionService, request: Request, handler: Handler, name: str, version: str | None
) -> Response:
    """Return the handler's response, or an error in the protocol's own form."""
    try:
        return await handler(request, _find(service, name, version))
    except ApiError as error:
        body = error.body_for(request.url.path)
        return Response(body, error.status, error.headers, "application/json")


def _word_refusals(app: FastAPI) -> None:
    """Return errors for unknown paths and methods under ``/v2`` in the protocol's form too."""
    from fastapi.exception_handlers import http_exception_handler

    before: Any = app.exception_handlers.get(HTTPException, http_exception_handler)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if request.url.path.startswith(f"{PREFIX}/"):
            return _json({"error": error.detail}, error.status_code, dict(error.headers or {}))
        answer: Response = await before(request, error)
        return answer

    app.add_exception_handler(HTTPException, refused)


def _json(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(document), status, headers or {}, "application/json")
