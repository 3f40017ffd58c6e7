"""Generates the combinations that a search tries: a whole grid, random ones, or Optuna's suggestions.

A space is a mapping of params to lists of values or to ``{uniform|loguniform|integers: [low, high]}``,
bounds included. A combination is a value for each param, as in the experiment file.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Space = Mapping[str, Any]
Values = dict[str, Any]


def size(space: Space) -> int | None:
    """Return the number of combinations; None if a param has a distribution."""
    if any(isinstance(values, Mapping) for values in space.values()):
        return None
    return math.prod(len(values) for values in space.values())


def count(wanted: Mapping[str, Any]) -> int:
    """Return the maximum number of trials of a ``search`` in an experiment file."""
    whole = size(wanted["space"])
    if (wanted.get("method") or "grid") == "grid":
        return whole or 0
    tries = int(wanted.get("iterations") or 20)
    return tries if whole is None else min(tries, whole)


def first(space: Space) -> Values:
    """Return one combination of the space, to check its names."""
    return {name: _first(values) for name, values in space.items()}


def grid(space: Space) -> Iterator[Values]:
    """Yield every combination; the params are in alphabetical order, and the last one varies fastest."""
    names = sorted(space)
    for values in itertools.product(*(space[name] for name in names)):
        yield dict(zip(names, values, strict=True))


def drawn(space: Space, tries: int, seed: int) -> Iterator[Values]:
    """Yield random combinations: without repetition if all params have lists, else with."""
    import numpy as np

    rng = np.random.default_rng(seed)
    names = sorted(space)
    whole = size(space)
    if whole is None:
        for _ in range(tries):
            yield {name: _draw(space[name], rng) for name in names}
        return
    for position in _some_of(whole, min(tries, whole), rng):
        yield _at(space, names, position)


def _first(values: Any) -> Any:
    if not isinstance(values, Mapping):
        return values[0]
    kind, (low, _) = next(iter(values.items()))
    return math.ceil(low) if kind == "integers" else float(low)


def _draw(values: Any, rng: np.random.Generator) -> Any:
    if not isinstance(values, Mapping):
        return values[int(rng.integers(len(values)))]
    kind, (low, high) = next(iter(values.items()))
    if kind == "integers":
        return int(rng.integers(math.ceil(low), math.floor(high) + 1))
    if kind == "loguniform":
        return min(max(math.exp(rng.uniform(math.log(low), math.log(high))), low), high)
    return float(rng.uniform(low, high))


def _some_of(whole: int, tries: int, rng: np.random.Generator) -> Iterator[int]:
    """Yield distinct random numbers below ``whole``, which may be large."""
    if tries * 2 >= whole:
        yield from (int(position) for position in rng.permutation(whole)[:tries])
        return
    seen: set[int] = set()
    while len(seen) < tries:
        position = int(rng.integers(whole))
        if position not in seen:
            seen.add(position)
            yield position


def _at(space: Space, names: list[str], position: int) -> Values:
    found = {}
    for name in reversed(names):
        position, index = divmod(position, len(space[name]))
        found[name] = space[name][index]
    return {name: found[name] for name in names}


class Guided:
    """Optuna's TPE sampler, one combination at a time.

    Source: Bergstra et al., Algorithms for Hyper-Parameter Optimization (2011), as in ``optuna``, with
    its own settings; the first ten combinations are drawn at random.

    Args:
        space: The search space.
        seed: The same seed gives the same combinations for the same values.
    """

    def __init__(self, space: Space, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._seen = space, dict[int, Any]()
        self._study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed), direction="maximize")

    def ask(self) -> tuple[int, Values]:
        """Return the number and the values of the next combination."""
        trial = self._study.ask()
        self._seen[trial.number] = trial
        names = sorted(self._space)
        return trial.number, {name: self._suggested(trial, name) for name in names}

    def tell(self, number: int, value: float | None, *, stopped: bool, after: tuple[float, ...]) -> None:
        """Report the result of a combination; larger is better.

        Args:
            number: The number of the combination.
            value: The value; None if the trial was stopped or failed.
            stopped: Whether the trial was stopped.
            after: The mean so far after each fitted fold.
        """
        from optuna.trial import TrialState

        trial = self._seen.pop(number)
        if value is not None:
            self._study.tell(trial, value)
        elif stopped:
            for fold, mean in enumerate(after):
                trial.report(mean, fold)
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            self._study.tell(trial, state=TrialState.FAIL)

    def _suggested(self, trial: Any, name: str) -> Any:
        values = self._space[name]
        if not isinstance(values, Mapping):  # by position: a value may be a list or an estimator
            return values[trial.suggest_categorical(name, list(range(len(values))))]
        kind, (low, high) = next(iter(values.items()))
        if kind == "integers":
            return int(trial.suggest_int(name, math.ceil(low), math.floor(high)))
        return float(trial.suggest_float(name, low, high, log=kind == "loguniform"))
