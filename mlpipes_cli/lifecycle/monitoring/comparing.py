"""Compares the rows of a window with the reference of their version: inputs, predictions and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mlpipes_cli.lifecycle.monitoring import frames, privacy
from mlpipes_cli.lifecycle.monitoring.outcomes import Outcomes
from mlpipes_cli.lifecycle.monitoring.result import Monitored

if TYPE_CHECKING:
    from mlpipes_cli.config.monitoring import Monitoring
    from mlpipes_cli.lifecycle.monitoring.frames import Gathered
    from mlpipes_cli.lifecycle.monitoring.reference import Reference
    from mlpipes_cli.lifecycle.monitoring.result import Window
    from mlpipes_cli.monitoring.performance_results import PerformanceCheck
    from mlpipes_cli.monitoring.results import ColumnCheck, Comparison
    from mlpipes_cli.ports import ModelVersion

NO_PREDICTIONS = "its predictions and scores are not compared: the run's holdout predictions are gone"


@dataclass(frozen=True)
class Found:
    """What a comparison found.

    Attributes:
        comparison: Of inputs, predictions and scores together.
        shown: The names of predictions and scores, by their names in the comparison.
        notes: What else to know, one line each.
    """

    comparison: Comparison
    shown: Mapping[str, str]
    notes: Sequence[str]


def compared(settings: Monitoring, known: Reference, gathered: Gathered, alpha: float) -> Found:
    """Compare the rows of a window with the reference.

    Args:
        settings: ``monitoring:`` of mlpipes.yaml.
        known: The reference.
        gathered: The rows.
        alpha: The probability of a false alarm of the whole comparison.
    """
    import pandas as pd

    from mlpipes_cli.monitoring.compare import compare
    from mlpipes_cli.monitoring.results import Options

    if not gathered.rows:
        return Found(_nothing(len(known.rows), alpha), {}, ())
    chosen = Options(
        alpha=alpha,
        min_effect=settings.min_effect,
        floors=settings.floors,
        ignore=settings.ignored,
        joint=settings.joint,
    )
    current, misfits = frames.typed(gathered.frame(), known.columns, known.formats)
    notes = [
        f"column {name!r}: {number} stored values are not of the model's type and count as missing"
        for name, number in misfits.items()
    ]
    left, outcomes = known.rows, None
    if known.predictions is not None:
        outcomes = Outcomes(left.columns.tolist(), known.predictions)
        left = pd.concat([left, pd.DataFrame(outcomes.reference(known.predictions))], axis=1)
        current = pd.concat([current, pd.DataFrame(outcomes.current(gathered, known.details))], axis=1)
    else:
        notes.append(NO_PREDICTIONS)
    kinds = None if outcomes is None else outcomes.kinds
    found = privacy.without_rare(compare(left, current, chosen, kinds=kinds))
    return Found(found, {} if outcomes is None else outcomes.shown, notes)


def result(
    found: Found, performance: PerformanceCheck | None, window: Window, *, version: ModelVersion, **about: Any
) -> Monitored:
    """Return the result of a check.

    Args:
        found: What the comparison found.
        performance: The performance, if there is any.
        window: The window.
        version: The version that was checked.
        about: The fields that say when and by whom.
    """
    comparison = found.comparison
    own = [column for column in comparison.columns if column.name in found.shown]
    named: dict[str, ColumnCheck] = {
        found.shown[column.name]: replace(column, name=found.shown[column.name]) for column in own
    }
    return Monitored(
        model=version.model,
        version=version.version,
        window=window,
        rows=comparison.rows,
        reference_rows=comparison.reference_rows,
        alarm=comparison.alarm or (performance is not None and performance.alarm),
        enough=comparison.enough or (performance is not None and performance.alarm),
        verdict=_verdict(comparison, performance),
        columns=tuple(column for column in comparison.columns if column.name not in found.shown),
        predictions={name: named[name] for name in found.shown.values() if name in named},
        joint=comparison.joint,
        performance=performance,
        notes=tuple(found.notes),
        **about,
    )


def _verdict(comparison: Comparison, performance: PerformanceCheck | None) -> str:
    """Return one sentence: the alarm of the performance first, since it matters most."""
    if performance is None:
        return comparison.verdict
    parts = [performance.verdict, comparison.verdict]
    return "; ".join(parts if performance.alarm else reversed(parts))


def _nothing(reference_rows: int, alpha: float) -> Comparison:
    from mlpipes_cli.monitoring.results import FEWEST_ROWS, Comparison
    from mlpipes_cli.monitoring.wording import too_few

    verdict = too_few(0, reference_rows, FEWEST_ROWS)
    return Comparison(0, reference_rows, alpha, False, False, (), None, verdict)
