"""Check the size of a request's table before it is parsed, because parsing needs far more memory.

A few kilobytes may name a hundred thousand columns, and rows that leave out most columns may represent more
cells than the body has bytes. Each check costs about as much as reading the body once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from mlpipes_cli.server.http.api_error import ApiError, too_large

MOST_CELLS = 10_000_000  # rows times columns; a request may have at least one cell for each of its bytes
MOST_OTHERS = 1_000  # columns in addition to the model's; they are ignored
MOST_UNKNOWN = 10_000  # columns for a model without named columns
MOST_CONTAINERS = 4_000_000  # lists and objects of a JSON document; an empty one takes 64 bytes
MOST_NAMES = 200_000  # different names in the objects of a JSON document; the parser is slow with new ones
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NAME = re.compile(rb"(%b)\s*+:|%b" % (_STRING.pattern, _STRING.pattern), re.DOTALL)
_NAMES_AT_ONCE = 50_000
# A field of a line: quotes count at its start only; there, two quotes in a row do not end it.
_FIELD = re.compile(rb'(?:"[^"]*+(?:"|\Z))*+[^,\r\n]*+(,|[\r\n]|\Z)')
_SPACE = re.compile(rb"\s*+")
_WRAPPERS = ("dataframe_split", "dataframe_records", "instances", "inputs")


def check_json(body: bytes) -> None:
    """Check the size of JSON before it is parsed.

    Raises:
        ApiError: It has too many lists and objects, or too many names in them (413).
    """
    if _containers(body) > MOST_CONTAINERS and _containers(_STRING.sub(b"", body)) > MOST_CONTAINERS:
        message = f"more than {MOST_CONTAINERS:,} lists and objects in one request; split it"
        raise too_large(message)
    if body.count(b":") > MOST_NAMES and _has_too_many_names(body):
        raise too_large(f"more than {MOST_NAMES:,} different names in one request; split it")


def _containers(text: bytes) -> int:
    return text.count(b"{") + text.count(b"[")


def _has_too_many_names(body: bytes) -> bool:
    """Return whether there are too many different names; collects only as many as the limit."""
    found = _NAME.finditer(body)
    names: set[bytes | None] = {None}  # None is for texts that are not names
    while some := {match[1] for match in islice(found, _NAMES_AT_ONCE)}:
        names |= some
        if len(names) - 1 > MOST_NAMES:
            return True
    return False


class Bounds:
    """The limits on the size of a table.

    Args:
        known: The number of columns that the model names; 0 if it names none.
        rows: The maximum number of rows.
    """

    def __init__(self, known: int, rows: int) -> None:
        self._known, self._rows = known, rows
        self.columns = known + MOST_OTHERS if known else MOST_UNKNOWN

    def check(self, rows: int, columns: int, size: int, *, named: bool = True) -> None:
        """Check a table's shape against the limits.

        Args:
            rows: Its rows.
            columns: Its columns.
            size: The size of the request in bytes.
            named: Whether the columns have names; false for the numbers of a tensor.

        Raises:
            ApiError: The table is too large (413).
        """
        if rows > self._rows:
            raise too_many_rows(rows, self._rows)
        if columns > self.columns and (named or self._known):
            others = self.columns - self._known
            limit = f"{self._known} of the model and {others} others" if self._known else str(others)
            raise too_large(f"{columns} columns in one request; the limit is {limit}")
        if rows * columns > max(MOST_CELLS, size):
            message = f"{rows} rows with {columns} columns are too many for one request; split it"
            raise too_large(message)

    def document(self, document: Mapping[str, Any], size: int) -> None:
        """Check the rows of a document of MLflow's protocol against the limits.

        Args:
            document: With ``dataframe_split``, ``dataframe_records``, ``instances`` or ``inputs``.
            size: The size of the request in bytes.

        Raises:
            ApiError: There are too many (413).
        """
        for name in _WRAPPERS:
            if name in document:
                part = document[name]
                rows, columns = _split(part) if name == "dataframe_split" else _shape(part)
                self.check(rows, columns, size, named=not _is_matrix(part))

    def csv(self, body: bytes) -> None:
        """Check the size of a CSV text before it is parsed.

        Raises:
            ApiError: It has too many rows or columns (413).
        """
        at, columns = 3 if body.startswith(b"\xef\xbb\xbf") else 0, 0
        for _ in range(2):  # the names, and the first row, which may have more fields than there are names
            at = _SPACE.match(body, at).end()  # type: ignore[union-attr]
            at, fields = self._fields(body, at)
            columns = max(columns, fields)
        lines = body.count(b"\n") + body.count(b"\r") - body.count(b"\r\n")
        quoted = b'"' in body  # then a line end may be part of a text; the rows are counted after parsing
        self.check(min(lines, self._rows) if quoted else max(lines - 1, 0), columns, len(body))

    def _fields(self, body: bytes, at: int) -> tuple[int, int]:
        """Return the end of the line at ``at``, and its number of fields; stops above the limit."""
        fields = 0
        while fields <= self.columns:
            found = _FIELD.match(body, at)
            assert found is not None  # the pattern also matches an empty field
            at, fields = found.end(), fields + 1
            if found[1] != b",":
                break
        return at, fields


def too_many_rows(rows: int, limit: int) -> ApiError:
    """Return the error for a request with too many rows (413)."""
    return too_large(f"{rows} rows in one request; the limit is {limit}, split it into several requests")


def _shape(part: Any) -> tuple[int, int]:
    """Return the number of rows and columns of the resulting table."""
    if isinstance(part, list):
        return len(part), _width(part)
    if not isinstance(part, dict):
        return 1, 1
    sizes = [len(value) for value in part.values() if isinstance(value, (list, dict))]
    return max(sizes, default=1), len(part)


def _split(part: Any) -> tuple[int, int]:
    rows = part.get("data") if isinstance(part, dict) else None
    named = part.get("columns") if isinstance(part, dict) else None
    rows, named = (value if isinstance(value, list) else [] for value in (rows, named))
    return len(rows), max(_width(rows), len(named))


def _width(rows: Sequence[Any]) -> int:
    records = [row for row in rows if isinstance(row, dict)]
    lists = max((len(row) for row in rows if isinstance(row, list)), default=1)
    return max(lists, len(set().union(*records)))


def _is_matrix(part: Any) -> bool:
    return isinstance(part, list) and not any(isinstance(row, dict) for row in part)
