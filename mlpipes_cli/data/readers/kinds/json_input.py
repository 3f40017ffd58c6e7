"""JSON to load: one object in each line, or an array of objects.

The type of a column is what all its values are: whole numbers, numbers, true and false, or texts. A text that
looks like a number stays a text. Objects and lists inside of a record become their JSON text.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from mlpipes_cli.data.csv_files.header import OPENING, not_opened, open_plain
from mlpipes_cli.data.readers.inputs import BadLine, first_rows
from mlpipes_cli.data.readers.opening import kind
from mlpipes_cli.data.readers.unreadable import Unreadable

_ROWS = 20_000  # of a batch
_KEPT = 10_000  # characters of a bad line that are kept
_KINDS: dict[type, str] = {bool: "bool", float: "float", str: "text"}
_TYPES = {
    frozenset(): pa.null(),
    frozenset({"bool"}): pa.bool_(),
    frozenset({"int"}): pa.int64(),
    frozenset({"float"}): pa.float64(),
    frozenset({"int", "float"}): pa.float64(),
}


class JsonInput:
    """Keeps :class:`~mlpipes_cli.data.readers.inputs.Input` for JSON.

    Args:
        path: The file.
        shown: Its name in messages.
        encoding: Its encoding, if not inferred.
    """

    texts = False
    place = "line"
    size: int | None = None

    def __init__(self, path: Path, shown: str, encoding: str | None = None) -> None:
        self.path, self.shown, self.encoding = path, shown, encoding
        self.wrong = 0
        self._found: pa.Schema | None = None
        self._array = self._is_array()
        if self._array:
            self.place = "row"

    def _is_array(self) -> bool:
        with closing(self._open()) as raw:
            start = raw.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
            if not start:
                raise Unreadable("is empty")
        return bool(start.startswith(b"["))

    def _open(self) -> Any:
        try:
            return open_plain(self.path, self.encoding)
        except OPENING as error:
            raise not_opened(error) from None

    def names(self) -> list[str]:
        return list(self.schema().names)

    def schema(self) -> pa.Schema:
        """Return the columns in the order in which they first appear; all rows are read once."""
        if self._found is None:
            kinds: dict[str, set[str]] = {}
            first: dict[str, Any] | None = None
            count = 0
            for _, record, _ in self._records():
                first, count = record if first is None else first, count + 1
                for name, value in record.items() if record is not None else ():
                    if (seen := kinds.get(name)) is None:
                        seen = kinds[name] = set()
                    if value is not None:
                        seen.add(_KINDS.get(type(value)) or _kind(value))
            if count == 1 and first and self._is_of_columns(first):
                raise Unreadable(
                    "is an object of columns, not a list of records; write records, such as by"
                    " `DataFrame.to_json(orient='records')`"
                )
            if not kinds:
                raise Unreadable('has no record, such as {"a": 1}')
            fields = [(name, _TYPES.get(frozenset(seen), pa.large_string())) for name, seen in kinds.items()]
            self._found = pa.schema(fields)
        return self._found

    def _is_of_columns(self, record: dict[str, Any]) -> bool:
        """Return whether the only record of a ``.json`` file is a table written by columns."""
        nested = [isinstance(value, (list, dict)) for value in record.values()]
        return kind(self.path.name) == ".json" and all(nested)

    def batches(self) -> Iterator[pa.RecordBatch]:
        schema = self.schema()
        self.wrong = 0
        rows = self._rows()
        while some := list(islice(rows, _ROWS)):
            columns = [_column(some, field) for field in schema]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def _rows(self) -> Iterator[dict[str, Any]]:
        for _, record, _ in self._records():
            if record is None:
                self.wrong += 1
            else:
                yield record

    def _records(self) -> Iterator[tuple[int, dict[str, Any] | None, str]]:
        """Yield the number, the record or None, and the reason or the text of the line."""
        try:
            if self._array:
                yield from self._elements()
                return
            with closing(self._open()) as raw:
                for number, line in enumerate(raw, 1):
                    if line.strip(b" \t\r\n\xef\xbb\xbf"):
                        yield number, *_parsed(line)
        except OPENING as error:
            raise not_opened(error) from None

    def _elements(self) -> Iterator[tuple[int, dict[str, Any] | None, str]]:
        with closing(self._open()) as raw:
            try:
                document = _DECODER.decode(raw.read().decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                raise Unreadable(f"is not valid JSON ({error})") from None
        for number, value in enumerate(document, 1):
            yield number, *(_checked(value) if isinstance(value, dict) else (None, "not an object"))

    def head(self, rows: int) -> tuple[pa.RecordBatch | None, bool]:
        return first_rows(self.batches(), rows)

    def places(self, rows: Collection[int], *, left_out: bool, most: int | None = None) -> Iterator[BadLine]:
        wanted, row, told, last = set(rows), -1, 0, max(rows, default=-1)
        for number, record, text in self._records():
            if record is None:
                told += 1
                if left_out and (most is None or told <= most):
                    yield BadLine(None, number, self._line(number), text)
            else:
                row += 1
                if row in wanted:
                    content = json.dumps(record, ensure_ascii=False, default=str)
                    yield BadLine(row, number, content[:_KEPT])
            if row >= last and (not left_out or (most is not None and told >= most)):
                return

    def _line(self, wanted: int) -> str:
        if self._array:
            return ""
        with closing(self._open()) as raw:
            line = next(islice(raw, wanted - 1, None), b"")
        return str(line.decode("utf-8", "replace").strip()[:_KEPT])

    def digest(self) -> str:
        found = hashlib.sha256()
        with closing(self._open()) as raw:
            while block := raw.read(1 << 20):
                found.update(block)
        return found.hexdigest()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object whose keys all differ; else the last one would win without a word."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} appears twice in an object")
    return made


_DECODER = json.JSONDecoder(object_pairs_hook=_once)  # `json.loads` would make one for each line


def _parsed(line: bytes) -> tuple[dict[str, Any] | None, str]:
    try:
        value = _DECODER.decode(line.removeprefix(b"\xef\xbb\xbf").decode())
    except (ValueError, RecursionError) as error:
        return None, f"not valid JSON ({error})"
    return _checked(value) if isinstance(value, dict) else (None, "not an object")


def _checked(record: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    return (None, "a name of a column is empty") if "" in record else (record, "")


def _kind(value: Any) -> str:
    return "int" if isinstance(value, int) and -(2**63) <= value < 2**63 else "text"


def _column(records: list[dict[str, Any]], field: pa.Field) -> pa.Array:
    values = [record.get(field.name) for record in records]
    if field.type == pa.large_string():
        return pa.array([None if value is None else _text(value) for value in values], pa.large_string())
    if field.type == pa.float64():
        values = [None if value is None or math.isnan(value) else float(value) for value in values]
    return pa.array(values, field.type)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
