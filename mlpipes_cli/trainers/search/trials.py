"""Evaluates a combination of a search: fits and scores it on each fold of the training rows.

The metrics are those of :mod:`mlpipes_cli.scoring`, the same as for the holdout.
"""

from __future__ import annotations

import itertools
import math
import random
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from mlpipes_cli import metric_catalog
from mlpipes_cli.trainers.base import Answers, Comparison, Fitted, Pruned, Trainer, Training, TrainingError
from mlpipes_cli.trainers.search.folds import Fold
from mlpipes_cli.trainers.search.spaces import Values

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    # X and y to fit on, X and y to validate on, weights and groups of the rows to fit on
    Rows = tuple[pd.DataFrame, pd.Series, pd.DataFrame, pd.Series, np.ndarray | None, np.ndarray | None]

_LONGEST = 500  # maximum characters of a reason


@dataclass
class Trial:
    """The result of a combination.

    Attributes:
        number: The number of the trial, from 0.
        values: The combination.
        status: finished, pruned (stopped early), failed.
        started: Seconds since 1970.
        ended: Seconds since 1970.
        folds: The metric on each fold that was fitted, with its own sign.
        times: When each of them was computed, seconds since 1970.
        error: Why it failed or was stopped, one line.
    """

    number: int
    values: Values
    status: Literal["finished", "pruned", "failed"] = "finished"
    started: float = 0.0
    ended: float = 0.0
    folds: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    error: str = ""

    @property
    def mean(self) -> float | None:
        """The mean over the folds, if all of them could be scored."""
        return sum(self.folds) / len(self.folds) if self.status == "finished" else None

    def means(self) -> tuple[float, ...]:
        """Return the mean so far after each fold."""
        return tuple(total / (k + 1) for k, total in enumerate(itertools.accumulate(self.folds)))


class TrialWatch:
    """Observes a trial's fits, and may stop it by raising :class:`Pruned`; this base class never does."""

    def step(self, fold: int, step: int, metrics: Mapping[str, float]) -> None:
        """Receive a step of a fold's fit that the trainer reported."""

    def fold(self, fold: int, mean: float) -> None:
        """Receive the mean of the metric after a scored fold."""


class Bench:
    """Evaluates combinations for one trainer and one training.

    Args:
        metric: The metric to compute.
        folds: The folds of the training rows.
    """

    def __init__(self, trainer: Trainer, training: Training, metric: str, folds: Sequence[Fold]) -> None:
        self._trainer, self._training = trainer, training
        self.metric, self.folds = metric, folds
        self.sign = 1.0 if metric_catalog.higher_is_better(metric) else -1.0
        self._rows: list[Rows] = []
        self._apart = False

    def trial(self, number: int, values: Values, watch: TrialWatch) -> Trial:
        """Fit and score one fold after the other."""
        trial = Trial(number, values, started=time.time())
        for k in range(len(self.folds)):
            try:
                value = self._fold(k, number, values, lambda s, m, k=k: watch.step(k, s, m))
                _add(trial, value, time.time())
                if k + 1 < len(self.folds):
                    watch.fold(k, trial.means()[-1])
            except Pruned as reason:
                trial.status, trial.error = "pruned", why(reason)
            except (Exception, SystemExit) as error:  # noqa: BLE001 (the user's code may raise anything)
                _log_failure(error, number)
                trial.status, trial.error = "failed", why(error)
            if trial.status != "finished":
                break
        trial.ended = time.time()
        return trial

    def close(self) -> None:
        """End the processes that folds were fitted in, if there were any."""
        if self._apart:
            from joblib.externals.loky import get_reusable_executor  # type: ignore[import-untyped]

            get_reusable_executor().shutdown(wait=True, kill_workers=True)

    def together(self, trials: Iterable[tuple[int, Values]], processes: int) -> Iterator[Trial]:
        """Fit and score several folds at a time, in processes of their own; yield the trials in order."""
        from joblib import Parallel, delayed  # type: ignore[import-untyped]

        self._apart = True
        waiting: list[tuple[int, Values]] = []

        def tasks() -> Iterator[Any]:
            for number, values in trials:
                waiting.append((number, values))
                for k in range(len(self.folds)):
                    yield delayed(_alone)(
                        self._trainer, self._training, self.metric, self.folds[k], number, values
                    )

        done = Parallel(n_jobs=processes, return_as="generator")(tasks())
        while found := list(itertools.islice(done, len(self.folds))):
            trial = Trial(*waiting.pop(0), started=min(began for _, _, began, _ in found))
            for value, error, _, ended in found:
                trial.ended = max(trial.ended, ended)
                if error:
                    trial.status, trial.error = "failed", trial.error or error
                elif trial.status == "finished":
                    _add(trial, value, ended)
            yield trial

    def _fold(self, k: int, number: int, values: Values, report: Callable[..., None]) -> float:
        if not self._rows:
            self._rows = [cut(self._training, fold) for fold in self.folds]
        return judged(
            self._trainer, self._training, self.metric, self._rows[k], f"{number}-{k}", values, report
        )


def judged(
    trainer: Trainer,
    training: Training,
    metric: str,
    rows: Rows,
    name: str,
    values: Values,
    report: Callable[..., None],
) -> float:
    """Fit a combination on some rows and return the metric of its predictions for others.

    Raises:
        TrainingError: The metric is not defined for the predictions.
    """
    settings = replace(training, report=report)
    answers = asked(trainer, settings, rows, f"trial-{name}", refit(trainer, values, ""))
    return measure(answers, rows[3], training, metric)


def asked(
    trainer: Trainer, training: Training, rows: Rows, name: str, make: Callable[[Training], Fitted]
) -> Answers:
    """Fit a model on some rows and return its predictions for others, in a scratch folder of that name."""
    X, y, others, _, weights, groups = rows
    scratch = training.scratch / name
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        made = make(replace(training, X=X, y=y, weights=weights, groups=groups, scratch=scratch))
        return trainer.answer(made, others, training.task, training.classes)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def refit(trainer: Trainer, values: Values, name: str) -> Callable[[Training], Fitted]:
    """Return a fit function for a combination; of several models it returns the named one, else the best."""

    def again(training: Training) -> Fitted:
        made = fit(trainer, training, values)
        several = made.models if isinstance(made, Comparison) else [made]
        return next((fitted for fitted in several if fitted.name == name), several[0])

    return again


def fit(trainer: Trainer, training: Training, values: Values) -> Fitted | Comparison:
    """Fit with a combination that overrides the run's own params."""
    import numpy as np

    random.seed(training.seed)
    np.random.seed(training.seed)  # the random generator of users' code
    spec = {name: value for name, value in training.spec.items() if name != "search"}
    spec["params"] = {**(spec.get("params") or {}), **values}
    return trainer.fit(replace(training, spec=spec))


def measure(answers: Answers, truth: pd.Series, training: Training, metric: str) -> float:
    """Compute the metric of predictions.

    If the run has a threshold, the labels come from the best threshold of its rule on these same rows:
    what the combination could reach, with the same advantage for all.

    Raises:
        TrainingError: The metric is not defined for them.
    """
    import numpy as np

    from mlpipes_cli.scoring.metrics import scorer
    from mlpipes_cli.scoring.predictions import Predictions

    rows = len(truth)
    predictions = Predictions(
        training.task,
        training.classes,
        truth.to_numpy(),
        answers.scores,
        _labels(answers, truth, training),
        np.arange(rows),
    )
    found = scorer(predictions, [metric]).values(np.ones((1, rows))).get(metric)
    value = math.nan if found is None else float(found[0])
    if not math.isfinite(value):
        raise TrainingError(f"{metric} is not defined for the predictions on a fold")
    return value


def _labels(answers: Answers, truth: pd.Series, training: Training) -> np.ndarray:
    from mlpipes_cli.scoring import thresholds

    rule, scores = training.spec.get("threshold"), answers.scores
    if rule is None or scores is None:
        return answers.prediction
    threshold = thresholds.choose(rule, (truth == training.classes[1]).to_numpy(), scores)
    return thresholds.at(threshold, scores, training.classes)


def why(error: BaseException) -> str:
    """Describe an exception in one line."""
    text = next((part.strip() for part in str(error).splitlines() if part.strip()), "")
    if isinstance(error, (TrainingError, Pruned)):
        return text[:_LONGEST]
    if isinstance(error, SystemExit):
        return f"the code called sys.exit({error.code!r})"
    return f"{type(error).__name__}: {text}".removesuffix(": ")[:_LONGEST]


def _alone(
    trainer: Trainer, training: Training, metric: str, fold: Fold, number: int, values: Values
) -> tuple[float, str, float, float]:
    """Return a fold's value, the error if any, start and end; runs in a process of its own."""
    began = time.time()
    try:
        rows = cut(training, fold)
        value = judged(trainer, training, metric, rows, f"{number}-{fold.fit[0]}", values, training.report)
    except (Exception, SystemExit) as error:  # noqa: BLE001 (the user's code may raise anything)
        _log_failure(error, number)
        return math.nan, why(error), began, time.time()
    return value, "", began, time.time()


def _log_failure(error: BaseException, number: int) -> None:
    sys.stderr.write(f"trial {number} failed: {why(error)}\n")
    if not isinstance(error, TrainingError):
        traceback.print_exc()


def _add(trial: Trial, value: float, when: float) -> None:
    trial.folds.append(value)
    trial.times.append(when)


def cut(training: Training, fold: Fold) -> Rows:
    """Return the rows of a fold, numbered from 0."""
    X, y = training.X, training.y
    return (
        X.iloc[fold.fit].reset_index(drop=True),
        y.iloc[fold.fit].reset_index(drop=True),
        X.iloc[fold.judge].reset_index(drop=True),
        y.iloc[fold.judge].reset_index(drop=True),
        None if training.weights is None else training.weights[fold.fit],
        None if training.groups is None else training.groups[fold.fit],
    )
