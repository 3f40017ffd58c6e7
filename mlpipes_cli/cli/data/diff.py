"""``data diff``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlpipes_cli.cli import context
from mlpipes_cli.cli.views.tables import Column, FittedTable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mlpipes_cli.lifecycle.datasets.diff import Difference
    from mlpipes_cli.ports.data_sets.dataset_changes import RowChanges, Summary


def diff(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The data set.")],
    old: Annotated[int, typer.Argument(metavar="A", min=1, help="The first version.")],
    new: Annotated[int, typer.Argument(metavar="B", min=1, help="The second version.")],
) -> None:
    """Show which rows differ between two versions, and how each column moved."""
    from mlpipes_cli.lifecycle.datasets import diff as verb

    here = context.current
    found = verb.diff(here.project(), here.console, name, old, new)
    here.console.result(found, lambda: _table(found))


def _table(found: Difference) -> RenderableType:
    table = FittedTable(
        (
            Column("column", least=10), Column("missing"), Column("mean or top value", least=12),
            Column("sd", drop=1), Column("median", drop=2), Column("distance", right=True),
        ),
        title=_rows(found.rows),
        caption=_columns(found),
    )  # fmt: skip
    for column in sorted(found.columns, key=lambda change: -(change.distance or 0.0)):
        moved = "" if column.distance is None else f"{column.measure} {column.distance:.4f}"
        table.add(
            column.column,
            _moved(f"{100 * column.old.missing:.1f} %", f"{100 * column.new.missing:.1f} %"),
            _moved(_middle(column.old), _middle(column.new)),
            _moved(_number(column.old.sd), _number(column.new.sd)),
            _moved(_median(column.old), _median(column.new)),
            moved,
        )
    return table


def _rows(rows: RowChanges) -> str:
    changed = "changed" if rows.by == "key" else "in another part"
    counts = f"{rows.added} added, {rows.removed} removed, {rows.changed} {changed}"
    return f"rows, compared by their {rows.by}: {counts}"


def _columns(found: Difference) -> str:
    parts = [
        f"{what} columns: {', '.join(names)}"
        for what, names in (("added", found.added_columns), ("removed", found.removed_columns))
        if names
    ]
    return "; ".join(parts)


def _moved(old: str, new: str) -> str:
    return old if old == new else f"{old} → {new}"


def _middle(summary: Summary) -> str:
    if summary.top:
        value, share = next(iter(summary.top.items()))
        return f"{value} ({100 * share:.1f} %)"
    return _number(summary.mean)


def _median(summary: Summary) -> str:
    return _number(summary.quantiles[2]) if summary.quantiles else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def register(data: typer.Typer) -> None:
    """Add the command."""
    data.command("diff")(diff)
