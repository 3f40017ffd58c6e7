"""The one interface of all trainers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlpipes_cli.metric_catalog import Task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Problem = tuple[tuple[str | int, ...], str]  # a place in the run, and what is wrong there


class TrainingError(Exception):
    """The candidate cannot be trained; the text is one line for a person."""


class Pruned(Exception):
    """Raised by ``Training.report`` where a search has seen enough of this fit; let it pass."""


def no_report(step: int, metrics: Mapping[str, float]) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, eq=False)
class Training:
    """All that a trainer gets to see: training rows, never the holdout.

    Attributes:
        X: (n, features) raw features in canonical types; an image is the bytes of its file.
        y: (n,) labels, or float64 for regression.
        task: The kind of target.
        classes: Sorted labels, binary: (negative, positive); () for regression.
        metric: What decides the champion; a search maximises or minimises it.
        seed: For everything random.
        threads: How many the candidate may use.
        preprocess: ``auto`` or ``none``.
        spec: The run as the experiment file has it.
        scratch: An empty folder of this candidate's, gone afterwards.
        order_by: A feature in whose order time passes, where the split was made by it.
        images: Names of the features that are images.
        texts: Names of the features that are text because the experiment file says so.
        memory: Bytes that the candidate may hold, or None.
        report: ``report(step, metrics)`` keeps a value a step (an epoch, from 1) of some measures of the
            fit; may raise :class:`Pruned`.
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
    report: Callable[[int, Mapping[str, float]], None] = no_report


@dataclass(eq=False)
class Fitted:
    """A trained model.

    Attributes:
        model: Answers ``predict(X)`` for raw features, and, for classes, ``predict_proba(X)`` or
            ``decision_function(X)`` in the order of its ``classes_``; pickles by cloudpickle. What it is
            an instance of is installed where it is served, or stands in a module of
            ``mlpipes_cli.trainers.models``, whose code goes into the pickle.
        params: What was found or filled in, to be logged beside what the user wrote.
        tables: CSV files to keep with the run, by file name.
        files: Files and folders to keep with the run, by their name there.
        name: Which of several this is, in a :class:`Comparison`; part of its run's name.
        pins: What the model needs in order to be loaded, beside the packages that its parts come from:
            names of installed distributions, or ``name==version`` of one that may be missing here.
        again: Fits this very model on other rows; None where the trainer's ``fit`` does.
        out_of_fold: Binary (n,), the positive class's score of each training row by a model that did not
            see it, where the library has such scores anyway and the run has a threshold to be chosen.
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
    """Several models out of one run of the file, each of which becomes a run of its own under it.

    Attributes:
        models: The best first, each with a name that no other has.
        params: Of the run above them, to be logged beside what the user wrote.
        tables: CSV files to keep with it, by file name.
        files: Files and folders to keep with it, by their name there.
    """

    models: list[Fitted]
    params: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model says about rows.

    Attributes:
        prediction: (n,) labels out of the target's classes, or numbers.
        scores: Binary (n,), higher for the positive class; multiclass (n, classes) in the order
            of the classes; None for regression, and for a model that gives labels alone.
    """

    prediction: np.ndarray
    scores: np.ndarray | None


class Trainer(Protocol):
    """Makes a model out of training rows.

    A trainer is used in a process of its own, in the environment of its run; a search lets it fit there
    many times, one after another. The same training with the same versions gives the same model,
    whatever was fitted before. It never computes a metric that decides: it returns the
    model, and the scores of rows, in the same order, for the core to judge. What it cannot do it says
    with a :class:`TrainingError`; every other exception is taken for the estimator's or the user's.
    Whatever it starts, it ends; what it leaves behind is killed.
    """

    def check(self, spec: Mapping[str, Any]) -> list[Problem]:
        """What is wrong with a run, found by importing what it names: places in it, and why."""

    def fit(self, training: Training) -> Fitted | Comparison:
        """Train."""

    def answer(self, fitted: Fitted, X: pd.DataFrame, task: Task, classes: tuple[Any, ...]) -> Answers:
        """Predictions and scores for raw features."""
