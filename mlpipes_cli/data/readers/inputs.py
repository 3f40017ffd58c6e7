"""A table to load: rows in batches, and where each row stands."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa


@dataclass(frozen=True)
class BadLine:
    """A record of a source that is wrong, or a row whose place is asked for.

    Attributes:
        row: The row from 0 as :meth:`Input.batches` yields it; None for a record that it leaves out.
        number: Where it stands: a line, or a row of a source without lines; from 1.
        content: As the source has it.
        reason: Why it is left out; empty for a row.
    """

    row: int | None
    number: int
    content: str
    reason: str = ""


class Input(Protocol):
    """One file, or the rows of one query or function; may be read again, and has the same rows each time.

    Attributes:
        shown: Its name in messages.
        texts: Whether cells are texts, whose types are inferred from all of them.
        place: What a row's number counts: ``line`` or ``row``.
        wrong: How many records the last reading has left out, since they are no rows.
        size: The bytes of its file; None if it is no file, or if its digest is known anyway.
    """

    @property
    def shown(self) -> str: ...

    @property
    def texts(self) -> bool: ...

    @property
    def place(self) -> str: ...

    @property
    def wrong(self) -> int: ...

    @property
    def size(self) -> int | None: ...

    def names(self) -> list[str]:
        """Return the names of the columns.

        Raises:
            Unreadable: It is no such file.
        """

    def schema(self) -> pa.Schema:
        """Return the columns with their types: texts for a source of texts."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order.

        Raises:
            Unreadable: It cannot be read.
        """

    def head(self, rows: int) -> tuple[pa.RecordBatch | None, bool]:
        """Return up to so many of the first rows, and whether there are no others.

        Raises:
            Unreadable: It cannot be read.
        """

    def places(self, rows: Collection[int], *, left_out: bool, most: int | None = None) -> Iterator[BadLine]:
        """Yield where rows stand and, if asked for, the records that reading leaves out.

        Args:
            rows: Rows from 0.
            left_out: Whether to yield records that are no rows.
            most: How many of them at most; None for all.
        """

    def digest(self) -> str:
        """Return the SHA-256 of the content as a hexadecimal number."""


def first_rows(batches: Iterator[pa.RecordBatch], rows: int) -> tuple[pa.RecordBatch | None, bool]:
    """Return up to so many of the first rows, and whether there are no others."""
    found: list[pa.RecordBatch] = []
    for batch in batches:
        found.append(batch)
        if sum(one.num_rows for one in found) > rows:
            break
    if not found:
        return None, True
    table = pa.Table.from_batches(found)
    first = table.slice(0, rows).combine_chunks().to_batches()
    return (first[0] if first else None), table.num_rows <= rows
