"""Compile a fitted model into a predictor, if every part of it is supported."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from mlpipes_cli.scoring.score_reader import ScoreReader
from mlpipes_cli.server.compiled import forests, histograms, inputs, linear, steps, thresholds, trees
from mlpipes_cli.server.compiled.base import (
    Answer,
    Compiled,
    CompiledColumn,
    CompiledScores,
    Details,
    NotCompilable,
)
from mlpipes_cli.server.compiled.inputs import Rows

logger = logging.getLogger("mlpipes.server")
Maker = Callable[[Any, Details, bool], Answer]
_KNOWN: dict[type, Maker] = {**trees.KNOWN, **forests.KNOWN, **histograms.KNOWN, **linear.KNOWN}
_LIBRARIES = frozenset({"sklearn", "xgboost", "lightgbm", "catboost"})


def compile_model(native: Any, columns: Sequence[CompiledColumn], details: Details) -> Compiled | None:
    """Return a compiled predictor for a fitted model.

    The trees of a classification forest are rewritten in place; its answers stay the same.

    Args:
        native: The estimator, or a pipeline of our preprocessing and an estimator.
        columns: The signature's columns.
        details: The model's metadata from training (``task``, ``classes``, ``positive``).

    Returns:
        None if any part of the model is not supported; never raises.
    """
    try:
        if type(native) is Pipeline:
            return _after_preprocessing(native, columns, details)
        return _bare(native, columns, details)
    except NotCompilable as reason:
        logger.info("the model is not compiled: %s", str(reason))  # a record must not hold the frames
    except Exception as error:  # noqa: BLE001  private parts of scikit-learn may be gone, or pickles odd
        logger.info("the model is not compiled: %s: %s", type(error).__name__, str(error)[:200])
    return None


def _after_preprocessing(native: Pipeline, columns: Sequence[CompiledColumn], details: Details) -> Compiled:
    if len(native.steps) != 2:
        raise NotCompilable("the pipeline has steps that mlpipes did not make")
    step, estimator = native.steps[0][1], native.steps[1][1]
    transform = steps.compile_step(step, columns)

    def prepared(inner: Any) -> Answer:
        _fits(inner, list(step.names_out_))
        try:
            return _known(inner, details, raw=False)
        except NotCompilable:
            return _asked(inner, step.names_out_, details)

    answer = _labelled(estimator, prepared, details)
    return _refusing_none(lambda rows: answer(transform(rows)))


def _bare(native: Any, columns: Sequence[CompiledColumn], details: Details) -> Compiled:
    read = inputs.matrix(columns)

    def raw(inner: Any) -> Answer:
        _fits(inner, [column.name for column in columns])
        return _known(inner, details, raw=True)

    answer = _labelled(native, raw, details)
    return _refusing_none(lambda rows: answer(read(rows)))


def _labelled(estimator: Any, make: Callable[[Any], Answer], details: Details) -> Answer:
    """Return the answers of an estimator, or of the one inside a threshold model."""
    if thresholds.has_one(estimator):
        return thresholds.cut(make(estimator.estimator), estimator, details)
    return make(estimator)


def _refusing_none(answer: Compiled) -> Compiled:
    def ask(rows: Rows) -> CompiledScores:
        if not len(rows):
            raise ValueError("no rows")  # as scikit-learn does
        return answer(rows)

    return ask


def _known(estimator: Any, details: Details, raw: bool) -> Answer:
    maker = _KNOWN.get(type(estimator))
    if maker is None:
        raise NotCompilable(f"a {type(estimator).__name__} is not supported")
    return maker(estimator, details, raw)


def _asked(estimator: Any, names: pd.Index, details: Details) -> Answer:
    """Return the answers of any other estimator of a library, through the preprocessing's frame."""
    if type(estimator).__module__.partition(".")[0] not in _LIBRARIES:
        raise NotCompilable(f"a {type(estimator).__name__} is not supported")
    reader = ScoreReader.of(estimator, details)

    def answer(X: Any) -> CompiledScores:
        frame = pd.DataFrame(X, columns=names)
        predictions = np.asarray(estimator.predict(frame)).tolist()
        return CompiledScores(predictions, reader.read(frame) if reader else None)

    return answer


def _fits(estimator: Any, names: list[str]) -> None:
    """Check that the estimator takes these columns in this order, as it would itself."""
    own = getattr(estimator, "feature_names_in_", None)
    if own is not None and list(own) != names:
        raise NotCompilable("the estimator was trained on different columns")
    if getattr(estimator, "n_features_in_", len(names)) != len(names):
        raise NotCompilable("the estimator was trained on a different number of columns")
