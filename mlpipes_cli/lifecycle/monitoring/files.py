"""Compares two tables without a project or a stack."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.monitoring import tables
from mlpipes_cli.lifecycle.monitoring.result import Monitored, Window
from mlpipes_cli.lifecycle.promotion import actor
from mlpipes_cli.suggest import did_you_mean

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.monitoring.report import Report
    from mlpipes_cli.monitoring.results import Comparison, Options
    from mlpipes_cli.ports import Reporter


def options(
    alpha: float | None = None, min_effect: float | None = None, ignore: Sequence[str] = ()
) -> Options:
    """Return how two tables are compared; None takes the default of ``monitoring:`` in mlpipes.yaml.

    Raises:
        UsageError: A number is out of its bounds.
    """
    from mlpipes_cli.config.monitoring import Monitoring
    from mlpipes_cli.monitoring.results import Options

    usual = Monitoring()
    alpha = usual.alpha if alpha is None else alpha
    min_effect = usual.min_effect if min_effect is None else min_effect
    if not 0.0 < alpha <= 0.5:
        raise UsageError(f"--alpha: {alpha:g} is not above 0 and at most 0.5", "use 0.05")
    if not 0.0 <= min_effect < 1.0:
        raise UsageError(f"--min-effect: {min_effect:g} is not from 0 to below 1", "use 0.1")
    return Options(alpha=alpha, min_effect=min_effect, ignore=tuple(ignore), joint=usual.joint)


def compare_files(
    reference: Path, current: Path, chosen: Options, reporter: Reporter, report: Report | None = None
) -> Monitored:
    """Compare the rows of two files; nothing is stored.

    Args:
        reference: The file with the rows that are known to be good.
        current: The file with the rows to look at.
        chosen: How they are compared.
        reporter: Is told how the files were read, and shows progress.
        report: The file of the report, or None.

    Raises:
        UsageError: A file cannot be read, or has no rows or no common column, or a column to ignore is in
            neither file.
    """
    started = time.monotonic()
    with reporter.task("reading the rows"):
        left, right = tables.agreed(tables.read(reference, reporter), tables.read(current, reporter))
    for name in chosen.ignore:
        known = left.columns.union(right.columns)
        if name not in known:
            raise UsageError(f"--ignore: no column {name!r} in the files{did_you_mean(name, list(known))}")
    if not len(left.columns.intersection(right.columns).difference(list(chosen.ignore))):
        raise UsageError(f"{current}: no column in common with {reference}", "give tables of the same kind")
    from mlpipes_cli.monitoring.compare import compare

    with reporter.task("comparing"):
        found = compare(left, right, chosen)
    window = Window(None, None, None, None, len(right), file=str(current), reference=str(reference))
    seconds = time.monotonic() - started
    made = _result(found, window, seconds, None if report is None else str(report.output))
    if report is not None:
        report.write(made)
    return made


def _result(found: Comparison, window: Window, seconds: float, report: str | None) -> Monitored:
    return Monitored(
        model=None,
        version=None,
        alias=None,
        window=window,
        rows=found.rows,
        reference_rows=found.reference_rows,
        alarm=found.alarm,
        enough=found.enough,
        verdict=found.verdict,
        alpha=found.alpha,
        columns=tuple(found.columns),
        predictions={},
        joint=found.joint,
        performance=None,
        report=report,
        notes=(),
        id=None,
        checked_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        cause="manual",
        actor=actor.user(),
        seconds=round(seconds, 3),
    )
