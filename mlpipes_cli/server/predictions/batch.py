"""Prediction jobs, and the model's answers to several of them in one call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from mlpipes_cli.model_process.client import Away
from mlpipes_cli.model_process.output import ModelOutput
from mlpipes_cli.server.http.api_error import ApiError, bad_request, unavailable
from mlpipes_cli.server.models.served_model import ServedModel
from mlpipes_cli.server.predictions import stored_rows
from mlpipes_cli.server.predictions.stored_rows import RecordOrigin, StoredAnswer
from mlpipes_cli.server.requests import pictures
from mlpipes_cli.server.requests.request_decoder import Row

logger = logging.getLogger("mlpipes.server")

CANNOT_PREDICT = (
    "the model itself failed on these rows, although their columns and types are valid; "
    "compare their values with the training data (the log has the error type)"
)
NO_ROWS = "the request has no rows, and the model needs at least one"
Outcome = StoredAnswer | ApiError


class PredictionJob:
    """A request in progress: ``rows`` of the fast path, or ``data`` and ``params`` of the slow path.

    Args:
        model: The model for this request, chosen on arrival.
        count: Its number of rows.
        origin: The request's metadata for the stored rows.
        ids: The caller's identifiers, one per row, or None.
        rows: Values in the order of the model's columns, or None.
        data: The result of MLflow's enforcement, or None.
        params: Checked parameters.
        future: Resolved once the rows are stored; gets an ``ApiError`` if they are not.
        predicted: Whether the model has answered, and the rows are to be stored.
    """

    __slots__ = (
        "count",
        "data",
        "expires",
        "future",
        "ids",
        "model",
        "origin",
        "params",
        "predicted",
        "rows",
    )

    def __init__(
        self,
        model: ServedModel,
        count: int,
        origin: RecordOrigin,
        ids: list[Any] | None,
        future: asyncio.Future[StoredAnswer],
        *,
        rows: Sequence[Row] | None = None,
        data: Any = None,
        params: dict[str, Any] | None = None,
        expires: float = float("inf"),
    ) -> None:
        self.model, self.count, self.origin, self.ids, self.future = model, count, origin, ids, future
        self.rows, self.data, self.params, self.expires = rows, data, params, expires
        self.predicted = False

    def fail(self, error: ApiError) -> None:
        """Answer with an error, unless the client no longer waits."""
        if not self.future.done():
            self.future.set_exception(error)

    def deliver(self, answer: StoredAnswer) -> None:
        """Answer, unless the client no longer waits."""
        if not self.future.done():
            self.future.set_result(answer)


def grouped(jobs: Iterable[PredictionJob]) -> list[list[PredictionJob]]:
    """Group requests that may share a predict call: same model, form, columns and types, no parameters."""
    groups: dict[Any, list[PredictionJob]] = {}
    for job in jobs:
        key: Any = id(job)
        if job.model.merges:
            if job.rows is not None:
                gaps = () if job.model.shortcut is not None else job.model.gaps(job.rows)
                key = ("rows", id(job.model), gaps)
            elif not job.params and isinstance(job.data, pd.DataFrame) and len(job.data):
                key = (id(job.model), tuple(job.data.columns), tuple(job.data.dtypes))
        groups.setdefault(key, []).append(job)
    return list(groups.values())


def ask(group: Sequence[PredictionJob], retry_after: int = 1) -> list[Outcome]:
    """Return the answers to a group from one call; if that fails, ask for each request alone.

    If the model's process is not available, all get 503 with ``Retry-After`` of that many seconds.
    """
    try:
        return _ask_all(group)
    except Away as error:
        logger.info("%d requests were not answered: %s", len(group), error)
        not_ready = unavailable("the model's process is not responding; try again", retry_after)
        return [not_ready] * len(group)


def _ask_all(group: Sequence[PredictionJob]) -> list[Outcome]:
    if len(group) > 1:
        try:
            return _ask(group)
        except Away:
            raise
        except Exception as error:  # noqa: BLE001  one request causes it: ask for each alone
            logger.info("a shared predict call failed (%s)", type(error).__name__)
    return [_ask_alone(job) for job in group]


def _ask_alone(job: PredictionJob) -> Outcome:
    try:
        return _ask([job])[0]
    except _NotWritable as error:
        if isinstance(error.__cause__, RecursionError):
            return bad_request("the rows cannot be stored: they are nested too deeply")
        logger.exception("a prediction cannot be serialized")
        return ApiError(500, "INTERNAL_ERROR", "the model's answer cannot be serialized")
    except Away:
        raise
    except Exception as error:
        if not job.count:
            return bad_request(NO_ROWS)
        if problem := pictures.reason(job.data, job.model.pictures):
            return bad_request(problem)
        logger.warning("the model failed", exc_info=error)  # its message may quote rows: not written
        return bad_request(CANNOT_PREDICT)


class _NotWritable(Exception):
    """The model answered with values that cannot be stored."""


def _ask(group: Sequence[PredictionJob]) -> list[Outcome]:
    first = group[0]
    if first.rows is not None and first.model.shortcut is not None:
        return list(ask_shortcut(group))
    if first.rows is not None:
        data = first.model.frame([row for job in group for row in job.rows or ()])
    else:
        frames = [job.data for job in group]
        data = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    whole = first.model.predict(data, first.params)
    if len(group) > 1 and len(whole.raw) != len(data):
        raise ValueError("the model does not return one prediction per row")
    try:
        return [_part(job, data, whole, *bounds) for job, bounds in zip(group, _bounds(group), strict=True)]
    except Exception as error:
        raise _NotWritable from error


def ask_shortcut(group: Sequence[PredictionJob]) -> list[StoredAnswer]:
    """Return a compiled predictor's answers to fast-path requests, all for one model."""
    model = group[0].model
    assert model.shortcut is not None
    rows = group[0].rows if len(group) == 1 else [row for job in group for row in job.rows or ()]
    output = model.shortcut.ask(rows or ())
    found = []
    for job, (start, end) in zip(group, _bounds(group), strict=True):
        scores = None if output.scores is None else output.scores[start:end]
        found.append(
            stored_rows.of_rows(
                job.rows or (), output.predictions[start:end], scores, job.ids, model, job.origin
            )
        )
    return found


def _part(job: PredictionJob, data: Any, whole: ModelOutput, start: int, end: int) -> StoredAnswer:
    if job.rows is None and not isinstance(data, pd.DataFrame):
        return stored_rows.of_outcome(data, whole, job.ids, job.model, job.origin)
    if not hasattr(whole.raw, "__len__") or len(whole.raw) != len(data):
        return stored_rows.of_outcome(data, whole, job.ids, job.model, job.origin)
    raw = whole.raw.iloc[start:end] if hasattr(whole.raw, "iloc") else whole.raw[start:end]
    if job.rows is not None and (predictions := stored_rows.plain_list(raw)) is not None:
        scores = None if whole.scores is None else whole.scores[start:end]
        return stored_rows.of_rows(job.rows, predictions, scores, job.ids, job.model, job.origin)
    part = ModelOutput(raw, None if whole.scores is None else whole.scores[start:end])
    return stored_rows.of_outcome(data.iloc[start:end], part, job.ids, job.model, job.origin)


def _bounds(group: Sequence[PredictionJob]) -> list[tuple[int, int]]:
    """Return the start and end of each request's rows among all rows."""
    found, start = [], 0
    for job in group:
        found.append((start, start + job.count))
        start += job.count
    return found
