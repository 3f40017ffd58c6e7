"""The API's documents as its OpenAPI description shows them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mlpipes_cli.server.models.served_model import InputColumn, ServedModel

_TYPES: dict[str, dict[str, Any]] = {
    "double": {"type": "number"},
    "float": {"type": "number"},
    "long": {"type": "integer"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "string": {"type": "string"},
    "datetime": {"type": "string", "format": "date-time"},
    "binary": {"type": "string", "format": "byte"},
}


class _Document(BaseModel):
    model_config = ConfigDict(protected_namespaces=())


class ModelName(_Document):
    """Which model answered."""

    name: str
    version: int
    alias: str


class ServedName(ModelName):
    """A model that is served."""

    threshold: float | None = Field(
        default=None, description="Of the positive class's score, where the model has one of its own."
    )


class PredictAnswer(_Document):
    """The answer of ``/predict``; every list has one item a row, in the rows' order."""

    predictions: list[Any]
    scores: list[float | list[float] | None] | None = Field(
        description="The positive class's score, or one per class; null for regression."
    )
    ids: list[Any] | None = Field(description="The caller's id column, or null if there was none.")
    prediction_ids: list[str] = Field(description="UUID version 7, the key in serving.predictions.")
    model: ModelName


class InvocationsAnswer(_Document):
    """MLflow's answer."""

    predictions: list[Any]


class ErrorAnswer(_Document):
    """What went wrong, in MLflow's form."""

    error_code: str
    message: str


class HealthAnswer(_Document):
    """The process is alive."""

    status: str


class ReadyAnswer(_Document):
    """Whether the API can do its work."""

    ready: bool
    model: ModelName
    models: list[ServedName] = Field(description="All served models.")
    database: bool
    spooled: int = Field(description="Predictions in the local spool, not in the database yet.")
    spooled_seconds: float = Field(description="The age of the oldest of these predictions.")
    problems: dict[str, str] = Field(description="A problem of the alias while its model still answers.")


class Column(_Document):
    """A column that the model takes."""

    name: str
    type: str
    required: bool


class VersionAnswer(_Document):
    """What is served, and by what."""

    name: str
    version: int
    alias: str
    promoted_at: str | None
    task: str | None
    classes: list[Any] | None
    positive: Any
    threshold: float | None = Field(
        description="Rows with at least this score are positive; null for the model's own labels."
    )
    id: str | None
    target: str | None
    reading: dict[str, Any] | None = Field(
        description="The formats of the training data: number separators, missing values, dates. "
        "Null for a model without this record."
    )
    inputs: list[Column]
    compiled: bool = Field(description="Whether a compiled predictor, verified against the model, answers.")
    mlflow: str
    mlpipes: str


ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "The request or a column is wrong."},
    401: {"model": ErrorAnswer, "description": "An API key is required."},
    403: {
        "model": ErrorAnswer,
        "description": "The request comes from another origin, or its Host header is not a name of the API.",
    },
    413: {
        "model": ErrorAnswer,
        "description": "The request exceeds a limit of bytes, rows, columns or cells.",
    },
    415: {"description": "The content type or encoding is not supported."},
    503: {"model": ErrorAnswer, "description": "The prediction cannot be stored; see Retry-After."},
}


def record_schema(model: ServedModel) -> dict[str, Any]:
    """Return the JSON Schema of one row that the model takes."""
    return {
        "type": "object",
        "title": "Record",
        "properties": {column.name: value_schema(column) for column in model.columns},
        "required": [column.name for column in model.columns if column.required],
        "additionalProperties": True,
    }


def value_schema(column: InputColumn) -> dict[str, Any]:
    """Return the JSON Schema of one value of a column; all but whole numbers may be missing (null)."""
    kind = _TYPES.get(column.type, {})
    if column.type in {"long", "integer"} or not kind:
        return kind
    return {"anyOf": [kind, {"type": "null"}]}


def predict_body(model: ServedModel) -> dict[str, Any]:
    """``/predict``'s request body for OpenAPI."""
    record = record_schema(model)
    columns = {column.name: {"type": "array", "items": value_schema(column)} for column in model.columns}
    lists = {**record, "title": "Columns", "properties": columns}
    schema = {"oneOf": [record, {"type": "array", "items": record, "title": "Records"}, lists]}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def invocations_body(model: ServedModel) -> dict[str, Any]:
    """``/invocations``'s request body for OpenAPI."""
    record = record_schema(model)
    split = {
        "type": "object",
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}},
            "data": {"type": "array", "items": {"type": "array"}},
            "index": {"type": "array"},
        },
        "required": ["data"],
    }
    schema = {
        "type": "object",
        "properties": {
            "dataframe_split": split,
            "dataframe_records": {"type": "array", "items": record},
            "instances": {},
            "inputs": {},
            "params": {"type": "object"},
        },
        "description": "Exactly one of dataframe_split, dataframe_records, instances and inputs.",
    }
    text = {"schema": {"type": "string"}}
    return {"required": True, "content": {"application/json": {"schema": schema}, "text/csv": text}}
