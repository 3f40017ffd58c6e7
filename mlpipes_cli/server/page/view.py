"""Documents for the web page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from mlpipes_cli.mlflow_tags import MODEL_THRESHOLD
from mlpipes_cli.ports.recent_predictions import RecentPrediction
from mlpipes_cli.server.http.api_error import ApiError
from mlpipes_cli.server.predictions import jsonb

if TYPE_CHECKING:
    from mlpipes_cli.server.models.served_model import ServedModel
    from mlpipes_cli.server.predictions.service import PredictionService


class _Document(BaseModel):
    model_config = ConfigDict(protected_namespaces=())


class PageColumn(_Document):
    """An input of the form."""

    name: str
    type: str = Field(description="As in MLflow's signatures: double, string, boolean, ...")
    required: bool
    image: bool = Field(description="Whether it expects an image as Base64.")
    quoted: str = Field(description="The name as written in the API's error messages.")


class PageAlias(_Document):
    """A served alias and the version that it points to."""

    alias: str
    version: int


class PageModel(_Document):
    """The model behind the form."""

    name: str
    version: int
    alias: str
    promoted_at: str | None = Field(description="When the alias was moved to this version, ISO 8601.")
    task: str | None
    classes: list[Any] | None
    positive: Any
    threshold: float | None = Field(description="Scores of at least this value are labelled positive.")
    target: str | None
    columns: list[PageColumn]
    example: dict[str, Any] | None = Field(
        description="The first row of the model's input example; whole numbers beyond 2^53 as text."
    )
    aliases: list[PageAlias] = Field(description="All served aliases; /predict uses the first one.")
    feedback: bool = Field(description="Whether /feedback accepts the true value.")
    max_bytes: int = Field(description="The maximum size of a request in bytes.")


class RecentRow(_Document):
    """A stored prediction, long values cut."""

    prediction_id: str
    made_at: str
    version: int
    alias: str
    inputs: Any
    prediction: Any
    scores: Any
    latency_ms: float


class RecentAnswer(_Document):
    """The newest predictions of the served model, all its versions."""

    predictions: list[RecentRow]


def model(service: PredictionService, alias: str | None, feedback: bool) -> PageModel:
    """Return the model of an alias as the page shows it.

    Args:
        service: The service with the model.
        alias: A served alias; None for the first.
        feedback: Whether there is a route for ground truth.

    Raises:
        ApiError: The alias is not served (404).
    """
    first, models = service.model, service.models
    served = first if alias in (None, first.alias) else models.get(alias)
    if served is None:
        raise ApiError(
            404, "RESOURCE_DOES_NOT_EXIST", "this alias is not served; /page/model lists those that are"
        )
    details = served.details
    images = {*(details.get("images") or ()), *served.pictures}
    others = sorted((other.alias, other.version) for other in models.values() if other.alias != first.alias)
    return PageModel(
        name=served.name,
        version=served.version,
        alias=served.alias,
        promoted_at=served.promoted_at,
        task=details.get("task"),
        classes=jsonb.plain(details.get("classes")),
        positive=jsonb.plain(details.get("positive")),
        threshold=details.get(MODEL_THRESHOLD),
        target=details.get("target"),
        columns=[
            PageColumn(
                name=column.name,
                type=column.type,
                required=column.required,
                image=column.name in images,
                quoted=repr(column.name),
            )
            for column in served.columns
        ],
        example=_example(served),
        aliases=[PageAlias(alias=a, version=v) for a, v in [(first.alias, first.version), *others]],
        feedback=feedback,
        max_bytes=service.settings.max_bytes,
    )


def _example(served: ServedModel) -> Any:
    example = served.example
    if not isinstance(example, Mapping):
        return None
    return _inputs(jsonb.plain(example))


def _inputs(given: Any) -> Any:
    return {name: _exact(value) for name, value in given.items()} if isinstance(given, dict) else given


def _exact(value: Any) -> Any:
    """Return an integer that JavaScript's numbers cannot hold as its digits, other values unchanged."""
    return str(value) if isinstance(value, int) and abs(value) > 2**53 else value


def recent(rows: Sequence[RecentPrediction]) -> RecentAnswer:
    """Return the stored predictions as a document."""
    return RecentAnswer(
        predictions=[
            RecentRow(
                prediction_id=row.prediction_id,
                made_at=datetime.fromtimestamp(row.made_at / 1000, UTC).isoformat(timespec="milliseconds"),
                version=row.version,
                alias=row.alias,
                inputs=_inputs(json.loads(row.inputs)),
                prediction=json.loads(row.prediction),
                scores=None if row.scores is None else json.loads(row.scores),
                latency_ms=row.latency_ms,
            )
            for row in rows
        ]
    )
