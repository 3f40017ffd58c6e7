# ruff: noqa: S608  the statements are put together from parts that stand in this file
"""Reads and prunes the prediction log in PostgreSQL, for the commands that people use."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.postgres import database, pruning, queries
from mlpipes_cli.ports.prediction_records import (
    Judged,
    LogSnapshot,
    Period,
    Prunable,
    Selection,
    StoredPrediction,
    Tally,
)

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_LOG = "serving.predictions p"
# A shadow's truth is that of the answered prediction.
_TRUTH = "serving.ground_truth t on t.prediction_id = coalesce(p.shadow_of, p.prediction_id)"
_ROW = """p.prediction_id::text, p.caller_id, p.made_at, p.model_name, p.model_version, p.model_alias,
    p.inputs::text, p.prediction::text, p.scores::text, p.latency_ms, p.trace_id, p.shadow_of::text,
    t.value::text, t.received_at, t.source"""
_CONDITIONS = {
    "model": "p.model_name = %(model)s",
    "version": "p.model_version = %(version)s",
    "alias": "p.model_alias = %(alias)s",
    "since": "p.made_at >= to_timestamp(%(since)s)",
    "until": "p.made_at < to_timestamp(%(until)s)",
}
# One step through the index for each model, not for each row.
_MODELS = """
with recursive names (name) as (
    select min(model_name) from serving.predictions
    union all
    select (select min(model_name) from serving.predictions where model_name > name) from names
    where name is not null
)
select name from names where name is not null
"""


class PostgresPredictionRecords:
    """Implements :class:`mlpipes_cli.ports.prediction_records.PredictionRecords`.

    Args:
        url: ``postgresql://user:password@host:port/mlpipes``.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def prepare(self) -> None:
        database.migrate(self._url)

    def models(self) -> Sequence[str]:
        return [str(name) for (name,) in self._asked(_MODELS, {})]

    def newest(self, selection: Selection, limit: int) -> Sequence[StoredPrediction]:
        order = "order by p.made_at desc, p.prediction_id desc"
        chosen = f"select * from {_LOG} where {_where(selection)} {order} limit %(limit)s"
        found = self._asked(
            f"select {_ROW} from ({chosen}) p left join {_TRUTH} {order}",
            vars(selection) | {"limit": limit},
        )
        return [StoredPrediction(*row) for row in found]

    @contextlib.contextmanager
    def snapshot(self, selection: Selection, *, inputs: bool, size: int) -> Iterator[LogSnapshot]:
        with self._session() as session:
            rows, kinds = _kinds(session, selection)
            named = _input_kinds(session, selection) if inputs else {}
            statement = (
                f"select {_ROW} from {_LOG} left join {_TRUTH} where {_where(selection)} order by p.made_at"
            )
            batches = queries.streamed(session, statement, vars(selection), size)
            yield LogSnapshot(
                rows, kinds, named, ([StoredPrediction(*row) for row in part] for part in batches)
            )

    def tally(self, selection: Selection, period: Period | None) -> Sequence[Tally]:
        found = self._asked(
            f"select p.model_version, {_start(period)}, count(*), count(p.shadow_of) "
            f"from {_LOG} where {_where(selection)} group by 1, 2 order by 1, 2",
            vars(selection),
        )
        return [Tally(*row) for row in found]

    def judged(self, selection: Selection, period: Period | None, size: int) -> Iterator[Sequence[Judged]]:
        statement = (
            f"select p.model_version, {_start(period)}, p.prediction::text, p.scores::text, t.value::text, "
            f"p.caller_id from {_LOG} join {_TRUTH} where {_where(selection)}"
        )
        with self._session() as session:
            for part in queries.streamed(session, statement, vars(selection), size):
                yield [Judged(*row) for row in part]

    def prunable(self, before: float, model: str | None) -> Prunable:
        with self._session() as session:
            return pruning.prunable(session, before, model)

    def prune(self, before: float, model: str | None, removed: Callable[[int], None]) -> Prunable:
        with self._session(writing=True) as session:
            return pruning.prune(session, before, model, removed)

    def _asked(self, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with self._session() as session:
            return queries.fetched(session, statement, values)

    @contextlib.contextmanager
    def _session(self, *, writing: bool = False) -> Iterator[Connection]:
        """Yield a connection without a short timeout, since statements on a large table take long.

        When it only reads, all statements see the same snapshot.
        """
        import psycopg2

        try:
            with closing(database.connect(self._url)) as connection:
                if not writing:
                    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
                with connection.cursor() as cursor:
                    cursor.execute("set statement_timeout = 0")
                yield connection
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            raise database.unreachable(error) from None


def _where(selection: Selection) -> str:
    """Return only the conditions that apply, so that the planner can choose partitions and index."""
    given = [text for name, text in _CONDITIONS.items() if getattr(selection, name) is not None]
    return " and ".join(given) or "true"


def _start(period: Period | None) -> str:
    return f"date_trunc('{period}', p.made_at)" if period else "null::timestamptz"


def _kind(value: str) -> str:
    """Return SQL for the kind of a JSON value; an integer is a number written as one that 64 bits hold."""
    whole = f"{value}::text !~ '[.eE]' and length({value}::text) <= 18"
    number = f"case when {whole} then 'integer' else 'float' end"
    return f"case jsonb_typeof({value}) when 'number' then {number} else jsonb_typeof({value}) end"


def _kinds(session: Connection, selection: Selection) -> tuple[int, dict[str, frozenset[str]]]:
    """Return how many rows there are, and the kinds of ``prediction`` and ``truth``."""
    found = queries.fetched(
        session,
        f"select {_kind('p.prediction')}, {_kind('t.value')}, count(*) "
        f"from {_LOG} left join {_TRUTH} where {_where(selection)} group by 1, 2",
        vars(selection),
    )
    kinds = {
        "prediction": frozenset(str(kind) for kind, _, _ in found),
        "truth": frozenset(str(kind) for _, kind, _ in found if kind is not None),
    }
    return sum(rows for _, _, rows in found), kinds


def _input_kinds(session: Connection, selection: Selection) -> dict[str, frozenset[str]]:
    found = queries.fetched(
        session,
        f"select i.key, array_agg(distinct {_kind('i.value')}) "
        f"from {_LOG}, jsonb_each(case jsonb_typeof(p.inputs) when 'object' then p.inputs end) "
        f"as i (key, value) where {_where(selection)} group by i.key order by i.key",
        vars(selection),
    )
    return {str(name): frozenset(kinds) for name, kinds in found}
