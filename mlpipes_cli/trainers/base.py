"""The interface of all trainers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlpipes_cli.metric_catalog import Task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Problem = tuple[tuple[str | int, ...], str]  # a location in the run, and the problem


class TrainingError(Exception):
    """The candidate cannot be trained; the text is a one-line message."""


class Pruned(Exception):
    """Raised by ``Training.report`` when a search stops this fit early; do not catch it."""


def no_report(step: int, metrics: Mapping[str, float]) -> None:
    """Ignore the report."""


@dataclass(frozen=True, eq=False)
class ValidationRows:
    """Rows that a candidate is tuned on and stopped early by, but not fitted on.

    Attributes:
        X: (m, features) raw features, as those of the training rows.
        y: (m,) labels, or float64 for regression.
    """

    X: pd.DataFrame
    y: pd.Series


@dataclass(frozen=True, eq=False)
class Training:
    """The input of a trainer: training rows, never the holdout.

    Attributes:
        X: (n, features) raw features in canonical types; an image is the bytes of its file.
        y: (n,) labels, or float64 for regression.
        task: The kind of target.
        classes: Sorted labels, binary: (negative, positive); () for regression.
        metric: The metric that selects the champion; a search maximises or minimises it.
        seed: The seed for all random numbers.
        threads: The number of threads that the candidate may use.
        preprocess: ``auto`` or ``none``.
        spec: The run's entry in the experiment file.
        scratch: An empty folder for this candidate, removed afterwards.
        order_by: The feature that orders the rows in time, if the split uses one.
        images: Names of the features that are images.
        texts: Names of the features that the experiment file declares as text.
        memory: Bytes that the candidate may hold, or None.
        validation: The validation rows of a data set, or None: then a trainer that needs some takes them from
            the training rows.
        weights: (n,) weights of the rows for the fit, or None.
        groups: (n,) the number of each row's group, which no fold divides, or None.
        report: ``report(step, metrics)`` records metrics of a step of the fit (an epoch, from 1);
            it may raise :class:`Pruned`.
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
    scratch: Path
    order_by: str | None = None
    images: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    memory: int | None = None
    validation: ValidationRows | None = None
    weights: np.ndarray | None = None
    groups: np.ndarray | None = None
    report: Callable[[int, Mapping[str, float]], None] = no_report


@dataclass(eq=False)
class Fitted:
    """A trained model.

    Attributes:
        model: Has ``predict(X)`` for raw features, and, for classes, ``predict_proba(X)`` or
            ``decision_function(X)`` in the order of its ``classes_``; cloudpickle can pickle it. Its class
            is installed where it is served, or defined in a module of
            ``mlpipes_cli.trainers.models``, whose code goes into the pickle.
        params: Params that the fit found or filled in, to be logged beside the user's.
        tables: CSV files to keep with the run, by file name.
        files: Files and folders to keep with the run, by their name there.
        name: Its name among the models of a :class:`Comparison`; part of its run's name.
        pins: Requirements for loading the model, beside the packages that define its parts:
            names of installed distributions, or ``name==version`` of one that may not be installed.
        again: Fits the same model on other rows; None if the trainer's ``fit`` does.
        out_of_fold: Binary (n,), the positive class's score of each training row by a model that did not
            see it, if the library computes such scores anyway and the run needs a threshold.
    """

    model: Any
    params: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    name: str = ""
    pins: tuple[str, ...] = ()
    again: Callable[[Training], Fitted] | None = None
    out_of_fold: np.ndarray | None = None


@dataclass(eq=False)
class Comparison:
    """Several models from one run of the file, each of which becomes a child run.

    Attributes:
        models: The models, the best first, each with a unique name.
        params: Params of the parent run, to be logged beside the user's.
        tables: CSV files to keep with the parent run, by file name.
        files: Files and folders to keep with the parent run, by their name there.
    """

    models: list[Fitted]
    params: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Answers:
    """A model's predictions for rows.

    Attributes:
        prediction: (n,) labels out of the target's classes, or numbers.
        scores: Binary (n,), higher for the positive class; multiclass (n, classes) in the order
            of the classes; None for regression, and for a model without scores.
    """

    prediction: np.ndarray
    scores: np.ndarray | None


class Trainer(Protocol):
    """Fits a model on training rows.

    A trainer that gives the weights of the rows to its fit says so by ``weights=True`` of its definition, or,
    without a definition, by ``takes_weights = True`` of the class; a run of another one is refused where rows
    have weights.

    A trainer runs in a process of its own, in the environment of its run; a search calls its ``fit`` many
    times in the same process. The same training with the same versions gives the same model, regardless of
    earlier fits. A trainer never computes a metric that selects models: it returns the model, and predictions
    for rows in the same order, which mlpipes evaluates. It reports what it cannot do with a
    :class:`TrainingError`; any other exception counts as an error of the estimator or of the user's code. It
    ends the processes that it starts; any that remain are killed.
    """

    def check(self, spec: Mapping[str, Any]) -> list[Problem]:
        """Return the problems of a run, found by importing what it names: locations in it, and messages."""

    def fit(self, training: Training) -> Fitted | Comparison:
        """Fit the model."""

    def answer(self, fitted: Fitted, X: pd.DataFrame, task: Task, classes: tuple[Any, ...]) -> Answers:
        """Return predictions and scores for raw features."""
