"""The one interface of all trainers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from mlpipes_cli.metric_catalog import Task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class TrainingError(Exception):
    """The candidate cannot be trained; the text is one line for a person."""


@dataclass(frozen=True, eq=False)
class Training:
    """All that a trainer gets to see: training rows, never the holdout.

    Attributes:
        X: (n, features) raw features in canonical types.
        y: (n,) labels, or float64 for regression.
        task: The kind of target.
        classes: Sorted labels, binary: (negative, positive); () for regression.
        metric: What decides the champion; a search maximises or minimises it.
        seed: For everything random.
        threads: How many the candidate may use.
        preprocess: ``auto`` or ``none``.
        spec: The run as the experiment file has it.
        order_by: A feature in whose order time passes, where the split was made by it.
    """

    X: pd.DataFrame
    y: pd.Series
    task: Task
    classes: tuple[Any, ...]
    metric: str
    seed: int
    threads: int
    preprocess: str
    spec: Mapping[str, Any]
    order_by: str | None = None


@dataclass(eq=False)
class Fitted:
    """A trained candidate.

    Attributes:
        model: Answers ``predict(X)`` for raw features; pickles by cloudpickle.
        params: What was found or filled in, to be logged beside what the user wrote.
        tables: CSV files to keep with the run, by file name.
    """

    model: Any
    params: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model says about rows.

    Attributes:
        prediction: (n,) labels out of the target's classes, or numbers.
        scores: Binary (n,), higher for the positive class; multiclass (n, classes) in the order
            of the classes; None for regression.
    """

    prediction: np.ndarray
    scores: np.ndarray | None


class Trainer(Protocol):
    """Makes a model out of training rows.

    A trainer is used in a process of its own, once. The same training with the same versions
    gives the same model. It never computes a metric that decides: it returns the model, and the
    scores of rows, in the same order, for the core to judge. What it cannot do it says with a
    :class:`TrainingError`; every other exception is taken for the estimator's or the user's.
    """

    def check(self, spec: Mapping[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
        """What is wrong with a run, found by importing what it names: places in it, and why."""

    def fit(self, training: Training) -> Fitted:
        """Train."""

    def answer(self, fitted: Fitted, X: pd.DataFrame, task: Task, classes: tuple[Any, ...]) -> Answers:
        """Predictions and scores for raw features."""
