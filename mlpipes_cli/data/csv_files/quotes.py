"""Finds quotes that are opened and not closed, or closed only by the quote of a later row."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import BinaryIO

from mlpipes_cli.data.csv_files.header import Header
from mlpipes_cli.data.readers.unreadable import Unreadable

_LONGEST = 64 << 20  # characters of a quoted field


def open_quote(raw: BinaryIO, header: Header) -> int | None:
    """Return the line of the quote that is still open at the end, or after 64 MB; None if there is none.

    Args:
        raw: The file as UTF-8, at its beginning.
        header: Its separator and its quote.
    """
    text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="", errors="replace")
    inside, opened, length = False, 0, 0
    try:
        for number, line in enumerate(text, 1):
            if inside or header.quote in line:
                inside, again = _after(line, header, inside)
                opened, length = (number, 0) if again else (opened, length + len(line))
                if inside and length > _LONGEST:
                    return opened
    finally:
        text.detach()
    return opened if inside else None


def _after(line: str, header: Header, inside: bool) -> tuple[bool, bool]:
    """Return whether a line ends within quotes, and whether they were opened in this line."""
    at, begins, opened = 0, not inside, False
    while at < len(line):
        if inside:
            at = line.find(header.quote, at)
            if at < 0:
                return True, opened
            if line.startswith(header.quote, at + 1):
                at += 2
                continue
            inside, begins, at = False, False, at + 1
        elif begins and line.startswith(header.quote, at):
            inside, opened, at = True, True, at + 1
        else:
            at = line.find(header.separator, at)
            if at < 0:
                return False, opened
            begins, at = True, at + 1
    return inside, opened


def not_closed(raw: BinaryIO, header: Header) -> Unreadable:
    """Describe the quote that is not closed, with its line."""
    line = open_quote(raw, header)
    where = "" if line is None else f"line {line}: "
    return Unreadable(f"{where}a quote is opened and not closed; correct the line, or set another `quote`")


def swallows_rows(cells: Iterable[str], header: Header) -> bool:
    """Return whether a cell has a line that looks like a row of the file, of two columns at least.

    A quote that is not closed ends at the next row's quote, and the rows between are in one cell.
    """
    separators = len(header.columns) - 1
    return separators > 0 and any(
        line.count(header.separator) >= separators for cell in cells for line in cell.splitlines()[1:]
    )
