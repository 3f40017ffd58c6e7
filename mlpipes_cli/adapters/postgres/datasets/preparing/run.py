"""Runs the clean steps and the split, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from psycopg2 import sql

from mlpipes_cli.adapters.postgres.datasets.checks.expectations import stored_column
from mlpipes_cli.adapters.postgres.datasets.loaded_table import LoadedTable
from mlpipes_cli.adapters.postgres.datasets.preparing import functions, learned
from mlpipes_cli.adapters.postgres.datasets.preparing.relation import Relation
from mlpipes_cli.adapters.postgres.datasets.preparing.splits import PARTS, Splitter, check_columns
from mlpipes_cli.adapters.postgres.datasets.preparing.stages import Stages
from mlpipes_cli.adapters.postgres.datasets.preparing.steps import Steps
from mlpipes_cli.adapters.postgres.datasets.sql_errors import CastFailed, located
from mlpipes_cli.adapters.postgres.datasets.transactions import transaction
from mlpipes_cli.config.dataset.config import DatasetConfig
from mlpipes_cli.config.dataset.steps import Step
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.errors import ConfigError, MlpipesError
from mlpipes_cli.ports.data_sets.dataset_work import Call
from mlpipes_cli.ports.data_sets.datasets import ROW

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


@dataclass
class Preparation:
    """From the rows of a raw table to clean ones, each with its part.

    Attributes:
        connection: In autocommit mode; its temporary tables hold the rows.
        table: The raw table.
        config: What is done.
        source: The file.
        texts: The queries of ``sql`` steps, by position.
        calls: The functions of ``function`` steps, by position.
        say: Told each step when it begins.
        note: Told what users should know.
        learned: What was learned, in order.
        divided: How many rows were split.
    """

    connection: Connection
    table: LoadedTable
    config: DatasetConfig
    source: YamlSource
    texts: Mapping[int, str]
    calls: Mapping[int, Call]
    say: Callable[[str], None]
    note: Callable[[str], None]
    learned: list[dict[str, Any]] = field(default_factory=list)
    divided: int = 0
    _since: list[Relation] = field(default_factory=list)  # steps that have not run yet

    def check(self) -> None:
        """Check the names, types and SQL of all steps without running one, up to the first function.

        Raises:
            ConfigError: A step is wrong.
        """
        rows = self._begin()
        rows = replace(rows, query=sql.SQL("{} where false").format(rows.query))
        divided = False
        for position, step in enumerate(self.config.clean):
            at: Location = ("clean", position, step.kind)
            if step.function is not None:
                return
            if learned.learns(step) and not divided:
                check_columns(rows, self.config.split, self.source)
                divided = True
            with transaction(self.connection, read_only=True) as cursor:
                if step.fill is not None or step.clip is not None:
                    wanted = learned.wanted(rows, step, self.source, at)
                    nothing = dict.fromkeys(wanted, (None, None) if step.clip else None)
                    rows = learned.apply(rows, step, nothing, self.source, at)
                else:
                    rows = Steps(cursor, self.source).add(rows, step, position, self.texts.get(position))
        if not divided:
            check_columns(rows, self.config.split, self.source)
        self._weights(rows)

    def run(self) -> Relation:
        """Return the clean rows, split, as a query that has no SQL of the user's in it.

        Raises:
            ConfigError: A step is wrong.
            MlpipesError: A step fails on a row, or the rows cannot be split.
        """
        stages = Stages(self.connection)
        rows = self._begin()
        for position, step in enumerate(self.config.clean):
            self.say(f"step {position + 1} of {len(self.config.clean)}: {step.kind}")
            if learned.learns(step) and not rows.split:
                rows = self._split(stages, rows, f"before step {position + 1}, which learns")
            if step.fill is not None or step.clip is not None:
                rows = self._learn(stages, rows, step, position)
            elif step.function is not None:
                rows = self._stage(stages, rows)
                rows = functions.run(
                    stages, rows, self.calls[position], self.source, ("clean", position, "function")
                )
            else:
                with transaction(self.connection, read_only=True) as cursor:
                    rows = Steps(cursor, self.source).add(rows, step, position, self.texts.get(position))
            self._since.append(rows)
        if not rows.split:
            rows = self._split(stages, rows, "")
        if rows.foreign or rows.dear:
            rows = self._stage(stages, rows)
        self._weights(rows, stages)
        return rows

    def _begin(self) -> Relation:
        names = [sql.Identifier(column.name) for column in self.table.columns]
        query = sql.SQL("select {} from {}").format(
            sql.SQL(", ").join([*names, sql.Identifier(ROW)]), self.table.name
        )
        types, key = self.table.types, None
        if self.config.key is not None:
            found = [
                stored_column(self.config, name, types, self.source, ("key",)) for name in self.config.key
            ]
            key = dict(zip(found, found, strict=True))
        return Relation(query, tuple(self.table.columns), key)

    def _stage(self, stages: Stages, rows: Relation) -> Relation:
        with self._blamed(rows):
            rows = stages.store(rows)
        self._since = []
        return rows

    def _split(self, stages: Stages, rows: Relation, when: str) -> Relation:
        rows = self._stage(stages, rows)
        self.say(f"splitting {when}".rstrip())
        with transaction(self.connection) as cursor, located(self.source, ("split",), ours=True):
            self.divided = Splitter(cursor, rows, self.config.split, self.source, self.note).run()
        names = sql.SQL(", ").join(map(sql.Identifier, (*rows.types, ROW, "_split")))
        query = sql.SQL("select {} from ({}) as stored join {} using (_row)").format(names, rows.query, PARTS)
        return replace(rows, query=query, split=True)

    def _learn(self, stages: Stages, rows: Relation, step: Step, position: int) -> Relation:
        at: Location = ("clean", position, step.kind)
        wanted = learned.wanted(rows, step, self.source, at)
        found: dict[str, Any] = {}
        if wanted:
            if rows.dear:
                rows = self._stage(stages, rows)
            with transaction(self.connection, read_only=True) as cursor, self._blamed(rows):
                found = learned.learn(cursor, rows, wanted, self.source, at)
            self.learned.append({"step": position, step.kind: found})
        return replace(learned.apply(rows, step, found, self.source, at), last=at)

    def _weights(self, rows: Relation, stages: Stages | None = None) -> None:
        if self.config.weights is None:
            return
        name = self.config.weights
        column = rows.column(name, self.source, ("weights",))
        if column.type not in {"integer", "number"}:
            message = f"expected numbers, and the column {name!r} has the type {column.type}"
            raise ConfigError([self.source.problem(("weights",), message)])
        if stages is None:
            return
        statement = sql.SQL(
            "select _row, {it}::text from ({rows}) as input"
            " where ({it} > 0 and {it}::float8 < 'Infinity') is not true limit 1"
        ).format(it=sql.Identifier(name), rows=rows.query)
        with transaction(self.connection, read_only=True) as cursor, self._blamed(rows):
            cursor.execute(statement)
            if wrong := cursor.fetchone():
                message = (
                    f"row {wrong[0]} has the weight {wrong[1] or 'missing'}; weights are numbers above 0"
                )
                raise MlpipesError(
                    self.source.problem(("weights",), message), "leave such rows out with `where`"
                )

    @contextmanager
    def _blamed(self, rows: Relation) -> Iterator[None]:
        """Name the step at which a statement over several steps failed."""
        import psycopg2

        try:
            yield
        except psycopg2.Error as error:
            at = rows.last if self.connection.closed else self._culprit(rows)
            try:
                with located(self.source, at):
                    raise error
            except CastFailed as found:
                raise self._cast_failed(found) from None

    def _culprit(self, rows: Relation) -> Location:
        """Return the first step whose query fails by itself."""
        import psycopg2

        for step in self._since:
            try:
                with transaction(self.connection, read_only=True) as cursor:
                    whole = sql.SQL("select max(length(input::text)) from ({}) as input")
                    cursor.execute(whole.format(step.query))
            except psycopg2.Error:
                return step.last
        return rows.last

    def _cast_failed(self, found: CastFailed) -> MlpipesError:
        types = self.config.clean[found.step].cast or {}
        name, kind = list(types.items())[found.column]
        at: Location = ("clean", found.step, "cast", name)
        reason = self.source.problem(at, f"row {found.row}: {found.value!r} is not valid as {kind}")
        return MlpipesError(reason, "leave such rows out with `where`, or make their values missing first")
