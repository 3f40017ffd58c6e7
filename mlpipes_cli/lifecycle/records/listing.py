"""``mlpipes predictions list``: the newest predictions with their truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpipes_cli.lifecycle.records import log_context

if TYPE_CHECKING:
    from mlpipes_cli.ports.prediction_records import Selection, StoredPrediction
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class PredictionEntry:
    """A stored prediction, as it is listed.

    Attributes:
        prediction_id: A UUID version 7.
        caller_id: The value of the caller's id column, or None.
        made_at: UTC, ISO 8601.
        model: The registered model's name.
        version: Its version.
        alias: The alias under which it answered.
        prediction: The predicted class or number.
        scores: A number, a list with one for each class, or None.
        truth: The ground truth, or None.
        truth_at: When the truth was last reported, or None.
        shadow_of: The answered prediction that this one shadows, or None.
        inputs: The row as the model received it.
        latency_ms: From the request's arrival until the row was handed to the database.
    """

    prediction_id: str
    caller_id: str | None
    made_at: str
    model: str
    version: int
    alias: str
    prediction: Any
    scores: Any
    truth: Any
    truth_at: str | None
    shadow_of: str | None
    inputs: Any
    latency_ms: float


def newest(project: ProjectFolder, selection: Selection, limit: int) -> list[PredictionEntry]:
    """Return the newest predictions, the newest first.

    Raises:
        UsageError: There is no prediction of the model.
        MlpipesError: The stack is not running.
    """
    log = log_context.connect(project)
    if selection.model is not None:
        log.check_model(selection.model)
    return [_entry(row) for row in log.records.newest(selection, limit)]


def _entry(row: StoredPrediction) -> PredictionEntry:
    return PredictionEntry(
        prediction_id=row.prediction_id,
        caller_id=row.caller_id,
        made_at=row.made_at.isoformat(timespec="milliseconds"),
        model=row.model,
        version=row.version,
        alias=row.alias,
        prediction=json.loads(row.prediction),
        scores=None if row.scores is None else json.loads(row.scores),
        truth=None if row.truth is None else json.loads(row.truth),
        truth_at=None if row.truth_at is None else row.truth_at.isoformat(timespec="seconds"),
        shadow_of=row.shadow_of,
        inputs=json.loads(row.inputs),
        latency_ms=row.latency_ms,
    )
