"""Convert predictions to the rows that are stored and the lists that are returned."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from mlpipes_cli.model_process.output import ModelOutput
from mlpipes_cli.ports import PredictionRow
from mlpipes_cli.server.models.served_model import ServedModel
from mlpipes_cli.server.predictions import jsonb
from mlpipes_cli.server.predictions.uuid7 import Uuid7Factory, uuid7
from mlpipes_cli.server.requests.caller_identifiers import as_text
from mlpipes_cli.server.requests.request_decoder import Row

_encode = msgspec.json.Encoder().encode


class RecordOrigin(msgspec.Struct, frozen=True, gc=False):
    """Metadata of a request that is stored with its rows.

    Attributes:
        arrived: ``time.perf_counter()`` at the request's arrival.
        trace_id: The caller's W3C trace, or None.
        shadows: The predictions that these rows shadow, one per row, or None.
    """

    arrived: float
    trace_id: str | None = None
    shadows: Sequence[str] | None = None


class StoredAnswer(msgspec.Struct, frozen=True):
    """The answer to a request once its rows are stored.

    Attributes:
        model: The version that predicted.
        predictions: One plain value per row.
        scores: A float per row, a list of floats per row, or None.
        ids: The caller's identifiers as received, or None.
        prediction_ids: One per row, in order.
        rows: The stored rows.
        raw: The predictions in the model's own type, for requests of the slow path.
    """

    model: ServedModel
    predictions: list[Any]
    scores: list[Any] | None
    ids: list[Any] | None
    prediction_ids: list[str]
    rows: list[PredictionRow]
    raw: Any = None

    def __repr__(self) -> str:  # without values of the request
        return f"StoredAnswer({', '.join(self.prediction_ids)})"


def of_rows(
    rows: Sequence[Row],
    predictions: list[Any],
    scores: list[Any] | None,
    ids: list[Any] | None,
    model: ServedModel,
    origin: RecordOrigin,
    new_ids: Uuid7Factory = uuid7,
) -> StoredAnswer:
    """Return the answer to a fast-path request; its values are already plain."""
    names = model.names
    inputs = [_encode(dict(zip(names, row, strict=True))) for row in rows]
    encoded = [_encode(value) for value in predictions]
    weighed = None if scores is None else [_encode(value) for value in scores]
    callers = None if ids is None else [value if type(value) is str else str(value) for value in ids]
    return _answer(
        (predictions, scores, ids, None), (inputs, encoded, weighed, callers), model, origin, new_ids
    )


def of_outcome(
    data: Any,
    outcome: ModelOutput,
    ids: list[Any] | None,
    model: ServedModel,
    origin: RecordOrigin,
    new_ids: Uuid7Factory = uuid7,
) -> StoredAnswer:
    """Return the answer to a slow-path request.

    Args:
        data: The input of the model, as its signature requires.
        outcome: The model's output.
        ids: The caller's identifiers, one per row, or None.
        model: The model.
        origin: The request's metadata.
        new_ids: Makes identifiers.
    """
    predictions = listed(outcome.raw)
    numbers = _number_rows(data)
    rows = frame_rows(data) if numbers is None else numbers
    if rows is None or len(rows) != len(predictions):  # a model that does not answer row by row
        rows, predictions, ids = [data], [predictions], None
    scores = outcome.scores
    callers = None if ids is None else [as_text(value) for value in ids]
    encoded = (
        [_encode(row) for row in rows] if rows is numbers else [_json(row) for row in rows],
        [_json(value) for value in predictions],
        None if scores is None else [_json(value) for value in scores],
        callers,
    )
    return _answer((predictions, scores, ids, outcome.raw), encoded, model, origin, new_ids)


def _answer(
    plain: tuple[list[Any], list[Any] | None, list[Any] | None, Any],
    encoded: tuple[list[bytes], list[bytes], list[bytes] | None, Iterable[str | None] | None],
    model: ServedModel,
    origin: RecordOrigin,
    new_ids: Uuid7Factory,
) -> StoredAnswer:
    predictions, scores, ids, raw = plain
    inputs, outputs, weighed, callers = encoded
    count = len(inputs)
    made_at, identifiers = new_ids.texts(count)
    nothing: list[Any] = [None] * count
    latency = (time.perf_counter() - origin.arrived) * 1000
    name, version, alias, trace = model.name, model.version, model.alias, origin.trace_id
    rows = [
        PredictionRow(
            identifier, caller, moment, name, version, alias, given, prediction, score, latency, trace, shadow
        )
        for identifier, moment, caller, given, prediction, score, shadow in zip(
            identifiers,
            made_at,
            callers if callers is not None else nothing,
            inputs,
            outputs,
            weighed if weighed is not None else nothing,
            origin.shadows if origin.shadows is not None else nothing,
            strict=True,
        )
    ]
    return StoredAnswer(model, predictions, scores, ids, identifiers, rows, raw)


def _json(value: Any) -> bytes:
    if type(value) is float and math.isfinite(value):
        return _encode(value)
    return b"%d" % value if type(value) is int else jsonb.encode(value).encode()


def plain_list(raw: Any) -> list[Any] | None:
    """Return one-dimensional arrays of finite numbers, booleans or text as a list; None for all else."""
    if getattr(raw, "ndim", 0) != 1 or not hasattr(raw, "dtype") or hasattr(raw, "iloc"):
        return None
    values: list[Any] = raw.tolist()
    if raw.dtype.kind in "iub":
        return values
    if raw.dtype.kind == "f":
        return values if all(map(math.isfinite, values)) else None
    return values if all(type(value) is str for value in values) else None


def listed(raw: Any) -> list[Any]:
    """Return predictions as a list with one value per row."""
    if isinstance(raw, pd.DataFrame):
        return list(raw.to_dict("records"))
    if hasattr(raw, "tolist"):
        value = raw.tolist()
        return value if isinstance(value, list) else [value]
    return list(raw) if isinstance(raw, (list, tuple)) else [raw]


def _number_rows(data: Any) -> list[Any] | None:
    """Return the rows of a frame of finite numbers of one type, and NaN, by column; None for all else.

    They are those of :func:`frame_rows`, and their JSON needs no conversion: NaN is null.
    """
    kinds = set(data.dtypes) if isinstance(data, pd.DataFrame) else set()
    if len(kinds) != 1 or not isinstance(kind := kinds.pop(), np.dtype) or kind.kind not in "iuf":
        return None
    values = data.to_numpy()
    if np.isinf(values).any():
        return None
    names = [jsonb.text(str(name)) for name in data.columns]
    return [dict(zip(names, row, strict=True)) for row in values.tolist()]


def frame_rows(data: Any) -> list[Any] | None:
    """Return one plain value per row, as the model received it; None if the data has no rows."""
    if isinstance(data, pd.DataFrame):
        return list(data.to_dict("records"))
    if isinstance(data, dict):
        names = list(data)
        columns = [data[name] for name in names]
        if not columns or any(getattr(column, "ndim", 1) == 0 for column in columns):
            return None
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=False)]
    if isinstance(data, str) or not hasattr(data, "__len__") or getattr(data, "ndim", 1) == 0:
        return None
    return list(data)
