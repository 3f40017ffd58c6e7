"""Converts a batch as read from a file to the columns and types that the model takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mlpipes_cli.data.readers import opening
from mlpipes_cli.data.readers.resolve import TEXTS
from mlpipes_cli.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.data.formats import Formats
    from mlpipes_cli.lifecycle.prediction.scorers import ColumnSpec


class ModelInput(Protocol):
    """The input schema of a scorer; empty for a model without named columns."""

    columns: Sequence[ColumnSpec]
    id: str | None
    target: str | None
    formats: Formats


def fit(batch: pd.DataFrame, asked: ModelInput, file: Path, start: int) -> pd.DataFrame:
    """Return the model's columns, converted, and the caller's id column; all others are dropped.

    A model without named columns gets all but the target.

    Args:
        batch: Rows of the file.
        asked: The input schema of the scorer.
        file: Its suffix tells whether the batch holds cells of text.
        start: Rows of the file before this batch.

    Raises:
        UsageError: A value does not fit; its column and row (from 1) are named.
    """
    if not asked.columns:
        return batch.drop(columns=[asked.target] if asked.target in batch.columns else [])
    import pandas as pd

    from mlpipes_cli.data import conversion

    names = {column.name for column in asked.columns}
    cells = opening.kind(file.name) in TEXTS
    batch = batch.reset_index(drop=True)
    kept = {}
    for column in asked.columns:
        if column.name not in batch.columns:
            continue
        kept[column.name] = batch[column.name]
        if column.type not in conversion.EXPECTED:
            continue
        try:
            kept[column.name] = conversion.convert(
                batch[column.name], column.type, asked.formats, cells=cells
            )
        except conversion.ConversionError as misfit:
            expected = conversion.EXPECTED[column.type]
            raise UsageError(
                f"{file}: column {column.name!r}, row {start + misfit.row + 1}: expected {expected},"
                f" got {misfit.got}",
                "correct the row",
            ) from None
    identifier = next((n for n in (asked.id, "id") if n and n in batch.columns and n not in names), None)
    if identifier:
        kept[identifier] = batch[identifier]
    return pd.DataFrame(kept, index=batch.index)
