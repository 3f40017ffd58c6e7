"""Finds mistakes in an experiment file before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlpipes_cli import metric_catalog
from mlpipes_cli.config.experiment import ExperimentConfig
from mlpipes_cli.config.runs import PythonRun, Run, SklearnRun
from mlpipes_cli.config.threshold import NONE, Threshold
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.suggest import did_you_mean
from mlpipes_cli.trainers.python.trainer import FILLED, POSITIONAL
from mlpipes_cli.trainers.source_code.signatures import CallSignature, Mistake, resolve
from mlpipes_cli.trainers.source_code.sources import Finder

_KINDS = {"binary": "binary", "multiclass": "of several classes", "regression": "a quantity"}


class RunChecks:
    """Compares the runs with the source code of what they name.

    Attributes:
        problems: A line for each mistake.
        unclear: Positions of the runs that only an import can check.
    """

    def __init__(self, source: YamlSource, finder: Finder) -> None:
        self._source, self._finder = source, finder
        self.problems: list[str] = []
        self.unclear: list[int] = []

    def run(self, position: int, run: Run) -> None:
        """Check one run."""
        here: Location = ("runs", position)
        if run.environment is not None:  # the modules that it names need not be installed here
            self.unclear.append(position)
            return
        if isinstance(run, PythonRun):
            self._function(position, here, run)
            return
        if not isinstance(run, SklearnRun):
            self.unclear.append(position)
            return
        clear, signature = self._estimator(here, run.estimator, run.params)
        if run.search is not None:
            clear = self._search(here, run, signature) and clear
        if not clear:
            self.unclear.append(position)

    def _function(self, position: int, here: Location, run: PythonRun) -> None:
        found = resolve(run.function, self._finder)
        if isinstance(found, Mistake):
            self._say((*here, "function"), found.text)
        elif not isinstance(found, CallSignature) or found.kind != "function":
            self.unclear.append(position)
        elif len(found.parameters) < POSITIONAL:
            self._say(
                (*here, "function"), f"{run.function} must accept the features and the target: (X, y, ...)"
            )
        else:
            known = found.parameters[POSITIONAL:]
            searched = run.search.space if run.search is not None else {}
            filled = {*FILLED, *found.parameters[:POSITIONAL], *searched}
            self._names(self._space(here), searched, known, found, run.function)
            if self._names((*here, "params"), run.params, known, found, run.function):
                self._required((*here, "params"), run.params, found, run.function, filled)

    def _estimator(
        self, here: Location, path: str, params: Mapping[str, Any]
    ) -> tuple[bool, CallSignature | None]:
        """Return whether path and params are known to fit, and the call signature of the path."""
        found = resolve(path, self._finder)
        clear = self._nested((*here, "params"), params)
        if isinstance(found, Mistake):
            self._say((*here, "estimator"), found.text)
            return clear, None
        if found is None or found.kind == "object":
            return False, found
        plain = {
            name: value for name, value in params.items() if "__" not in name or name in found.parameters
        }
        owner = path.rpartition(".")[2]
        if self._names((*here, "params"), plain, found.parameters, found, owner):
            self._required((*here, "params"), params, found, owner, set())
        return clear and len(plain) == len(params), found

    def _nested(self, here: Location, value: Any) -> bool:
        """Check the estimators inside params."""
        if isinstance(value, Mapping):
            inner = value.get("estimator")
            if len(here) > 3 and isinstance(inner, str) and set(value) <= {"estimator", "params"}:
                params = value.get("params", {})
                return self._estimator(here, inner, params if isinstance(params, Mapping) else {})[0]
            clear = [self._nested((*here, key), item) for key, item in value.items()]
            return all(clear)
        if isinstance(value, (list, tuple)):
            clear = [self._nested((*here, place), item) for place, item in enumerate(value)]
            return all(clear)
        return True

    def _search(self, here: Location, run: SklearnRun, signature: CallSignature | None) -> bool:
        assert run.search is not None
        place = self._space(here)
        clear = self._nested(place, run.search.space)
        if signature is None or signature.kind != "class" or signature.is_open:
            return False
        plain = {name: value for name, value in run.search.space.items() if "__" not in name}
        self._names(place, plain, signature.parameters, signature, run.estimator.rpartition(".")[2])
        return clear and len(plain) == len(run.search.space)

    def _space(self, here: Location) -> Location:
        """Return the location of a search's space; in the short form the search itself is the space."""
        place: Location = (*here, "search")
        return (*place, "space") if (*place, "space") in self._source.lines else place

    def _names(
        self,
        here: Location,
        given: Mapping[str, Any],
        known: Sequence[str],
        signature: CallSignature,
        owner: str,
    ) -> bool:
        """Return whether all names are known."""
        wrong = [] if signature.is_open else [name for name in given if name not in known]
        for name in wrong:
            listed = f"; it accepts {', '.join(known[:8])}" + (", ..." if len(known) > 8 else "")
            suggestion = did_you_mean(name, known) or (listed if known else "; it accepts no parameters")
            self._say((*here, name), f"{owner} does not accept {name!r}{suggestion}")
        return not wrong

    def _required(
        self, here: Location, given: Mapping[str, Any], signature: CallSignature, owner: str, filled: set[str]
    ) -> None:
        absent = [name for name in signature.required if name not in given and name not in filled]
        if absent:
            self._say(here, f"{owner} needs {', '.join(map(repr, absent))}")

    def _say(self, place: Location, text: str) -> None:
        self.problems.append(self._source.problem(place, text))


def check_runs(config: ExperimentConfig, source: YamlSource, folders: Sequence[str]) -> list[int]:
    """Check every run; return the positions of those that only an import can check.

    Raises:
        ConfigError: With one line for each mistake.
    """
    checks = RunChecks(source, Finder(folders))
    for position, run in enumerate(config.runs):
        checks.run(position, run)
        if position not in checks.unclear and config.threshold_of(run) is not None:
            checks.unclear.append(position)  # the class decides whether there are scores for a threshold
    if checks.problems:
        raise ConfigError(checks.problems)
    return checks.unclear


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
        source.problem(place, f"{name!r} does not apply to a {task} target{_instead(name, task)}")
        for place, name in wanted
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
    places: list[tuple[Location, Threshold | None]] = [(("threshold",), config.threshold)]
    places += [(("runs", position, "threshold"), run.threshold) for position, run in enumerate(config.runs)]
    text = f"a threshold needs a binary target, and this one is {_KINDS[task]}; remove `threshold`"
    problems = [source.problem(place, text) for place, found in places if found not in (None, NONE)]
    if problems and task != "binary":
        raise ConfigError(problems)


def _instead(name: str, task: Task) -> str:
    known = [metric.name for metric in metric_catalog.BY_TASK[task]]
    stem = name.removesuffix("_macro").removesuffix("_weighted")
    near = next((other for other in (f"{name}_macro", stem) if other in known), None)
    return f"; use {near!r}" if near else did_you_mean(name, known) or f"; use one of {', '.join(known)}"
