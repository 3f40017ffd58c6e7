"""What in a column of a loaded table is likely a mistake, told from its figures and a sample of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlpipes_cli.data.understanding import columns, labels, leakage
from mlpipes_cli.data.understanding.relation import Known, leak

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.ports.data_sets.dataset_profile import ColumnProfile

_MOSTLY = 0.5  # share of missing values from which on a column is worth a look


def of_figures(
    column: ColumnProfile, rows: int, all_labels: Sequence[str] | None, *, unique: bool
) -> list[str]:
    """Return what the figures of a column tell.

    Args:
        column: The figures.
        rows: The table's rows.
        all_labels: All different texts, if they were read.
        unique: Whether the values are meant to differ.
    """
    found: list[str] = []
    if not rows:
        return found
    if column.missing == rows:
        return ["no value in any row"]
    if column.distinct == 1:
        rest = "" if not column.missing else " that has one"
        found.append(f"the same value in every row{rest}")
    elif not unique and _names_rows(column, rows):
        found.append("another value in every row; a column that names the rows belongs in `id` or `drop`")
    if column.role == "target" and column.missing:
        found.append(f"the target is missing in {_share(column.missing, rows)} of the rows")
    elif column.missing / rows >= _MOSTLY:
        found.append(f"missing in {_share(column.missing, rows)} of the rows")
    if column.not_finite:
        found.append(f"infinite or not a number in {column.not_finite:,} rows")
    return found + [
        f"{' and '.join(map(repr, same))} differ only in case or space and count as different"
        for same in labels.alike(all_labels or ())
    ]


def _names_rows(column: ColumnProfile, rows: int) -> bool:
    return (
        column.type in {"integer", "text"}
        and not column.missing
        and column.distinct == rows >= columns.FEWEST
    )


def _share(part: int, rows: int) -> str:
    return f"{100 * part / rows:.3g} %"


def of_sample(values: pd.Series, kind: str, target: Known, name: str) -> list[str]:
    """Return a line if the column alone gives the target away.

    Args:
        values: The column.
        kind: ``number``, ``boolean``, ``datetime`` or ``text``.
        target: The target of the same rows.
        name: The target's column.
    """
    told = leak(values, kind, target)
    return [] if told is None else [f"alone tells {name!r} ({told}); {leakage.ASK}"]


def of_texts(values: pd.Series) -> list[str]:
    """Return a line if a sample of texts is numbers but for a few words."""
    few = columns.unreadable(values, int(values.notna().sum()))
    if few is None:
        return []
    return [f"text because of {few}; the others are numbers: list such words under `missing`"]
