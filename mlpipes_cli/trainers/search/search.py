"""Hyperparameter search for any trainer, by cross-validation or on validation rows.

The same search with the same seed runs the same trials and finds the same combination. There are two
exceptions: a time budget, since the number of trials depends on the machine's speed, and trainers that
are not deterministic themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mlpipes_cli.mlflow_tags import SEARCH_RESULTS
from mlpipes_cli.trainers.base import (
    Comparison,
    Fitted,
    Problem,
    Pruned,
    Trainer,
    Training,
    TrainingError,
    no_report,
)
from mlpipes_cli.trainers.search import spaces
from mlpipes_cli.trainers.search.folds import tuning
from mlpipes_cli.trainers.search.pruning import Median
from mlpipes_cli.trainers.search.spaces import Values
from mlpipes_cli.trainers.search.trials import Bench, Trial, TrialWatch, fit, refit

if TYPE_CHECKING:
    import pandas as pd

Keep = Callable[[Trial, str], None]


def search(trainer: Trainer, training: Training, keep: Keep, *, side_by_side: bool) -> Fitted | Comparison:
    """Search the space of ``training.spec["search"]``, then fit the best combination on all training rows.

    Args:
        keep: Called with each trial as it ends, and the name of the metric.
        side_by_side: Whether trials may run in parallel, within the training's threads.

    Raises:
        TrainingError: No combination could be fitted and scored.
    """
    wanted: Mapping[str, Any] = training.spec["search"]
    tuned, cuts = tuning(wanted, training)
    bench = Bench(
        trainer,
        replace(tuned, report=no_report),
        wanted.get("metric") or training.metric,
        cuts,
    )
    course = _Course(bench, wanted, training.seed, training.threads if side_by_side else 1)
    try:
        for trial in course.trials():
            keep(trial, bench.metric)
    finally:
        bench.close()
    best = course.best()
    made = fit(trainer, training, best.values)
    for fitted in made.models if isinstance(made, Comparison) else [made]:
        fitted.again = fitted.again or refit(trainer, best.values, fitted.name)
    assert best.mean is not None
    made.params = {
        **{f"best_{name}": value for name, value in best.values.items()},
        f"search_cv_{bench.metric}": best.mean,
        "search_trials": len(course.done),
        **made.params,
    }
    made.tables = {**made.tables, SEARCH_RESULTS: table(course.done, bench)}
    return made


def problems(trainer: Trainer, spec: Mapping[str, Any]) -> list[Problem]:
    """Return a trainer's problems with a search: check the run with one value of each param."""
    own = {(tuple(location), text) for location, text in trainer.check({**spec, "search": None})}
    found: list[Problem] = []
    for name, value in spaces.first(spec["search"]["space"]).items():
        params = {**(spec.get("params") or {}), name: value}
        for location, text in trainer.check({**spec, "params": params, "search": None}):
            if (tuple(location), text) not in own:
                found.append((("search", name), text))
    return found


@dataclass(eq=False)
class _Course:
    """The trials of a search, one after another or in parallel."""

    bench: Bench
    wanted: Mapping[str, Any]
    seed: int
    processes: int
    done: list[Trial] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def trials(self) -> Iterator[Trial]:
        guided = self.wanted.get("method") == "optuna"
        for trial in self._guided() if guided else self._listed():
            self.done.append(trial)
            yield trial

    def best(self) -> Trial:
        """Return the first of the trials with the best mean.

        Raises:
            TrainingError: No trial was finished.
        """
        finished = [trial for trial in self.done if trial.mean is not None]
        if not finished:
            last = self.done[-1].error if self.done else "there were no parameter values to try"
            raise TrainingError(f"every fit of the search failed: {last}")
        return max(finished, key=lambda trial: self.bench.sign * (trial.mean or 0.0))

    @property
    def _over(self) -> bool:
        """Whether the time budget is used up; never before a trial is finished."""
        seconds = self.wanted.get("seconds")
        if seconds is None or time.monotonic() - self.began < float(seconds):
            return False
        return any(trial.status == "finished" for trial in self.done)

    def _listed(self) -> Iterator[Trial]:
        space, method = self.wanted["space"], self.wanted.get("method") or "grid"
        tries = spaces.count(self.wanted)
        values = spaces.grid(space) if method == "grid" else spaces.drawn(space, tries, self.seed)

        def in_time() -> Iterator[tuple[int, Values]]:
            for number, combination in enumerate(values):
                if self._over:
                    return
                yield number, combination

        if self.processes > 1:
            yield from self.bench.together(in_time(), self.processes)
            return
        for number, combination in in_time():
            yield self.bench.trial(number, combination, self._clock())

    def _guided(self) -> Iterator[Trial]:
        """Run the combinations that Optuna suggests.

        A repeated suggestion gets the value of the earlier trial and is not a new one.
        """
        guide = spaces.Guided(self.wanted["space"], self.seed)
        median = Median(self.bench.metric) if self.wanted.get("pruning") == "median" else None
        known: dict[str, Trial] = {}
        for _ in range(int(self.wanted.get("iterations") or 20)):
            if self._over or len(known) == spaces.size(self.wanted["space"]):
                return
            number, values = guide.ask()
            trial = known.get(repr(values))
            if trial is None:
                trial = known[repr(values)] = self._one(len(known), values, median)
                yield trial
            value = None if trial.mean is None else self.bench.sign * trial.mean
            after = tuple(self.bench.sign * mean for mean in trial.means())
            guide.tell(number, value, stopped=trial.status == "pruned", after=after)

    def _one(self, number: int, values: Values, median: Median | None) -> Trial:
        if median is None:
            if self.processes > 1 and len(self.bench.folds) > 1:
                return next(self.bench.together([(number, values)], self.processes))
            return self.bench.trial(number, values, self._clock())
        watch = median.watch()
        trial = self.bench.trial(number, values, self._clock(watch))
        median.ended(trial, watch)
        return trial

    def _clock(self, watch: TrialWatch | None = None) -> _Clock:
        return _Clock(lambda: self._over, watch or TrialWatch())


@dataclass(eq=False)
class _Clock(TrialWatch):
    """Stops a trial when the time budget is used up; forwards to another watch first."""

    over: Callable[[], bool]
    before: TrialWatch

    def step(self, fold: int, step: int, metrics: Mapping[str, float]) -> None:
        self.before.step(fold, step, metrics)
        self._look()

    def fold(self, fold: int, mean: float) -> None:
        self.before.fold(fold, mean)
        self._look()

    def _look(self) -> None:
        if self.over():
            raise Pruned("the search ran out of time")


def table(trials: Sequence[Trial], bench: Bench) -> pd.DataFrame:
    """Return a table of the trials.

    A line has the params, the metric with its own sign on each fold, mean, standard deviation and rank.
    """
    import numpy as np
    import pandas as pd

    metric, size = bench.metric, len(bench.folds)
    names = list(dict.fromkeys(name for trial in trials for name in trial.values))
    lines = []
    for trial in trials:
        line: dict[str, Any] = {"trial": trial.number}
        line |= {f"param_{name}": _cell(trial.values.get(name)) for name in names}
        line |= {f"split{k}_{metric}": dict(enumerate(trial.folds)).get(k) for k in range(size)}
        line[f"mean_{metric}"] = trial.mean
        line[f"std_{metric}"] = float(np.std(trial.folds)) if trial.mean is not None else None
        lines.append(line)
    made = pd.DataFrame(lines)
    means = made[f"mean_{metric}"].astype(float)
    made[f"rank_{metric}"] = (-bench.sign * means).rank(method="min").astype("Int64")
    made["status"] = [trial.status for trial in trials]
    made["error"] = [trial.error for trial in trials]
    return made


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)
