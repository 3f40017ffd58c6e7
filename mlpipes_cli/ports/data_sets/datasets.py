"""Data sets: what is known of their tables, loads, checks and versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

ROW, LOAD, SPLIT = "_row", "_load", "_split"  # columns that mlpipes adds to the tables


@dataclass(frozen=True)
class TableColumn:
    """A column of a data set's table.

    Attributes:
        name: Its name in the table.
        type: ``integer``, ``number``, ``text``, ``boolean``, ``date`` or ``datetime`` (UTC, without a zone).
        source: Its name in the source, if another one.
    """

    name: str
    type: str
    source: str | None = None


# How PostgreSQL stores each type of a column.
SQL_TYPES: Mapping[str, str] = {
    "integer": "bigint",
    "number": "double precision",
    "text": "text",
    "boolean": "boolean",
    "date": "date",
    "datetime": "timestamp",
}


@dataclass(frozen=True)
class LoadRecord:
    """A load of a data set: a line of ``raw_data._loads``.

    Attributes:
        id: Its number.
        dataset: The data set's name.
        mode: ``replace``, ``append`` or ``merge``.
        source: The source, as messages name it.
        fingerprint: SHA-256 of what was loaded.
        rows: Rows of the table afterwards.
        added: Rows that were not there before.
        updated: Rows of a known key that changed.
        unchanged: Rows of the source that were there already.
        set_aside: Rows that could not be read.
        columns: The table's columns, in order.
        settings: How the source was read.
        actor: Who loaded.
        started_at: When it began.
        finished_at: When it was committed.
    """

    id: int
    dataset: str
    mode: str
    source: str
    fingerprint: str
    rows: int
    added: int
    updated: int
    unchanged: int
    set_aside: int
    columns: Sequence[TableColumn]
    settings: Mapping[str, Any] = field(default_factory=dict)
    actor: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True)
class CheckResult:
    """What one check of a table found.

    Attributes:
        check: Its name: the column and the expectation, or what ``dataset.yaml`` calls it.
        ok: Whether the table is right.
        wrong: How many rows are wrong; for a bound on the whole table, 0 or 1.
        examples: Up to five wrong rows, as column and value; or the value that is out of bounds.
    """

    check: str
    ok: bool
    wrong: int
    examples: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class CheckRun:
    """A run of all checks of a data set: a line of ``raw_data._checks``.

    Attributes:
        id: Its number.
        dataset: The data set's name.
        load: The newest load that the checks saw.
        ok: Whether all checks found the table right.
        results: What each check found.
        actor: Who ran it.
        checked_at: When.
    """

    id: int
    dataset: str
    load: int
    ok: bool
    results: Sequence[CheckResult]
    actor: str
    checked_at: datetime


@dataclass(frozen=True)
class DatasetVersion:
    """A version of a data set: a line of ``clean_data._versions``.

    Attributes:
        dataset: The data set's name.
        version: Its number, from 1.
        load: The newest load that it was made from.
        fingerprint: SHA-256 of its rows and their split.
        rows: Rows in all parts.
        splits: Rows of ``train``, ``validation`` and ``test``.
        columns: The table's columns, in order.
        learned: What steps learned on the training rows.
        settings: ``clean``, ``split``, ``key`` and ``weights`` of ``dataset.yaml``.
        table: The table in ``clean_data``; None once its rows have been pruned.
        actor: Who made it.
        created_at: When.
    """

    dataset: str
    version: int
    load: int
    fingerprint: str
    rows: int
    splits: Mapping[str, int]
    columns: Sequence[TableColumn]
    learned: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    table: str | None = None
    actor: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True)
class BadRow:
    """A record of a source that could not be read: a line of ``raw_data._bad_rows``.

    Attributes:
        source: The file, or the source as messages name it.
        line: Its line in the file, or its row in a source without lines; from 1.
        reason: What is wrong: the column and the value.
        content: The record as the source has it.
    """

    source: str
    line: int
    reason: str
    content: str


@dataclass(frozen=True)
class Changes:
    """What a load changed in a raw table.

    Attributes:
        rows: Rows of the table afterwards.
        added: Rows that were not there before.
        updated: Rows of a known key that changed.
        unchanged: Rows of the source that were there already.
    """

    rows: int
    added: int
    updated: int = 0
    unchanged: int = 0


class KeyProblem(Exception):
    """Rows of a source do not keep the key; the text is one line without the source's name.

    Attributes:
        rows: Some of the rows, counted from 0 in the order in which they were copied.
    """

    def __init__(self, text: str, rows: Sequence[int] = ()) -> None:
        super().__init__(text)
        self.rows = tuple(rows)


class RawTable(Protocol):
    """The raw table of a data set, changed by one process: nothing is visible before :meth:`finish`."""

    @property
    def loads(self) -> Sequence[LoadRecord]:
        """The loads so far, the newest first."""

    @property
    def columns(self) -> Sequence[TableColumn] | None:
        """The table's columns without those that mlpipes adds; None if there is no table."""

    def begin(self, mode: str, columns: Sequence[TableColumn], key: Sequence[str]) -> int:
        """Begin a load, forget one that was begun before, and return its number.

        Args:
            mode: ``replace``, ``append`` or ``merge``.
            columns: The columns of the rows that come.
            key: The columns that identify a row, by their names in the table.
        """

    def copy(self, batches: Iterator[Sequence[Any]]) -> int:
        """Add rows, as a list of Arrow arrays for each batch; return their number.

        Raises:
            MlpipesError: The database refuses; what is raised while a batch is made comes through as it is.
        """

    def apply(self) -> Changes:
        """Bring the rows into the table.

        Raises:
            KeyProblem: Rows have no key, or the same one.
        """

    def finish(self, record: LoadRecord, bad: Sequence[BadRow]) -> None:
        """Store the record and make the load visible, at once."""
