"""Excel workbooks to load: one sheet, whose first row has the names of the columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from mlpipes_cli.data.readers.kinds.arrow_input import ArrowInput, digest_of
from mlpipes_cli.data.readers.unreadable import Unreadable
from mlpipes_cli.data.readers.values import column
from mlpipes_cli.suggest import did_you_mean


def open_sheet(path: Path, shown: str, sheet: str | None) -> ArrowInput:
    """Open a sheet of a workbook.

    Args:
        path: The file.
        shown: Its name in messages.
        sheet: The sheet; the first if not given.

    Raises:
        Unreadable: It is no workbook, or has no such sheet.
    """
    table = _table(_rows(path, sheet))

    def batches() -> Iterator[pa.RecordBatch]:
        yield from table.to_batches()

    return ArrowInput(shown, table.schema, batches, lambda: digest_of(path))


def _rows(path: Path, sheet: str | None) -> list[list[Any]]:
    import python_calamine as calamine

    try:
        with calamine.load_workbook(str(path)) as book:
            names = book.sheet_names
            if not names:
                raise Unreadable("has no sheet")
            if sheet is not None and sheet not in names:
                near = did_you_mean(sheet, names) or f"; it has {', '.join(map(repr, names[:5]))}"
                raise Unreadable(f"has no sheet {sheet!r}{near}")
            rows: list[list[Any]] = book.get_sheet_by_name(sheet or names[0]).to_python()
    except calamine.PasswordError:
        raise Unreadable("is protected by a password; save it without one") from None
    except calamine.CalamineError as error:
        raise Unreadable(f"is not a valid Excel workbook ({' '.join(str(error).split())[:120]})") from None
    return rows


def _table(rows: list[list[Any]]) -> pa.Table:
    """Return the rows below the header; rows without any value are left out."""
    filled = [row for row in rows if any(value not in ("", None) for value in row)]
    if not filled:
        raise Unreadable("is empty")
    header, body = filled[0], filled[1:]
    names = [_name(value, at) for at, value in enumerate(header)]
    columns = [_cells([row[at] if at < len(row) else None for row in body]) for at in range(len(names))]
    kept = [at for at in range(len(names)) if header[at] != "" or columns[at].null_count < len(columns[at])]
    return pa.Table.from_arrays([columns[at] for at in kept], names=[names[at] for at in kept])


def _name(value: Any, at: int) -> str:
    if value in ("", None):
        return f"Unnamed: {at}"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _cells(values: Sequence[Any]) -> pa.Array:
    """Return a column; a workbook has no whole numbers of its own."""
    cells = [None if value == "" else value for value in values]
    if all(value is None or (isinstance(value, float) and value.is_integer()) for value in cells):
        cells = [None if value is None else int(value) for value in cells]
    return column(cells)
