"""From a batch as it stands in a file to the columns and types that the model takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.lifecycle.prediction.scorers import ColumnSpec

_TRUTH = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}


class Misfit(Exception):
    """A value does not fit; ``position`` is its row in the batch."""

    def __init__(self, position: int, expected: str) -> None:
        super().__init__(expected)
        self.position, self.expected = position, expected


def fit(
    batch: pd.DataFrame,
    columns: Sequence[ColumnSpec],
    id_name: str | None,
    target: str | None,
    file: Path,
    start: int,
) -> pd.DataFrame:
    """The model's columns, converted, and the caller's id column; all others are left out.

    Args:
        batch: Rows of the file.
        columns: What the model takes; empty for a model without named columns, which gets all
            but the target.
        id_name: The id column.
        target: The target's column.
        file: For messages.
        start: Rows of the file before this batch.

    Raises:
        UsageError: A value does not fit; its column and row (from 1) are named.
    """
    if not columns:
        return batch.drop(columns=[target] if target in batch.columns else [])
    names = {column.name for column in columns}
    kept = {}
    for column in columns:
        if column.name not in batch.columns:
            continue
        try:
            kept[column.name] = _CONVERTERS.get(column.type, _as_is)(batch[column.name])
        except Misfit as misfit:
            row = start + misfit.position + 1
            raise UsageError(
                f"{file}: column {column.name!r}, row {row}: expected {misfit.expected}", "correct the row"
            ) from None
    identifier = next((n for n in (id_name, "id") if n and n in batch.columns and n not in names), None)
    if identifier:
        kept[identifier] = batch[identifier]
    import pandas as pd

    return pd.DataFrame(kept)


def _first(wrong: pd.Series) -> int:
    return int(wrong.to_numpy().argmax())


def _number(values: pd.Series) -> pd.Series:
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    wrong = numbers.isna() & values.notna()
    if values.dtype == object or isinstance(values.dtype, pd.StringDtype):
        wrong &= ~values.astype(str).str.strip().str.lower().isin(["nan", ""])
    if wrong.any():
        raise Misfit(_first(wrong), "a number")
    return numbers


def _whole(values: pd.Series) -> pd.Series:
    numbers = _number(values)
    wrong = numbers.isna() | (numbers % 1 != 0)
    if wrong.any():
        raise Misfit(_first(wrong), "a whole number")
    return numbers.astype("int64")


def _truth(values: pd.Series) -> pd.Series:
    if values.dtype == bool:
        return values
    texts = values.astype(str).str.strip().str.lower()
    missing = values.isna() | (texts == "")
    told = texts.map(_TRUTH)
    wrong = told.isna() & ~missing
    if wrong.any():
        raise Misfit(_first(wrong), "true or false")
    return told.astype(object).mask(missing, None) if missing.any() else told.astype(bool)


def _text(values: pd.Series) -> pd.Series:
    missing = values.isna()
    return values.astype(str).astype(object).mask(missing, None)


def _moment(values: pd.Series) -> pd.Series:
    import pandas as pd

    moments = pd.to_datetime(values, errors="coerce", format="mixed", utc=True).dt.tz_localize(None)
    wrong = moments.isna() & values.notna()
    if wrong.any():
        raise Misfit(_first(wrong), "a date and time (ISO 8601)")
    return moments.astype("datetime64[ns]")


def _as_is(values: pd.Series) -> pd.Series:
    return values


_CONVERTERS: dict[str, Callable[[pd.Series], pd.Series]] = {
    "double": _number,
    "float": _number,
    "long": _whole,
    "integer": _whole,
    "boolean": _truth,
    "string": _text,
    "datetime": _moment,
}
