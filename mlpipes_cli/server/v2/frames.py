"""Convert a request's tensors to the model's input: one tensor per column, or one matrix of all columns."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlpipes_cli.data import conversion
from mlpipes_cli.server.http.api_error import ApiError, bad_request, invalid_value, too_large
from mlpipes_cli.server.models.served_model import ServedModel
from mlpipes_cli.server.models.signature import InputColumn
from mlpipes_cli.server.requests import validation
from mlpipes_cli.server.requests.column_conversion import Unfit, expected, fitted
from mlpipes_cli.server.v2 import signature
from mlpipes_cli.server.v2.envelope import Inference
from mlpipes_cli.server.v2.tensors import BYTES, Tensor, text
from mlpipes_cli.suggest import did_you_mean

_DTYPES = {"double": "float64", "float": "float32", "long": "int64", "integer": "int32"}
UNFIT = "the inputs do not fit the model's signature"


@dataclass(frozen=True)
class TensorRequest:
    """A parsed request; like ``requests.request_parser.ModelRequest``, whose module imports MLflow."""

    data: Any
    params: dict[str, Any]
    ids: list[Any] | None
    wrapped: bool
    rows: int


def question(asked: Inference, model: ServedModel, max_rows: int) -> TensorRequest:
    """Return the data as the model's signature requires.

    Raises:
        ApiError: The data does not fit, or has too many rows.
    """
    known = signature.of(model)
    rows = _rows(asked.inputs, max_rows)
    params = {name: value for name, value in asked.parameters.items() if name in known.params}
    if not model.columns:
        data = _tensors(asked.inputs, known)
        enforced, checked = _enforced(model, data, params)
        return TensorRequest(enforced, checked, None, True, rows)
    given = dict(asked.inputs)
    ids = _ids(given, model, rows)
    data, checked = _fitted(
        pd.DataFrame(_columns(given, model), index=range(rows)), model, params if known.params else None
    )
    return TensorRequest(data, checked, ids, True, rows)


def _rows(inputs: Mapping[str, Tensor], max_rows: int) -> int:
    rows = next(iter(inputs.values())).shape[0]
    for tensor in inputs.values():
        if tensor.shape[0] != rows:
            raise bad_request(f"input {tensor.name!r} has {tensor.shape[0]} rows, the first input {rows}")
    if rows > max_rows:
        message = f"{rows} rows in one request; the limit is {max_rows}, split it into several requests"
        raise too_large(message)
    return rows


def _fitted(
    table: pd.DataFrame, model: ServedModel, params: dict[str, Any] | None
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a table for a model with named columns; ``params`` is None for a model without parameters."""
    with _refusing():
        found = fitted(table, model)
        return found, {} if params is None else model.mlflow.params(params or None)


def _enforced(model: ServedModel, data: Any, params: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    with _refusing():
        return model.mlflow.enforce(data, params or None)


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except ApiError:
        raise
    except Unfit as error:
        raise invalid_value(str(error)) from None
    except Exception as error:  # noqa: BLE001  MLflow's errors, and those that it does not expect
        text = getattr(error, "message", None)
        message = validation.without_values(text) if isinstance(text, str) else UNFIT
        raise invalid_value(message) from None


def _tensors(inputs: Mapping[str, Tensor], known: signature.TensorSignature) -> Any:
    """Return arrays by name, or the only array, for a model with a tensor signature or without one."""
    arrays = {name: _as_array(tensor) for name, tensor in inputs.items()}
    if known.tensors and len(known.inputs) > 1:
        return arrays
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    if known.tensors:
        raise bad_request(f"expected one input, got {len(arrays)}")
    return pd.DataFrame({name: list(array.reshape(len(array), -1)[:, 0]) for name, array in arrays.items()})


def _as_array(tensor: Tensor) -> Any:
    if tensor.datatype != BYTES:
        return tensor.data
    return np.array([_text(tensor, value) for value in tensor.data.ravel()], dtype=object).reshape(
        tensor.shape
    )


def _ids(given: dict[str, Tensor], model: ServedModel, rows: int) -> list[Any] | None:
    """Take the caller's identifiers out of the inputs: the model's id column, else ``id``."""
    chosen: list[Any] | None = None
    for name in dict.fromkeys([model.details.get("id"), "id"]):
        if isinstance(name, str) and name not in model.features and name in given:
            tensor = given.pop(name)
            values = [_text(tensor, value) for value in _flat(tensor).tolist()]
            chosen = values if chosen is None else chosen
    return chosen


def _columns(given: dict[str, Tensor], model: ServedModel) -> dict[str, Any]:
    if len(given) == 1:
        (tensor,) = given.values()
        matrix = len(tensor.shape) == 2 and (tensor.name not in model.features or tensor.shape[1] > 1)
        if matrix:
            if tensor.shape[1] != len(model.columns):
                message = f"expected {len(model.columns)} columns, got {tensor.shape[1]}"
                raise bad_request(f"input {tensor.name!r}: {message}")
            return {
                column.name: _column(tensor, tensor.data[:, at], column)
                for at, column in enumerate(model.columns)
            }
    for name in given:
        if name not in model.features:
            raise bad_request(
                f"input {name!r} is not a column of the model{did_you_mean(name, model.features)}"
            )
    missing = [column for column in model.columns if column.required and column.name not in given]
    if missing:
        parts = [f"input {column.name!r} is missing, expected {expected(column)}" for column in missing[:5]]
        more = f"; and {len(missing) - 5} more are missing" if len(missing) > 5 else ""
        raise invalid_value("; ".join(parts) + more)
    return {
        column.name: _column(given[column.name], _flat(given[column.name]), column)
        for column in model.columns
        if column.name in given
    }


def _flat(tensor: Tensor) -> Any:
    if len(tensor.shape) == 1 or (len(tensor.shape) == 2 and tensor.shape[1] == 1):
        return tensor.data.reshape(-1)
    raise bad_request(f"input {tensor.name!r}: expected the shape [n] or [n, 1]")


def _column(tensor: Tensor, values: Any, column: InputColumn) -> Any:
    """Return a column's values in the signature's type; only a number's precision may be lost."""
    if column.type in _DTYPES or column.type == "boolean":
        if tensor.datatype == BYTES:
            raise _mismatch(column, "BYTES")
        if column.type == "boolean" or values.dtype.kind == "O":
            return _plain(values, column)
        return _numbers(values, column)
    if tensor.datatype != BYTES:
        if column.type == "datetime":
            return _plain(values, column)
        raise _mismatch(column, tensor.datatype)
    if column.type == "binary":
        return pd.Series([_base64(value) for value in values.tolist()], dtype=object)
    if tensor.content_type == "base64":
        raise bad_request(f"input {tensor.name!r}: content_type base64 is for bytes; send the text itself")
    texts = [_text(tensor, value) for value in values.tolist()]
    if column.type in ("string", "datetime"):
        return pd.Series(texts, dtype=object)
    try:  # lists, objects and maps: JSON texts
        return pd.Series([None if value is None else json.loads(value) for value in texts], dtype=object)
    except (ValueError, RecursionError):
        raise _mismatch(column, "text that is not valid JSON") from None


def _base64(value: Any) -> str | None:
    """Return bytes as Base64; a text of JSON is Base64, as at all other doors."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _numbers(values: Any, column: InputColumn) -> Any:
    kind = np.dtype(_DTYPES[column.type])
    if kind.kind == "f":
        with np.errstate(over="ignore"):
            found = values.astype(kind)
        if (np.isinf(found) & np.isfinite(values.astype("float64"))).any():
            raise _mismatch(column, "a number that is too large")
        return found
    if values.dtype.kind == "f":
        if np.isnan(values).any():
            raise _mismatch(column, "a missing value")
        if not (np.isfinite(values) & (np.trunc(values) == values)).all():
            raise _mismatch(column, "a number with a fraction")
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    if len(values) and not (low <= int(values.min()) and int(values.max()) <= high):
        raise _mismatch(column, "a number that is too large")
    return values.astype(kind)


def _plain(values: Any, column: InputColumn) -> Any:
    try:
        return conversion.convert(pd.Series(values), column.type)
    except conversion.ConversionError as misfit:
        raise _mismatch(column, f"{misfit.got} in row {misfit.row}") from None


def _text(tensor: Tensor, value: Any) -> Any:
    try:
        return text(value)
    except UnicodeDecodeError:
        raise bad_request(f"input {tensor.name!r} has text that is not UTF-8") from None


def _mismatch(column: InputColumn, got: str) -> ApiError:
    return invalid_value(f"input {column.name!r}: expected {expected(column)}, got {got}")
