"""The prediction API as an ASGI application."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version as installed
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from mlflow.pyfunc import scoring_server

from mlpipes_cli import __version__
from mlpipes_cli.ports import PredictionStore
from mlpipes_cli.server import documents, jsonb
from mlpipes_cli.server.faults import Fault
from mlpipes_cli.server.journal import Answer
from mlpipes_cli.server.model import ServedModel, load
from mlpipes_cli.server.requests import read_invocations, read_records
from mlpipes_cli.server.service import Service
from mlpipes_cli.server.settings import ServerSettings

logger = logging.getLogger("mlpipes.server")
_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": documents.ErrorAnswer, "description": "The request or a column is wrong."},
    413: {"model": documents.ErrorAnswer, "description": "More bytes or rows than are taken."},
    415: {"description": "A content type that is not taken."},
    503: {"model": documents.ErrorAnswer, "description": "The prediction cannot be stored; see Retry-After."},
}


def create_app(settings: ServerSettings, store: PredictionStore, model: ServedModel | None = None) -> FastAPI:
    """Make the API.

    Args:
        settings: What to serve, and the limits.
        store: Keeps the predictions; its tables are made here.
        model: The loaded model; loaded here when left out.

    Raises:
        MlpipesError: The model does not load, or the database does not answer.
    """
    served = model or load(settings.model, settings.version, settings.alias)
    store.prepare()
    service = Service(served, store, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        service.stop()

    app = FastAPI(title=f"{settings.model} ({settings.alias})", version=__version__, lifespan=lifespan)
    app.state.service = service
    app.add_exception_handler(Fault, _fault)
    app.add_exception_handler(Exception, _bug)
    _add_predictions(app, service)
    _add_operations(app, service)
    return app


def _add_predictions(app: FastAPI, service: Service) -> None:
    @app.post(
        "/invocations",
        summary="MLflow's scoring protocol",
        responses={200: {"model": documents.InvocationsAnswer}, **_ERRORS},
        openapi_extra={"requestBody": documents.invocations_body(service.model)},
    )
    async def invocations(request: Request) -> Response:
        wrapped = True

        def read(*given: Any) -> Any:
            nonlocal wrapped
            question = read_invocations(*given)
            wrapped = question.wrapped
            return question

        answer = await service.answer(request, read)
        return Response(_as_mlflow(answer, wrapped), media_type="application/json")

    @app.post(
        "/predict",
        summary="A record, a list of records, or an object of lists",
        responses={200: {"model": documents.PredictAnswer}, **_ERRORS},
        openapi_extra={"requestBody": documents.predict_body(service.model)},
    )
    async def predict(request: Request) -> Response:
        answer = await service.answer(request, read_records)
        return Response(_as_ours(answer), media_type="application/json")


def _add_operations(app: FastAPI, service: Service) -> None:
    @app.get("/ping", include_in_schema=False)
    @app.get("/health", summary="Alive")
    async def health() -> documents.HealthAnswer:
        return documents.HealthAnswer(status="ok")

    @app.get(
        "/ready",
        summary="The model is loaded and the database answers",
        response_model=documents.ReadyAnswer,
        responses={503: {"model": documents.ReadyAnswer}},
    )
    async def ready() -> Response:
        database = await service.database_answers()
        answer = documents.ReadyAnswer(ready=database, model=_name(service.model), database=database)
        retry = {} if database else {"Retry-After": str(service.settings.retry_after)}
        return JSONResponse(answer.model_dump(), 200 if database else 503, headers=retry)

    @app.get("/version", summary="What is served", response_model=documents.VersionAnswer)
    async def version() -> Response:
        model, details = service.model, service.model.details
        answer = documents.VersionAnswer(
            name=model.name,
            version=model.version,
            alias=model.alias,
            task=details.get("task"),
            classes=jsonb.plain(details.get("classes")),
            positive=jsonb.plain(details.get("positive")),
            id=details.get("id"),
            target=details.get("target"),
            inputs=[documents.Column(**vars(column)) for column in model.columns],
            mlflow=installed("mlflow"),
            mlpipes=__version__,
        )
        return JSONResponse(answer.model_dump())


def _as_mlflow(answer: Answer, wrapped: bool) -> str:
    text = io.StringIO()
    if wrapped:
        scoring_server.predictions_to_json(answer.outcome.raw, text)
    else:
        scoring_server.unwrapped_predictions_to_json(answer.outcome.raw, text)
    return text.getvalue()


def _as_ours(answer: Answer) -> str:
    document = {
        "predictions": jsonb.plain(answer.predictions),
        "scores": jsonb.plain(answer.outcome.scores),
        "ids": jsonb.plain(answer.ids),
        "prediction_ids": answer.prediction_ids,
        "model": _name(answer.model).model_dump(),
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _name(model: ServedModel) -> documents.ModelName:
    return documents.ModelName(name=model.name, version=model.version, alias=model.alias)


async def _fault(_: Request, error: Exception) -> Response:
    assert isinstance(error, Fault)
    kind = "text/plain" if error.plain else "application/json"
    return Response(error.body, error.status, error.headers, kind)


async def _bug(request: Request, error: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return Response(
        Fault(500, "INTERNAL_ERROR", "something went wrong inside the API").body,
        500,
        None,
        "application/json",
    )
