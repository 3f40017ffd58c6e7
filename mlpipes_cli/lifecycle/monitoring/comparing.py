"""Compares the rows of a window with the reference of their version: inputs, predictions and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mlpipes_cli.lifecycle.monitoring import frames, privacy
from mlpipes_cli.lifecycle.monitoring.outcomes import Outcomes
from mlpipes_cli.lifecycle.monitoring.result import CheckedWindow, Monitored

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.config.monitoring import Monitoring
    from mlpipes_cli.lifecycle.monitoring.frames import Gathered
    from mlpipes_cli.lifecycle.monitoring.reference import Reference
    from mlpipes_cli.lifecycle.monitoring.result import Window
    from mlpipes_cli.monitoring.performance_results import PerformanceCheck
    from mlpipes_cli.monitoring.results import ColumnCheck, Comparison
    from mlpipes_cli.monitoring.series import SeriesCheck
    from mlpipes_cli.ports import ModelVersion

NO_PREDICTIONS = "its predictions and scores are not compared: the run's holdout predictions are gone"


@dataclass(frozen=True)
class Found:
    """What a comparison found.

    Attributes:
        series: Of inputs, predictions and scores together, in each window.
        shown: The names of predictions and scores, by their names in the comparison.
        notes: What else to know, one line each.
    """

    series: SeriesCheck
    shown: Mapping[str, str]
    notes: Sequence[str]

    def names(self, comparison: Comparison) -> tuple[str, ...]:
        """Return what alarms in a comparison, by the names that are shown."""
        return tuple(
            self.shown.get(column.name, column.name) for column in comparison.columns if column.alarm
        )


def compared(settings: Monitoring, known: Reference, windows: Mapping[int, Gathered], alpha: float) -> Found:
    """Compare the rows of each window with the reference.

    Args:
        settings: ``monitoring:`` of mlpipes.yaml.
        known: The reference.
        windows: The rows of each window, by its number of periods.
        alpha: The probability of a false alarm of all windows together.
    """
    import pandas as pd

    from mlpipes_cli.monitoring.results import Options
    from mlpipes_cli.monitoring.series import SeriesCheck, checked, compare_windows

    if not any(gathered.rows for gathered in windows.values()):
        nothing = _nothing(len(known.rows), alpha / len(windows))
        return Found(checked(dict.fromkeys(windows, nothing)), {}, ())
    chosen = Options(
        alpha=alpha,
        min_effect=settings.min_effect,
        floors=settings.floors,
        ignore=settings.ignored,
        joint=settings.joint,
    )
    left, outcomes, notes = known.rows, None, []
    if known.predictions is not None:
        outcomes = Outcomes(left.columns.tolist(), known.predictions)
        left = pd.concat([left, pd.DataFrame(outcomes.reference(known.predictions))], axis=1)
    else:
        notes.append(NO_PREDICTIONS)
    frames_of: dict[int, pd.DataFrame] = {}  # by the identity of the rows, which windows may share
    misfits: dict[str, int] = {}
    for gathered in windows.values():
        if id(gathered) not in frames_of:
            frames_of[id(gathered)], wrong = _current(known, gathered, outcomes)
            misfits |= {name: max(number, misfits.get(name, 0)) for name, number in wrong.items()}
    notes[:0] = [
        f"column {name!r}: {number} stored values are not of the model's type and count as missing"
        for name, number in misfits.items()
    ]
    made = compare_windows(
        left,
        {periods: frames_of[id(gathered)] for periods, gathered in windows.items()},
        chosen,
        kinds=None if outcomes is None else outcomes.kinds,
    )
    series = SeriesCheck(
        made.alarm, made.enough, made.alpha, made.window,
        {periods: privacy.without_rare(comparison) for periods, comparison in made.windows.items()},
    )  # fmt: skip
    return Found(series, {} if outcomes is None else outcomes.shown, notes)


def _current(
    known: Reference, gathered: Gathered, outcomes: Outcomes | None
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the rows of a window as the reference has them, and how many values do not fit, by column."""
    import pandas as pd

    current, misfits = frames.typed(gathered.frame(), known.columns, known.formats)
    if outcomes is not None:
        current = pd.concat([current, pd.DataFrame(outcomes.current(gathered, known.details))], axis=1)
    return current, misfits


def result(
    found: Found,
    performance: PerformanceCheck | None,
    windows: Mapping[int, Window],
    *,
    version: ModelVersion,
    **about: Any,
) -> Monitored:
    """Return the result of a check.

    Args:
        found: What the comparison found.
        performance: The performance, if there is any.
        windows: The windows, by their number of periods.
        version: The version that was checked.
        about: The fields that say when and by whom.
    """
    comparison, several = found.series.reported, len(windows) > 1
    own = [column for column in comparison.columns if column.name in found.shown]
    named: dict[str, ColumnCheck] = {
        found.shown[column.name]: replace(column, name=found.shown[column.name]) for column in own
    }
    return Monitored(
        model=version.model,
        version=version.version,
        window=windows[found.series.window],
        rows=comparison.rows,
        reference_rows=comparison.reference_rows,
        alarm=found.series.alarm or (performance is not None and performance.alarm),
        enough=found.series.enough or (performance is not None and performance.alarm),
        verdict=_verdict(comparison, performance),
        windows=_each(found, windows) if several else (),
        columns=tuple(column for column in comparison.columns if column.name not in found.shown),
        predictions={name: named[name] for name in found.shown.values() if name in named},
        joint=comparison.joint,
        performance=performance,
        notes=tuple(found.notes),
        **about,
    )


def _each(found: Found, windows: Mapping[int, Window]) -> tuple[CheckedWindow, ...]:
    return tuple(
        CheckedWindow(
            periods=periods,
            since=windows[periods].since,
            until=windows[periods].until,
            rows=window.rows,
            alarm=window.alarm,
            enough=window.enough,
            alpha=window.alpha,
            columns=found.names(window),
            verdict=window.verdict,
        )
        for periods, window in sorted(found.series.windows.items())
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
