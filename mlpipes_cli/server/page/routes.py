"""Routes of the web page: its files, its data about the model, the newest predictions."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.server.http import documents
from mlpipes_cli.server.http.api_error import bad_request, unavailable
from mlpipes_cli.server.page import view
from mlpipes_cli.server.page.files import FILES, TYPES

if TYPE_CHECKING:
    from mlpipes_cli.server.predictions.service import PredictionService

_HEADERS = {
    # Nothing from other origins and nothing inline: markup in a name or value is not executed.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_LIMIT = {
    "name": "limit",
    "in": "query",
    "description": "The maximum number of predictions.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
}
_ALIAS = {
    "name": "alias",
    "in": "query",
    "description": "A served alias (default: the first one).",
    "schema": {"type": "string"},
}


def add_routes(app: FastAPI, service: PredictionService) -> None:
    """Add ``/``, the page's files, ``/page/model`` and ``/predictions/recent``."""
    for path, file in FILES.items():
        _add_file(app, path, file)

    @app.get(
        "/page/model",
        summary="The model as shown on the page",
        response_model=view.PageModel,
        responses={404: {"model": documents.ErrorAnswer, "description": "The alias is not served."}},
        openapi_extra={"parameters": [_ALIAS]},
    )
    async def page_model(request: Request) -> Response:
        shown = view.model(service, request.query_params.get("alias"), _has(app, "/feedback"))
        return _tagged(request, shown.model_dump_json().encode(), "application/json")

    @app.get(
        "/predictions/recent",
        summary="The newest predictions, newest first",
        response_model=view.RecentAnswer,
        responses={
            400: {"model": documents.ErrorAnswer, "description": "The limit is wrong."},
            503: {"model": documents.ErrorAnswer, "description": "The database does not answer."},
        },
        openapi_extra={"parameters": [_LIMIT]},
    )
    async def recent(request: Request) -> Response:
        limit = _limit(request.query_params.get("limit", "20"))
        try:
            rows = await service.stores.recent.recent(service.model.name, limit)
        except MlpipesError as error:
            raise unavailable(error.reason, service.settings.retry_after) from None
        return _tagged(request, view.recent(rows).model_dump_json().encode(), "application/json")


def _add_file(app: FastAPI, path: str, file: Path) -> None:
    content, kind = file.read_bytes(), f"{TYPES[file.suffix]}; charset=utf-8"

    @app.api_route(path, methods=["GET", "HEAD"], include_in_schema=False)
    async def static(request: Request) -> Response:
        return _tagged(request, content, kind)


def _tagged(request: Request, content: bytes, kind: str) -> Response:
    """Return the content, or 304 if the browser has it, so that polling is cheap while nothing changes."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {**_HEADERS, "ETag": tag, "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(None, 304, headers)
    return Response(content, 200, headers, kind)


def _limit(text: str) -> int:
    if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= 100:
        raise bad_request("limit: expected a whole number from 1 to 100")
    return int(text)


def _has(app: FastAPI, path: str) -> bool:
    return any(getattr(route, "path", None) == path for route in app.routes)
