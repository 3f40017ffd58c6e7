"""Profiles a raw table on one snapshot of it, as the role that can only read."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from psycopg2 import sql

from mlpipes_cli.adapters.postgres.datasets.loaded_table import LoadedTable
from mlpipes_cli.adapters.postgres.datasets.preparing.relation import content
from mlpipes_cli.adapters.postgres.datasets.profiling import figures, sample
from mlpipes_cli.errors import UsageError
from mlpipes_cli.ports.data_sets.dataset_profile import ColumnProfile, TableProfile, TargetProfile
from mlpipes_cli.ports.data_sets.datasets import TableColumn
from mlpipes_cli.suggest import did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    from psycopg2.extensions import cursor as Cursor

    from mlpipes_cli.data.understanding.relation import Known

_GROUP = 10  # columns of which rows are in memory at once


@dataclass
class Profiling:
    """A profile in the making.

    Attributes:
        cursor: Of a read-only transaction.
        table: The raw table.
        roles: What columns are for, by their names in the table.
        unique: Columns whose values are meant to differ.
        say: Told how many columns there are, and which is looked at.
    """

    cursor: Cursor
    table: LoadedTable
    roles: Mapping[str, str]
    unique: Sequence[str]
    say: Callable[[str], None]

    def run(self) -> TableProfile:
        """Return the figures of the table.

        Raises:
            UsageError: The target is not a column, or no column that can be one.
        """
        target = self._target_column()
        rows, repeated = self._counts()
        found, known, shown = [], None, None
        if target is not None:
            known, shown = self._target(target, rows)
        for start in range(0, len(self.table.columns), _GROUP):
            part = self.table.columns[start : start + _GROUP]
            found += list(self._columns(part, rows, target, known))
        return TableProfile(self.table.load, rows, repeated, shown, found)

    def _target_column(self) -> TableColumn | None:
        name = next((column for column, role in self.roles.items() if role == "target"), None)
        if name is None:
            return None
        columns = {column.name: column for column in self.table.columns}
        if name not in columns:
            message = f"the table of {self.table.dataset!r} has no column {name!r}"
            raise UsageError(message + did_you_mean(name, columns), "see --target")
        if columns[name].type in figures.TIMES:
            raise UsageError(f"{name!r} contains dates, which cannot be a target", "see --target")
        return columns[name]

    def _counts(self) -> tuple[int, int]:
        names = [column.name for column in self.table.columns]
        statement = sql.SQL("select count(*), count(*) - count(distinct {}) from {}")
        self.cursor.execute(statement.format(content(names), self.table.name))
        rows, repeated = self.cursor.fetchone() or (0, 0)
        return rows, repeated

    def _target(self, column: TableColumn, rows: int) -> tuple[Known | None, TargetProfile | None]:
        from mlpipes_cli.data.understanding import relation

        values = self._sample([column], rows, column)[column.name]
        typed = values.astype(bool) if column.type == "boolean" else values
        known = relation.known(typed, sample.kind(column))
        if known is None:
            return None, None
        return known, TargetProfile(
            column.name, known.task, known.level, float(known.shown.mean()), len(values), rows > sample.ROWS
        )

    def _sample(self, columns: Sequence[TableColumn], rows: int, target: TableColumn | None) -> pd.DataFrame:
        """Return rows whose target, if there is one, is a value and, if it is a number, finite."""
        wanted = [*columns, *([] if target is None or target in columns else [target])]
        name = None if target is None else target.name
        frame = sample.read(self.cursor, self.table.name, wanted, rows, name)
        return frame if name is None else frame[frame[name].notna()]

    def _columns(
        self, part: Sequence[TableColumn], rows: int, target: TableColumn | None, known: Known | None
    ) -> Iterator[ColumnProfile]:
        from mlpipes_cli.data.understanding import column_hints, relation

        target = None if known is None else target
        read = [column for column in part if target is not None or column.type == "text"]
        frame = self._sample(read, rows, target) if read else None
        for column in part:
            self.say(column.name)
            profile, labels = figures.figures(self.cursor, self.table.name, column, rows)
            profile = replace(profile, role=self.roles.get(column.name, ""))
            hints = column_hints.of_figures(profile, rows, labels, unique=column.name in self.unique)
            if frame is not None and column in read and profile.distinct > 1:
                values, kind = frame[column.name], sample.kind(column)
                if kind == "text":
                    hints += column_hints.of_texts(values)
                if target is not None and known is not None and column != target:
                    related = relation.relation(values, kind, known, _shown_as(column.type))
                    profile = replace(profile, relation=related)
                    hints += column_hints.of_sample(values, kind, known, target.name)
            yield replace(profile, hints=hints)


def _shown_as(kind: str) -> Callable[[float], str]:
    """Return how a number of a column is written."""
    if kind in figures.TIMES:
        return lambda value: _moment(value, kind)
    if kind == "integer":
        return lambda value: f"{value:,.0f}"
    return lambda value: f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"


def _moment(seconds: float, kind: str) -> str:
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    return moment.isoformat(" ", "minutes")[: 10 if kind == "date" else 16]
