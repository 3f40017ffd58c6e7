"""The decision about a promotion, with every number that it used. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from mlpipes_cli.lifecycle.promotion.rolled_back import RolledBackRun
from mlpipes_cli.ports import RunRecord

if TYPE_CHECKING:
    from mlpipes_cli.config.project import Gate
    from mlpipes_cli.scoring.compare import ModelComparison

Outcome = Literal["promoted", "would promote", "refused", "unchanged"]


@dataclass(frozen=True)
class GateResult:
    """A gate of ``mlpipes.yaml`` applied to the challenger's holdout metric.

    Attributes:
        metric: Its name.
        min: The least value that passes, or None.
        max: The greatest value that passes, or None.
        value: The challenger's; None if its run does not have the metric.
        passed: Whether the value passes.
    """

    metric: str
    min: float | None
    max: float | None
    value: float | None
    passed: bool

    def told(self) -> str:
        """Describe the value and the bounds."""
        bounds = [f"min {self.min:g}"] if self.min is not None else []
        bounds += [f"max {self.max:g}"] if self.max is not None else []
        value = "the run does not have it" if self.value is None else f"{self.value:.4f}"
        return f"{value} ({', '.join(bounds)})"


@dataclass(frozen=True)
class AliasHolder:
    """The version that holds the alias.

    Attributes:
        version: The registered version.
        run_id: Its run; empty if it was registered by other means.
        candidate: Its name in its experiment.
        experiment: Its experiment.
    """

    version: int
    run_id: str
    candidate: str = ""
    experiment: str = ""


@dataclass(frozen=True)
class Verdict:
    """A decision, carried out or (dry run) only shown.

    Attributes:
        outcome: promoted, would promote, refused, or unchanged (it holds the alias already).
        reason: Why, in one line.
        hint: What to do next, if it was refused because something is missing.
        model: The registered model.
        alias: The alias.
        experiment: The challenger's.
        candidate: The challenger's name in it.
        run_id: The challenger's run.
        metric: The metric that decided.
        value: The challenger's value, on its whole holdout.
        confidence: The confidence level of the comparison.
        min_improvement: The improvement that was required.
        candidates: The candidates on this holdout that the challenger was picked from.
        gates: The result of each gate.
        incumbent: The version that held the alias, or None.
        comparison: With the incumbent on the same rows; None without one, or if it was not possible.
        rows_left_out: Holdout rows that the incumbent was trained on.
        from_version: Where the alias pointed.
        to_version: Where it points after the promotion; None if no version was or would be reused.
        left_out: Runs that were skipped because files of theirs are gone.
        passed_over: Runs that were rolled back from the alias, and therefore not picked.
        from_project: The name of the project that the challenger comes from, if it is another one.
        origin_version: Its version there, as ``MODEL/VERSION``; ``run_id`` is its run there.
        copied_run: The copy of that run in the project of the alias; empty if it was not copied.
    """

    outcome: Outcome
    reason: str
    hint: str
    model: str
    alias: str
    experiment: str
    candidate: str
    run_id: str
    metric: str
    value: float
    confidence: float
    min_improvement: float
    candidates: int
    gates: tuple[GateResult, ...] = ()
    incumbent: AliasHolder | None = None
    comparison: ModelComparison | None = None
    rows_left_out: int = field(default=0)
    from_version: int | None = None
    to_version: int | None = None
    left_out: tuple[str, ...] = ()
    passed_over: tuple[RolledBackRun, ...] = ()
    from_project: str = ""
    origin_version: str = ""
    copied_run: str = ""


def check_gates(gates: Iterable[Gate], run: RunRecord) -> tuple[GateResult, ...]:
    """Apply every gate to the run's holdout metrics; a missing metric fails."""
    return tuple(_check(gate, run.metrics.get(gate.metric)) for gate in gates)


def _check(gate: Gate, value: float | None) -> GateResult:
    if value is None or not math.isfinite(value):
        return GateResult(gate.metric, gate.min, gate.max, None, False)
    above = gate.min is None or value >= gate.min
    below = gate.max is None or value <= gate.max
    return GateResult(gate.metric, gate.min, gate.max, value, above and below)


def failures(gates: Sequence[GateResult]) -> list[str]:
    """Return a clause for each gate that did not pass, and one for all that lack their metric."""
    lacking = list(dict.fromkeys(gate.metric for gate in gates if not gate.passed and gate.value is None))
    found = [_failure(gate) for gate in gates if not gate.passed and gate.value is not None]
    if not lacking:
        return found
    if len(lacking) == 1:
        told = f"the gate on {lacking[0]} cannot be checked: the run does not have that metric"
    else:
        names = f"{', '.join(lacking[:-1])} and {lacking[-1]}"
        told = f"the gates on {names} cannot be checked: the run does not have those metrics"
    return [*found, told]


def _failure(gate: GateResult) -> str:
    assert gate.value is not None
    if gate.min is not None and gate.value < gate.min:
        return f"{gate.metric} {gate.value:.6g} is below the gate's min {gate.min:g}"
    return f"{gate.metric} {gate.value:.6g} is above the gate's max {gate.max:g}"


def judge(
    gates: Sequence[GateResult],
    incumbent: AliasHolder | None,
    comparison: ModelComparison | None,
    obstacle: str = "",
    without_incumbent: str = "no version has the alias yet",
) -> tuple[bool, str]:
    """Return whether the challenger is to be promoted, and why.

    Args:
        gates: The results of all gates.
        incumbent: The version that holds the alias, or None.
        comparison: With the incumbent; None without one, or if there is an obstacle.
        obstacle: Why no comparison was possible.
        without_incumbent: Why there is no incumbent.
    """
    against = failures(gates)
    if obstacle:
        against.append(obstacle)
    elif incumbent is not None and (comparison is None or not comparison.better):
        against.append(comparison.reason if comparison else "there was no comparison with the incumbent")
    if against:
        return False, "; ".join(against)
    if incumbent is None or comparison is None:
        return True, f"all gates passed and {without_incumbent}" if gates else without_incumbent
    return True, comparison.reason
