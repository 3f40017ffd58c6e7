"""Brings rows to the types of a model's signature, by the converter that all doors share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.data.formats import Formats
    from mlpipes_cli.ports.monitoring import WindowRow
    from mlpipes_cli.server.models.signature import InputColumn


class Gathered:
    """Rows of a window, whose columns are built up from batches of JSON texts.

    Attributes:
        prediction: The predictions.
        scores: A number, a list or None for each.
        judged: Whether the ground truth of each is known.
    """

    def __init__(self, columns: Sequence[InputColumn]) -> None:
        self._values: dict[str, list[Any]] = {column.name: [] for column in columns}
        self.prediction: list[Any] = []
        self.scores: list[Any] = []
        self.judged: list[bool] = []

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.prediction)

    def take(self, batches: Iterable[Sequence[WindowRow]]) -> None:
        """Add the rows of batches; an input that a row lacks is missing in it."""
        for batch in batches:
            inputs = _loaded([row.inputs for row in batch])
            named = [row if isinstance(row, dict) else {} for row in inputs]
            for name, values in self._values.items():
                values.extend([row.get(name) for row in named])
            self.prediction.extend(_loaded([row.prediction for row in batch]))
            self.scores.extend(_loaded([row.scores for row in batch]))
            self.judged.extend(row.judged for row in batch)

    def frame(self) -> pd.DataFrame:
        """Return (rows, columns) the inputs as JSON's values."""
        import pandas as pd

        return pd.DataFrame(
            {name: pd.Series(values, dtype=object) for name, values in self._values.items()},
            index=pd.RangeIndex(self.rows),
        )


def _loaded(texts: Sequence[str | None]) -> list[Any]:
    found: list[Any] = json.loads(f"[{','.join('null' if text is None else text for text in texts)}]")
    return found


def typed(
    frame: pd.DataFrame, columns: Sequence[InputColumn], formats: Formats
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the columns in the types of the signature, and how many values of each do not fit.

    A column that the frame lacks is left out. A value that does not fit, such as one that an earlier release
    stored, becomes missing.
    """
    import pandas as pd

    made: dict[str, pd.Series] = {}
    misfits: dict[str, int] = {}
    for column in columns:
        if column.name not in frame.columns:
            continue
        made[column.name], wrong = _column(frame[column.name], column.type, formats)
        if wrong:
            misfits[column.name] = wrong
    return pd.DataFrame(made, index=pd.RangeIndex(len(frame))), misfits


def _column(values: pd.Series, kind: str, formats: Formats) -> tuple[pd.Series, int]:
    from mlpipes_cli.data import conversion

    values = values.reset_index(drop=True)
    if kind not in conversion.EXPECTED:
        return values, 0
    try:
        return conversion.convert(values, kind, formats), 0
    except conversion.ConversionError:
        wide = {"long": "double", "integer": "double"}.get(kind, kind)  # which have missing values
        wrong = _misfits(values, wide, formats)
        kept = values.astype(object)
        kept.iloc[wrong] = None
        return conversion.convert(kept, wide, formats), len(wrong)


def _misfits(values: pd.Series, kind: str, formats: Formats, start: int = 0) -> list[int]:
    """Return the positions of the values that do not fit, by halving what does not fit as a whole."""
    from mlpipes_cli.data import conversion

    try:
        conversion.convert(values, kind, formats)
        return []
    except conversion.ConversionError:
        if len(values) == 1:
            return [start]
    middle = len(values) // 2
    left = _misfits(values.iloc[:middle], kind, formats, start)
    return left + _misfits(values.iloc[middle:], kind, formats, start + middle)
