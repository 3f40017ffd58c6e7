"""Parse a request's body into the model's input, and report errors.

This is the slow path: it imports MLflow, so it is itself imported when the first request needs it.
``/invocations`` is parsed by MLflow's own scoring server, so that every form that it accepts means the same
here; ``/predict`` is first turned into one of those forms. The values of a table stay unchanged: one
converter reads them for all routes (:mod:`mlpipes_cli.server.requests.column_conversion`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server
from mlflow.pyfunc.utils.serving_data_parser import is_unified_llm_input

from mlpipes_cli.server.http.api_error import ApiError, bad_request, invalid_value, too_large
from mlpipes_cli.server.models.served_model import ServedModel
from mlpipes_cli.server.requests import tables, validation
from mlpipes_cli.server.requests.body_reader import read_json
from mlpipes_cli.server.requests.bounds import Bounds
from mlpipes_cli.server.requests.column_conversion import Unfit, fitted
from mlpipes_cli.server.requests.parquet_bounds import check_parquet
from mlpipes_cli.server.requests.row_formats import as_dataframe

logger = logging.getLogger("mlpipes.server")
UNREADABLE = "the data does not match the model's columns"
JSON = scoring_server.CONTENT_TYPE_JSON
CSV = scoring_server.CONTENT_TYPE_CSV
PARQUET = scoring_server.CONTENT_TYPE_PARQUET


@dataclass(frozen=True)
class ModelRequest:
    """A parsed request.

    Attributes:
        data: The input as the model's signature requires.
        params: Parameters, checked against the signature.
        ids: The caller's identifiers, one per row, or None.
        wrapped: Whether the response is an object with ``predictions``.
        rows: The number of rows.
    """

    data: Any
    params: dict[str, Any]
    ids: list[Any] | None
    wrapped: bool
    rows: int


class _Catcher:
    """Takes the model's place in MLflow's request handling and keeps the input of the model."""

    def __init__(self, model: ServedModel) -> None:
        self.metadata = model.mlflow.metadata
        self.data: Any = None
        self.params: dict[str, Any] | None = None

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> list[Any]:
        self.data, self.params = data, params
        return []


def read_invocations(
    body: bytes, content_type: str | None, model: ServedModel, max_rows: int
) -> ModelRequest:
    """Parse a request of MLflow's scoring protocol.

    Raises:
        ApiError: The request is wrong; status and error code are those of MLflow's scoring server.
    """
    payload: Any = body
    if _mime(content_type) == JSON:
        payload = read_json(body)
        if not isinstance(payload, dict):
            raise bad_request(f"expected a JSON object, got {validation.kind_of(payload)}")
    wrapped = not (isinstance(payload, dict) and is_unified_llm_input(payload))
    return _ask(payload, content_type or "", model, max_rows, wrapped, len(body))


def read_records(body: bytes, content_type: str | None, model: ServedModel, max_rows: int) -> ModelRequest:
    """Parse a record, a list of records or an object of lists.

    Raises:
        ApiError: The body has none of these forms, or does not fit the model.
    """
    if _mime(content_type or JSON).lower() != JSON:
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", f"expected the content type {JSON}")
    return _ask(as_dataframe(read_json(body), model), JSON, model, max_rows, True, len(body))


def _mime(content_type: str | None) -> str:
    return (content_type or "").split(";")[0].strip()


def _ask(
    payload: Any, content_type: str, model: ServedModel, max_rows: int, wrapped: bool, size: int
) -> ModelRequest:
    _check_rows(_count(payload), max_rows)
    _check_shape(payload, _mime(content_type), Bounds(len(model.columns), max_rows), size)
    try:
        given, params, ids, plain = _parsed(payload, content_type, model)
        _check_rows(_length(given), max_rows)
        if not plain:
            data, checked = model.mlflow.enforce(given, params)
        else:
            mime = _mime(content_type)
            data = fitted(given, model, cells=mime == CSV, encoded=mime != PARQUET)
            checked = model.mlflow.params(params)
    except Unfit as error:
        late = error.late or _mime(content_type) == PARQUET  # MLflow finds these after reading everything
        raise (invalid_value if late else bad_request)(str(error)) from None
    except MlflowException as error:
        if isinstance(payload, dict) and (long := tables.too_long(payload, model.names)):
            raise bad_request(long) from None
        message = validation.without_values(error.message)
        raise ApiError(error.get_http_status_code(), error.error_code, message) from None
    except ApiError:
        raise
    except Exception as error:  # noqa: BLE001  an unexpected error in MLflow's parser, which answers with 500
        logger.info("MLflow's parser failed on a request: %s", type(error).__name__)
        raise bad_request(UNREADABLE) from None
    return ModelRequest(
        data, checked, model.caller_ids(given) if ids is None else ids, wrapped, _length(data)
    )


def _check_shape(payload: Any, mime: str, bounds: Bounds, size: int) -> None:
    """Reject a payload whose table is too large before it is parsed."""
    if isinstance(payload, dict):
        bounds.document(payload, size)
    elif mime == CSV:
        bounds.csv(payload)
    elif mime == PARQUET:
        check_parquet(payload, bounds)


def _parsed(
    payload: Any, content_type: str, model: ServedModel
) -> tuple[Any, dict[str, Any] | None, list[Any] | None, bool]:
    """Return the data, the parameters, the identifiers if the data does not have them as they were sent, and
    whether the data is a table with unconverted values.

    Raises:
        ApiError: MLflow does not accept the content type, or the body is not CSV.
        MlflowException: The body has none of the forms.
    """
    readable = bool(model.columns) and not model.mlflow.hinted
    schema = model.mlflow.schema
    if readable and isinstance(payload, dict) and not is_unified_llm_input(payload):
        try:
            framed = tables.as_frame(payload, model.names)
        except ValueError as error:
            raise bad_request(str(error)) from None
        payload, schema = (payload, schema) if framed is None else (framed, None)
    elif readable and _mime(content_type) == PARQUET:
        try:
            return tables.of_parquet(payload, model.id_names), None, None, True
        except ValueError as error:
            raise bad_request(str(error)) from None
    elif readable and _mime(content_type) == CSV:
        if content_type != CSV:
            _through_mlflow(b"a\n1\n", content_type, model, None)  # raises for an unknown parameter
        return _cells(payload, model), None, None, True
    seen = _through_mlflow(payload, content_type, model, schema)
    plain = schema is None and readable and isinstance(seen.data, pd.DataFrame)
    ids = tables.identifiers(payload, model.id_names) if plain else None
    return seen.data, seen.params, ids, plain


def _through_mlflow(payload: Any, content_type: str, model: ServedModel, schema: Any) -> _Catcher:
    catcher = _Catcher(model)
    refused = scoring_server.invocations(payload, content_type, catcher, schema)
    if refused.status != 200:
        raise ApiError(refused.status, "", refused.response, plain=True)
    return catcher


def _cells(body: bytes, model: ServedModel) -> pd.DataFrame:
    try:
        found = tables.of_cells(body)
    except ValueError as error:
        raise bad_request(str(error)) from None
    ids = [name for name in model.id_names if name in found.columns]
    for name in ids:
        found[name] = found[name].mask(found[name] == "", None)
    return found


def _count(payload: Any) -> int:
    """Return the number of rows of a JSON request before it is converted."""
    if not isinstance(payload, dict):
        return 0
    sizes = [0]
    for key in scoring_server.SUPPORTED_FORMATS & payload.keys():
        value = payload[key]
        if isinstance(value, dict):
            parts = [value.get("data")] if key == scoring_server.DF_SPLIT else list(value.values())
            sizes += [len(part) for part in parts if isinstance(part, list)]
        elif isinstance(value, list):
            sizes.append(len(value))
    return max(sizes)


def _length(data: Any) -> int:
    if isinstance(data, dict):
        return max((_length(value) for value in data.values()), default=0)
    if isinstance(data, (str, bytes)) or not hasattr(data, "__len__"):
        return 1
    return 1 if getattr(data, "ndim", 1) == 0 else len(data)


def _check_rows(rows: int, max_rows: int) -> None:
    if rows > max_rows:
        raise too_large(
            f"{rows} rows in one request; the limit is {max_rows}, split it into several requests"
        )
