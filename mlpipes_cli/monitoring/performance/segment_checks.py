"""Checks the deciding metric on each segment of the live rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mlpipes_cli.monitoring.performance.metric_checks import MetricRules, check_metrics
from mlpipes_cli.monitoring.performance.segments import holm, segments
from mlpipes_cli.monitoring.performance_results import SegmentCheck
from mlpipes_cli.scoring.predictions import IntArray, Predictions

if TYPE_CHECKING:
    import pandas as pd


def check_segments(
    live: Predictions,
    units: IntArray | None,
    holdout: Predictions | None,
    metric: str,
    columns: pd.DataFrame,
    holdout_columns: pd.DataFrame | None,
    rules: MetricRules,
) -> list[SegmentCheck]:
    """Check the metric on the rows of each segment, against the holdout's rows of the same segment.

    The p-values are adjusted for all segments of all columns (Holm 1979). A segment without rows of the
    holdout is not compared: another segment of the holdout says nothing about it.
    """
    found: list[SegmentCheck] = []
    for column, value, here, there in segments(columns, holdout_columns):
        own = live.take(here)
        held = holdout.take(there) if holdout is not None and there is not None and there.any() else None
        callers = None if units is None else np.unique(units[here], return_inverse=True)[1].astype(np.int64)
        check = check_metrics(own, callers, held, (metric,), rules)[metric]
        if check.live is not None and held is None:
            check = replace(check, note="not compared: the holdout has no rows of this segment")
        found.append(SegmentCheck(column, value, own.rows, check))
    adjusted = holm(
        {index: segment.check.p for index, segment in enumerate(found) if segment.check.p is not None}
    )
    return [
        segment if index not in adjusted else _adjusted(segment, adjusted[index], rules)
        for index, segment in enumerate(found)
    ]


def _adjusted(segment: SegmentCheck, p: float, rules: MetricRules) -> SegmentCheck:
    worse = p <= rules.alpha and segment.check.lost is not None and segment.check.lost >= rules.min_effect
    return replace(segment, check=replace(segment.check, p=p, worse=worse))
