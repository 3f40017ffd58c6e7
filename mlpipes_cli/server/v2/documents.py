"""The protocol's documents as the OpenAPI description shows them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mlpipes_cli.server.models.served_model import ServedModel
from mlpipes_cli.server.v2 import tensors


class _Document(BaseModel):
    model_config = ConfigDict(protected_namespaces=())


class Error(_Document):
    """What went wrong."""

    error: str


class Server(_Document):
    """The server."""

    name: str
    version: str
    extensions: list[str]


class Live(_Document):
    """The process is alive."""

    live: bool


class Ready(_Document):
    """Whether the server can do its work."""

    ready: bool


class ModelReady(_Document):
    """Whether a model can be asked."""

    name: str
    ready: bool


class Indexed(_Document):
    """A served model."""

    name: str
    version: str
    state: str
    reason: str


class TensorMetadata(_Document):
    """An input or an output."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] | None = None


class Metadata(_Document):
    """A model's inputs and outputs."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class OutputTensor(_Document):
    """An output with its data, or with the size of its bytes behind the JSON."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | None = None
    parameters: dict[str, Any] | None = None


class Inferred(_Document):
    """Predictions."""

    model_name: str
    model_version: str
    id: str | None = Field(default=None, description="The id of the request.")
    parameters: dict[str, Any]
    outputs: list[OutputTensor]


ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": Error, "description": "The request or an input is wrong."},
    401: {"description": "An API key is required."},
    404: {"model": Error, "description": "The model is not served."},
    403: {
        "model": Error,
        "description": "The request comes from another origin, or its Host header is not a name of the API.",
    },
    413: {"model": Error, "description": "The request exceeds a limit of bytes or rows."},
    415: {"model": Error, "description": "The content type or encoding is not supported."},
    503: {"model": Error, "description": "The prediction cannot be stored; see Retry-After."},
}


def inference_body(model: ServedModel) -> dict[str, Any]:
    """Return the request body of ``infer`` for OpenAPI."""
    names = [column.name for column in model.columns]
    tensor = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, **({"examples": names} if names else {})},
            "datatype": {"type": "string", "enum": [*tensors.NUMPY, tensors.BYTES]},
            "shape": {
                "type": "array",
                "items": {"type": "integer", "minimum": 0},
                "minItems": 1,
                "maxItems": 8,
            },
            "parameters": {"type": "object"},
            "data": {"type": "array", "description": "Flat or nested, in row-major order."},
        },
        "required": ["name", "datatype", "shape"],
    }
    output = {
        "type": "object",
        "properties": {"name": {"type": "string", "minLength": 1}, "parameters": {"type": "object"}},
        "required": ["name"],
    }
    schema = {
        "type": "object",
        "title": "Inference",
        "properties": {
            "id": {"type": ["string", "null"]},
            "parameters": {"type": "object"},
            "inputs": {"type": "array", "items": tensor, "minItems": 1},
            "outputs": {"type": ["array", "null"], "items": output},
        },
        "required": ["inputs"],
        "description": "One tensor of the shape [n] for each column, or one of the shape [n, columns]. "
        "Data may follow the JSON as bytes (Inference-Header-Content-Length).",
    }
    return {"required": True, "content": {"application/json": {"schema": schema}}}
