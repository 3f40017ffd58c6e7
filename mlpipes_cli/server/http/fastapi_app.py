"""The FastAPI application: describes all routes, and answers those that are not predictions.

Its import and its routes take half a second, so this module is loaded after the API has started to answer
(see :mod:`mlpipes_cli.server.http.lifespan`).
"""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request, Response

from mlpipes_cli import __version__
from mlpipes_cli.server import v2
from mlpipes_cli.server.http import documents, feedback_routes, named_routes, status_routes
from mlpipes_cli.server.http.api_error import ApiError, bug
from mlpipes_cli.server.http.asgi import PredictionRoutes
from mlpipes_cli.server.ops import cors, metrics, monitoring
from mlpipes_cli.server.page import routes as page
from mlpipes_cli.server.predictions.service import PredictionService

logger = logging.getLogger("mlpipes.server")


def make(service: PredictionService) -> FastAPI:
    """Create the application; requests to prediction routes are answered before they reach it."""
    settings = service.settings
    app = FastAPI(title=f"{settings.model} ({settings.alias})", version=__version__)
    app.state.service = service
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(Exception, _bug)
    _add_predictions(app, service)
    status_routes.add_routes(app, service)
    feedback_routes.add_routes(app, service)
    metrics.add_routes(app, service)
    monitoring.add_routes(app, service)
    page.add_routes(app, service)
    named_routes.add_routes(app, service)
    v2.add_routes(app, service)
    cors.add_middleware(app, settings.cors)
    return app


class _Directly(Response):
    """A response that the prediction route writes itself."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self._answer = answer

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._answer(scope, receive, send)


def _add_predictions(app: FastAPI, service: PredictionService) -> None:
    predictions = PredictionRoutes(service)

    @app.post(
        "/invocations",
        summary="MLflow's scoring protocol",
        responses={200: {"model": documents.InvocationsAnswer}, **documents.ERRORS},
        openapi_extra={"requestBody": documents.invocations_body(service.model)},
    )
    async def invocations() -> Response:
        return _Directly(predictions.invocations)

    @app.post(
        "/predict",
        summary="A record, a list of records, or an object of lists",
        responses={200: {"model": documents.PredictAnswer}, **documents.ERRORS},
        openapi_extra={"requestBody": documents.predict_body(service.model)},
    )
    async def predict() -> Response:
        return _Directly(predictions.predict)


async def _api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    kind = "text/plain" if error.plain else "application/json"
    return Response(error.body, error.status, error.headers, kind)


async def _bug(request: Request, error: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return Response(bug().body_for(request.url.path), 500, None, "application/json")
