"""Finds mistakes in an experiment file before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Sequence

from mlpipes_cli import metric_catalog, trainer_registry
from mlpipes_cli.config.experiment import ExperimentConfig
from mlpipes_cli.config.runs import Run
from mlpipes_cli.config.threshold import NONE, Threshold
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.suggest import did_you_mean
from mlpipes_cli.trainers.fit_arguments import NO_WEIGHTS
from mlpipes_cli.trainers.source_code.run_checks import SourceChecks
from mlpipes_cli.trainers.source_code.sources import Finder

_KINDS = {"binary": "binary", "multiclass": "of several classes", "regression": "a quantity"}


def check_runs(config: ExperimentConfig, source: YamlSource, folders: Sequence[str]) -> list[int]:
    """Check every run; return the positions of those that only an import can check.

    Raises:
        ConfigError: With one line for each mistake.
    """
    checks = SourceChecks(source, Finder(folders))
    unclear = [
        position
        for position, run in enumerate(config.runs)
        if not _is_clear(run, ("runs", position), checks)
        or config.threshold_of(run) is not None  # the class decides whether there are scores for a threshold
    ]
    if checks.problems:
        raise ConfigError(checks.problems)
    return unclear


def _is_clear(run: Run, here: Location, checks: SourceChecks) -> bool:
    """Return whether the source code of what the run names is conclusive; its mistakes are in ``checks``."""
    check = trainer_registry.definition(run.trainer).source_check
    if run.environment is not None or not check:
        return False  # what it names need not be installed here, or nothing can read it
    return bool(trainer_registry.load(check)(run, here, checks))


def check_metrics(config: ExperimentConfig, source: YamlSource, task: Task) -> str:
    """Return the metric that decides; it and those of searches have to fit the kind of target.

    Raises:
        ConfigError: One of them does not.
    """
    wanted: list[tuple[Location, str]] = []
    if config.metric is not None:
        wanted.append((("metric",), config.metric))
    for position, run in enumerate(config.runs):
        if run.search is not None and run.search.metric is not None:
            wanted.append((("runs", position, "search", "metric"), run.search.metric))
    problems = [
        source.problem(location, f"{name!r} does not apply to a {task} target{_instead(name, task)}")
        for location, name in wanted
        if metric_catalog.find(task, name) is None
    ]
    if problems:
        raise ConfigError(problems)
    return config.metric or metric_catalog.DEFAULT[task]


def check_thresholds(config: ExperimentConfig, source: YamlSource, task: Task) -> None:
    """Check that thresholds are used only with the one score of a binary target.

    Raises:
        ConfigError: There is a threshold, and the target is of another kind.
    """
    locations: list[tuple[Location, Threshold | None]] = [(("threshold",), config.threshold)]
    locations += [
        (("runs", position, "threshold"), run.threshold) for position, run in enumerate(config.runs)
    ]
    text = f"a threshold needs a binary target, and this one is {_KINDS[task]}; remove `threshold`"
    problems = [source.problem(location, text) for location, found in locations if found not in (None, NONE)]
    if problems and task != "binary":
        raise ConfigError(problems)


def check_weights(
    config: ExperimentConfig, source: YamlSource, only: Sequence[str], folders: Sequence[str]
) -> None:
    """Check that each run to train gives the weights of the rows to its fit.

    What the source code does not show is left to the fit, which fails then.

    Raises:
        ConfigError: With one line for each run that does not.
    """
    finder, problems = Finder(folders), []
    for position, run in enumerate(config.runs):
        if only and run.name not in only:
            continue
        found = trainer_registry.definition(run.trainer)
        problem = None
        if not found.weights:
            problem = f"{run.name}: the trainer {run.trainer} does not support weights; {NO_WEIGHTS}"
        elif found.weights_check and run.environment is None:
            problem = trainer_registry.load(found.weights_check)(run, finder)
            problem = problem and f"{run.name}: {problem}"
        if problem:
            problems.append(source.problem(("runs", position, "trainer"), problem))
    if problems:
        raise ConfigError(problems)


def _instead(name: str, task: Task) -> str:
    known = [metric.name for metric in metric_catalog.BY_TASK[task]]
    stem = name.removesuffix("_macro").removesuffix("_weighted")
    near = next((other for other in (f"{name}_macro", stem) if other in known), None)
    return f"; use {near!r}" if near else did_you_mean(name, known) or f"; use one of {', '.join(known)}"
