"""The fast path: decodes requests of the usual form into rows, with a schema compiled for the model.

It accepts a request only if MLflow's parser and its schema enforcement would return exactly the same values:
every column is present (also the optional ones), and each value has its column's own JSON type. Every other
request is left to the slow path (:mod:`mlpipes_cli.server.requests.request_parser`), which knows all forms
and reports all errors. This includes a body that may have a duplicate key.

Records may have columns that the model does not know. Those of the last such request become fields of the
schema, so that their keys are counted when the next request is decoded.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from mlpipes_cli.data.formats import numbers
from mlpipes_cli.server.models.signature import InputColumn
from mlpipes_cli.server.requests.caller_identifiers import SURELY_FITS
from mlpipes_cli.server.requests.json_keys import at_most
from mlpipes_cli.server.requests.strict_json import surely_once

_EXACT = 2**53  # integers up to this are exact as float64 too
_LARGEST = 3.4028234663852886e38  # the largest float32
_LONG = Annotated[int, msgspec.Meta(ge=-_EXACT, le=_EXACT)]
_INTEGER = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
_TYPES: dict[str, Any] = {
    "double": float | None,
    "float": Annotated[float, msgspec.Meta(ge=-_LARGEST, le=_LARGEST)] | None,
    "long": _LONG,
    "integer": _INTEGER,
    "boolean": bool,
    "string": str | None,
}
_TEXT = {"string"}
_OTHERS, _OTHERS_TOGETHER = 64, 16  # unknown columns that become fields: of one request, of several
_PAUSE = 1.0  # seconds between two schemas, each of which takes a fraction of a millisecond to compile
_PAIRS = dict[str, msgspec.Raw]
_PAIRS_OF_ONE = msgspec.json.Decoder(_PAIRS)
_PAIRS_OF_LIST = msgspec.json.Decoder(list[_PAIRS])
_PAIRS_OF_BODY = msgspec.json.Decoder(dict[str, list[_PAIRS]])
_UNREADABLE = re.compile(r'[\\"\x00-\x1f]')  # names that JSON escapes, which msgspec does not compile
Row = Sequence[Any]


class DecodedRows(msgspec.Struct, frozen=True, gc=False):
    """A request's rows.

    Attributes:
        rows: Values in the order of the model's columns.
        ids: The caller's identifiers, one a row, or None.
    """

    rows: Sequence[Row]
    ids: list[Any] | None


class _Split(msgspec.Struct, forbid_unknown_fields=True):
    columns: list[str]
    data: msgspec.Raw
    index: list[int | str] | msgspec.UnsetType = msgspec.UNSET  # has no meaning, but its length must fit


class RequestDecoder:
    """Decodes the usual requests for one model.

    Args:
        columns: The model's columns.
        id_names: Columns that may hold the caller's identifier; the first one present is used.
        missing: Words and numbers that mean a missing value; rows with one are left to the slow path.
    """

    def __init__(
        self, columns: Sequence[InputColumn], id_names: Sequence[str], missing: Sequence[str] = ()
    ) -> None:
        self._missing = frozenset((*missing, *numbers(missing)))
        self._names = [column.name for column in columns]
        self._texts = [at for at, column in enumerate(columns) if column.type in _TEXT]
        types = [bool | None if _gappy(column) else _TYPES[column.type] for column in columns]
        self._width, self._ids = len(types), len(id_names)
        self._fields, self._id_names = [*zip(self._names, types, strict=True)], list(id_names)
        columns_of = [(name, list[kind]) for name, kind in zip(self._names, types, strict=True)]  # type: ignore[valid-type]
        lists = _record("Columns", columns_of, id_names, strict=True)
        self._lists = msgspec.json.Decoder(lists)
        self._table = msgspec.json.Decoder(list[tuple[tuple(types)]])  # type: ignore[misc]
        self._compile(frozenset())
        self._next_compile = 0.0  # on the monotonic clock

    def _compile(self, others: frozenset[str]) -> None:
        """Compile the decoders of records, with fields for columns that the model does not know."""
        record = _record("Record", self._fields, self._id_names, sorted(others))
        body = msgspec.defstruct(
            "Body",
            [
                ("dataframe_split", _Split | msgspec.UnsetType, msgspec.UNSET),
                ("dataframe_records", list[record] | msgspec.UnsetType, msgspec.UNSET),  # type: ignore[valid-type]
            ],
            forbid_unknown_fields=True,
        )
        self._record = msgspec.json.Decoder(record)
        self._records = msgspec.json.Decoder(list[record])  # type: ignore[valid-type]
        self._body: msgspec.json.Decoder[Any] = msgspec.json.Decoder(body)
        self._others = others
        self._nothing = (msgspec.UNSET,) * (self._ids + len(others))  # of a record without further columns

    @classmethod
    def of(
        cls, columns: Sequence[InputColumn], id_names: Sequence[str], missing: Sequence[str] = ()
    ) -> RequestDecoder | None:
        """Return a decoder, or None for a model with columns of other types, or without names."""
        if not columns or any(column.type not in _TYPES for column in columns):
            return None
        if any(_UNREADABLE.search(name) for name in [*id_names, *(column.name for column in columns)]):
            return None
        return cls(columns, id_names, missing)

    def invocations(self, body: bytes) -> DecodedRows | None:
        """Return the rows of ``dataframe_split`` or ``dataframe_records``; None selects the slow path."""
        try:
            asked = self._body.decode(body)
            split, records = asked.dataframe_split, asked.dataframe_records
            if split is msgspec.UNSET:
                return None if records is msgspec.UNSET else self._of_records(records, body, 1)
            if records is not msgspec.UNSET or split.columns != self._names:
                return None
            rows = self._table.decode(split.data)
            indexed = split.index is not msgspec.UNSET
            if indexed and len(split.index) != len(rows):
                return None
            if not at_most(body, 3 + indexed):
                return None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return DecodedRows(rows, None) if rows and self._clean(rows) else None

    def predict(self, body: bytes) -> DecodedRows | None:
        """Return the rows of a record, a list of records or an object of lists; None as above."""
        try:
            if body[:1] == b"[":
                return self._of_records(self._records.decode(body), body)
            try:
                return self._of_records([self._record.decode(body)], body)
            except msgspec.ValidationError:
                return self._of_lists(self._lists.decode(body), body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def _of_records(self, records: list[Any], body: bytes, wrappers: int = 0) -> DecodedRows | None:
        if not records:
            return None
        wide, width = list(map(msgspec.structs.astuple, records)), self._width
        names = wrappers + len(wide) * width
        rows, ids = wide, None
        if self._ids or self._others:
            rows = [row[:width] for row in wide]
            given = [row[width:] for row in wide]
            if given.count(self._nothing) < len(given):
                names += sum([len(some) - some.count(msgspec.UNSET) for some in given])
                ids = self._chosen(given)
        if not at_most(body, names) and not self._each_once(body, names, len(rows), wrappers):
            return None
        return DecodedRows(rows, ids) if ids is not _UNSURE and self._clean(rows) else None

    def _each_once(self, body: bytes, names: int, count: int, wrappers: int) -> bool:
        """Return whether no object has a duplicate key, in a body with keys unknown to the schema."""
        if at_most(body, names + count * _OTHERS):  # else its keys take more memory than its rows
            decoder: Any = _PAIRS_OF_LIST if body[:1] == b"[" else _PAIRS_OF_ONE
            records = (_PAIRS_OF_BODY if wrappers else decoder).decode(body)
            if wrappers:
                (records,) = records.values()
            elif isinstance(records, dict):
                records = [records]
            if at_most(body, wrappers + sum(map(len, records))):
                self._remember(records)
                return True
        return surely_once(body)

    def _remember(self, records: list[dict[str, Any]]) -> None:
        """Add unknown columns of a request to the schema."""
        now = time.monotonic()
        if now < self._next_compile:
            return
        self._next_compile = now + _PAUSE
        others = frozenset[str]().union(*records).difference(self._names, self._id_names)
        if len(others) <= _OTHERS and not any(map(_UNREADABLE.search, others)):
            together = others | self._others
            self._compile(together if len(together) <= _OTHERS_TOGETHER else others)

    def _of_lists(self, lists: Any, body: bytes) -> DecodedRows | None:
        values = msgspec.structs.astuple(lists)
        if not at_most(body, len(values) - values.count(msgspec.UNSET)):
            return None
        columns, ids = values[: self._width], values[self._width :]
        rows: list[Row] = list(zip(*columns, strict=False))
        if not rows or any(len(column) != len(rows) for column in columns):
            return None
        for given in ids:
            if given is not msgspec.UNSET:
                if not isinstance(given, list) or len(given) != len(rows):
                    return None
                return DecodedRows(rows, given) if _plain(given) and self._clean(rows) else None
        return DecodedRows(rows, None) if self._clean(rows) else None

    def _chosen(self, given: list[tuple[Any, ...]]) -> Any:
        """Return the identifiers of all rows; unsure if only some rows have one."""
        for at in range(self._ids):
            found = [row[at] for row in given]
            absent = found.count(msgspec.UNSET)
            if not absent:
                return found if _plain(found) else _UNSURE
            if absent < len(found):
                return _UNSURE
        return None

    def _clean(self, rows: Sequence[Row]) -> bool:
        """Return whether no value means a missing one, or is a text with NUL, which databases reject."""
        if self._missing and not all(map(self._missing.isdisjoint, rows)):
            return False
        for at in self._texts:
            for row in rows:
                if row[at] is not None and "\0" in row[at]:
                    return False
        return True


def _gappy(column: InputColumn) -> bool:
    """Return whether a column is a boolean that the model gets as a number, which may be missing."""
    return column.type == "boolean" and column.signed == "double"


_UNSURE: Any = object()


def _plain(ids: list[Any]) -> bool:
    """Return whether identifiers are unchanged by storing: all text, or all integers of 64 bits."""
    kinds = set(map(type, ids))
    if kinds == {str}:
        return not any("\0" in value or len(value) > SURELY_FITS for value in ids)
    return kinds == {int} and all(-(2**63) <= value < 2**63 for value in ids)


def _record(
    title: str,
    fields: Sequence[tuple[str, Any]],
    id_names: Sequence[str],
    others: Sequence[str] = (),
    strict: bool = False,
) -> Any:
    """Return a struct type with these fields, of any name; identifiers and others are optional.

    A strict type accepts no other fields: those of an object of lists must be checked.
    """
    rename = {f"c{at}": name for at, (name, _) in enumerate(fields)}
    made: list[Any] = [(f"c{at}", kind) for at, (_, kind) in enumerate(fields)]
    for at, name in enumerate((*id_names, *others)):
        rename[f"i{at}"] = name
        kind = Any if at < len(id_names) else msgspec.Raw | msgspec.UnsetType
        made.append((f"i{at}", kind, msgspec.UNSET))
    return msgspec.defstruct(title, made, rename=rename, gc=False, forbid_unknown_fields=strict)
