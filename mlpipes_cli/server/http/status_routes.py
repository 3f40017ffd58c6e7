"""Routes about the API itself: its health, and the served models."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import TYPE_CHECKING

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse

from mlpipes_cli import __version__
from mlpipes_cli.mlflow_tags import MODEL_THRESHOLD
from mlpipes_cli.server.http import documents
from mlpipes_cli.server.predictions import jsonb

if TYPE_CHECKING:
    from mlpipes_cli.server.models.served_model import ServedModel
    from mlpipes_cli.server.predictions.service import PredictionService


def add_routes(app: FastAPI, service: PredictionService) -> None:
    """Add ``/health`` (``/ping``), ``/ready`` and ``/version``."""

    @app.get("/ping", include_in_schema=False)
    @app.get("/health", summary="Alive")
    async def health() -> documents.HealthAnswer:
        return documents.HealthAnswer(status="ok")

    @app.get(
        "/ready",
        summary="A model is loaded and predictions can be stored",
        response_model=documents.ReadyAnswer,
        responses={503: {"model": documents.ReadyAnswer}},
    )
    async def ready() -> Response:
        database = await service.database_answers()
        rows, seconds = service.spooled()
        good = database or service.settings.on_log_failure == "spool"
        answer = documents.ReadyAnswer(
            ready=good,
            model=_name(service.model),
            models=[_served(model) for model in service.models.values()],
            database=database,
            spooled=rows,
            spooled_seconds=seconds,
            problems=dict(service.problems),
        )
        retry = {} if good else {"Retry-After": str(service.settings.retry_after)}
        return JSONResponse(answer.model_dump(exclude_none=True), 200 if good else 503, headers=retry)

    @app.get("/version", summary="The served models", response_model=documents.VersionAnswer)
    async def version() -> Response:
        model, details = service.model, service.model.details
        answer = documents.VersionAnswer(
            name=model.name,
            version=model.version,
            alias=model.alias,
            promoted_at=model.promoted_at,
            task=details.get("task"),
            classes=jsonb.plain(details.get("classes")),
            positive=jsonb.plain(details.get("positive")),
            threshold=details.get(MODEL_THRESHOLD),
            id=details.get("id"),
            target=details.get("target"),
            reading=details.get("reading"),
            inputs=[
                documents.Column(name=column.name, type=column.type, required=column.required)
                for column in model.columns
            ],
            compiled=model.shortcut is not None,
            mlflow=_mlflow(),
            mlpipes=__version__,
        )
        return JSONResponse(answer.model_dump())


def _mlflow() -> str:
    """Return MLflow's version; an image of the API only has mlflow-skinny."""
    try:
        return installed("mlflow")
    except PackageNotFoundError:
        return installed("mlflow-skinny")


def _name(model: ServedModel) -> documents.ModelName:
    return documents.ModelName(name=model.name, version=model.version, alias=model.alias)


def _served(model: ServedModel) -> documents.ServedName:
    threshold = model.details.get(MODEL_THRESHOLD)
    return documents.ServedName(
        name=model.name, version=model.version, alias=model.alias, threshold=threshold
    )
