"""Routes with the model's name in their path, compatible with ml-pipes.

There, a request was ``df.to_dict("list")`` with an ``id`` column and its answer
``{"id": [...], "prediction": [...]}``; ``/models/list`` was an object by model name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import FastAPI, Request, Response

from mlpipes_cli.server.http import documents
from mlpipes_cli.server.predictions import jsonb

if TYPE_CHECKING:
    from mlpipes_cli.server.models.served_model import ServedModel
    from mlpipes_cli.server.predictions.service import PredictionService
    from mlpipes_cli.server.predictions.stored_rows import StoredAnswer


class NamedAnswer(documents.PredictAnswer):
    """The answer of ``/predict``, and the two lists that users of ml-pipes know."""

    id: list[Any] | None
    prediction: list[Any]


class ListedModel(documents.ModelName):
    """A served model."""

    promoted_at: str | None
    task: str | None
    path: str


def add_routes(app: FastAPI, service: PredictionService) -> None:
    """Add ``/models/list`` and ``/models/prediction/{name}/{alias}``."""

    @app.get("/models/list", summary="All served models, by name and alias")
    async def models() -> dict[str, dict[str, ListedModel]]:
        found: dict[str, dict[str, ListedModel]] = {}
        for alias, model in service.models.items():
            found.setdefault(model.name, {})[alias] = _listed(model, alias)
        return found

    @app.post(
        "/models/prediction/{name}/{alias}",
        summary="Like /predict, for the named model",
        response_model=NamedAnswer,
        responses={404: {"model": documents.ErrorAnswer}, **documents.ERRORS},
        openapi_extra={"requestBody": documents.predict_body(service.model)},
    )
    async def predict(request: Request, name: str, alias: str) -> Response:
        model = service.find(name, alias)
        answer = await service.answer(request, _read, model)
        return Response(_encoded(answer), media_type="application/json")


def _listed(model: ServedModel, alias: str) -> ListedModel:
    return ListedModel(
        name=model.name,
        version=model.version,
        alias=alias,
        promoted_at=model.promoted_at,
        task=model.details.get("task"),
        path=f"/models/prediction/{model.name}/{alias}",
    )


def _read(*given: Any) -> Any:
    from mlpipes_cli.server.requests import request_parser

    return request_parser.read_records(*given)


def _encoded(answer: StoredAnswer) -> bytes:
    model, predictions, ids = answer.model, jsonb.plain(answer.predictions), jsonb.plain(answer.ids)
    return msgspec.json.encode(
        {
            "id": ids,
            "prediction": predictions,
            "predictions": predictions,
            "scores": jsonb.plain(answer.scores),
            "ids": ids,
            "prediction_ids": answer.prediction_ids,
            "model": {"name": model.name, "version": model.version, "alias": model.alias},
        }
    )
