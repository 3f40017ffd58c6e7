"""Images as a few simple statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlpipes_cli.monitoring.columns.cells import number_cells
from mlpipes_cli.monitoring.columns.parts import NumberPart, Part

if TYPE_CHECKING:
    import pandas as pd


def picture_parts(
    reference: pd.Series, current: pd.Series, missing: NDArray[np.bool_], sample: NDArray[np.int64]
) -> tuple[tuple[Part, ...], NDArray[np.bool_]]:
    """Return a part for each statistic, and the rows that hold no image that can be decoded."""
    from mlpipes_cli.data.pictures import STATISTICS, statistics_of

    table = np.full((missing.size, len(STATISTICS)), np.nan)
    row = 0
    for side in (reference, current):
        for content in side:
            if not missing[row] and (found := statistics_of(content)) is not None:
                table[row] = found
            row += 1
    wrong = np.isnan(table[:, 0]) & ~missing
    parts = [
        NumberPart(name, table[:, index], number_cells(table[:, index], sample))
        for index, name in enumerate(STATISTICS)
    ]
    return tuple(parts), wrong
