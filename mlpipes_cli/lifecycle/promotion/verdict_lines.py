"""A verdict as rows of a name and a value, for the terminal and for reports."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.promotion.verdict import Verdict
    from mlpipes_cli.scoring.compare import ModelComparison


def lines(verdict: Verdict) -> list[tuple[str, str]]:
    """Return the rows of a verdict, in the order in which they are shown."""
    holder = verdict.incumbent
    found = [
        ("experiment", verdict.experiment),
        ("challenger", f"{verdict.candidate} (run {verdict.run_id[:8]})"),
        *(
            [("from project", f"{verdict.from_project}, {verdict.origin_version}")]
            if verdict.from_project
            else []
        ),
        ("on its holdout", f"{verdict.metric} {number(verdict.value)}"),
        ("model", f"{verdict.model}, alias {verdict.alias}"),
        (
            "incumbent",
            f"version {holder.version} ({holder.candidate or 'run ' + holder.run_id[:8]})"
            if holder
            else "none",
        ),
    ]
    if verdict.comparison is not None:
        found += _of_comparison(verdict, verdict.comparison)
    for gate in verdict.gates:
        found.append((f"gate {gate.metric}", f"{gate.told()}: {'passed' if gate.passed else 'NOT passed'}"))
    target = str(verdict.to_version or "a new one")
    change = f"{version(verdict.from_version)} -> {target}"
    return [*found, ("version", change if verdict.outcome in {"promoted", "would promote"} else "stays")]


def _of_comparison(verdict: Verdict, found: ModelComparison) -> list[tuple[str, str]]:
    left_out, sure = verdict.rows_left_out, f"{verdict.confidence:.0%} confidence"
    least = (
        f"at least {found.lower:+.4f} at {sure}" if math.isfinite(found.lower) else "no certain improvement"
    )
    rows = f"{found.rows} compared, {left_out} left out (training rows of the incumbent)"
    return [
        ("rows", rows if left_out else f"{found.rows} compared"),
        (found.metric, f"challenger {number(found.challenger)}, incumbent {number(found.incumbent)}"),
        ("improvement", f"{found.difference:+.4f}, {least}"),
        ("p-value", f"{found.p_value:.4f}"),
        (
            "corrected for",
            f"{found.candidates} candidate{'s' if found.candidates != 1 else ''} on this holdout",
        ),
    ]


def number(value: float | None) -> str:
    """Return a metric with four decimals; an empty text for None."""
    return "" if value is None else f"{value:.4f}"


def version(number: int | None) -> str:
    """Return a version's number; ``-`` for None."""
    return "-" if number is None else str(number)
