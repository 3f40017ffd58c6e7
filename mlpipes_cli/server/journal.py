"""From a job's predictions to the rows that are stored and the lists that are answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pandas as pd

from mlpipes_cli.ports import PredictionRow
from mlpipes_cli.server import jsonb
from mlpipes_cli.server.model import Outcome, ServedModel
from mlpipes_cli.server.requests import Question, frame_rows
from mlpipes_cli.server.uuid7 import milliseconds_of, uuid7


@dataclass(frozen=True)
class Answer:
    """What a request gets once its rows are stored.

    Attributes:
        model: The version that predicted.
        outcome: Its predictions in its own types, and the scores.
        predictions: One plain value a row.
        ids: The caller's identifiers as they came, or None.
        prediction_ids: One a row, in order.
        rows: What was stored.
    """

    model: ServedModel
    outcome: Outcome
    predictions: list[Any]
    ids: list[Any] | None
    prediction_ids: list[str]
    rows: list[PredictionRow] = field(repr=False)


def answer(
    question: Question,
    outcome: Outcome,
    model: ServedModel,
    arrived: float,
    new_id: Callable[[], UUID] = uuid7,
) -> Answer:
    """Give each row its identifier and make what is stored of it.

    Args:
        question: What was asked.
        outcome: What the model said to it.
        model: The model.
        arrived: ``time.perf_counter()`` when the request came.
        new_id: Makes identifiers.
    """
    predictions = listed(outcome.raw)
    inputs = frame_rows(question.data)
    if inputs is None or len(inputs) != len(predictions):  # a model that does not answer row by row
        inputs, predictions = [question.data], [predictions]
    scores = outcome.scores if outcome.scores is not None else [None] * len(predictions)
    ids = question.ids if question.ids is not None else [None] * len(predictions)
    latency = (time.perf_counter() - arrived) * 1000
    rows = [
        _row(new_id(), model, caller, given, prediction, score, latency)
        for given, prediction, score, caller in zip(inputs, predictions, scores, ids, strict=True)
    ]
    return Answer(model, outcome, predictions, question.ids, [row.prediction_id for row in rows], rows)


def _row(
    identifier: UUID,
    model: ServedModel,
    caller: Any,
    inputs: Any,
    prediction: Any,
    score: Any,
    latency: float,
) -> PredictionRow:
    caller = jsonb.plain(caller)
    return PredictionRow(
        prediction_id=str(identifier),
        caller_id=None if caller is None else caller if isinstance(caller, str) else jsonb.encode(caller),
        made_at=milliseconds_of(identifier),
        model=model.name,
        version=model.version,
        alias=model.alias,
        inputs=jsonb.encode(inputs),
        prediction=jsonb.encode(prediction),
        scores=None if score is None else jsonb.encode(score),
        latency_ms=round(latency, 3),
    )


def listed(raw: Any) -> list[Any]:
    """Predictions as a list with one value a row."""
    if isinstance(raw, pd.DataFrame):
        return list(raw.to_dict("records"))
    if hasattr(raw, "tolist"):
        value = raw.tolist()
        return value if isinstance(value, list) else [value]
    return list(raw) if isinstance(raw, (list, tuple)) else [raw]
