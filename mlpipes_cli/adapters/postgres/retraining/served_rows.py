"""Reads served rows with their ground truth from PostgreSQL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any

from mlpipes_cli.adapters.postgres import database, queries
from mlpipes_cli.ports.prediction_records import Judged
from mlpipes_cli.ports.retraining.served_rows import ServedRow

_JUDGED = """serving.predictions p join serving.ground_truth t on t.prediction_id = p.prediction_id
where p.model_name = %(model)s and p.shadow_of is null"""
_UNIT = "coalesce(p.caller_id, p.prediction_id::text)"
_ROWS = f"""
select inputs, truth, caller_id from (
    select inputs, truth, caller_id, made_at, prediction_id from (
        select distinct on ({_UNIT}) p.inputs::text as inputs, t.value::text as truth, p.caller_id, p.made_at,
            p.prediction_id
        from {_JUDGED}
        order by {_UNIT}, t.received_at desc, p.made_at desc, p.prediction_id desc
    ) once order by made_at desc, prediction_id desc limit %(most)s
) newest order by made_at, prediction_id
"""  # noqa: S608  our own names, as below
_COUNT = f"select count(distinct {_UNIT}) from {_JUDGED} and t.received_at >= %(since)s"  # noqa: S608
_VERSION = f"""
select prediction, scores, value, caller_id from (
    select p.prediction::text, p.scores::text, t.value::text, p.caller_id, t.received_at, p.made_at,
        p.prediction_id
    from {_JUDGED} and p.model_version = %(version)s
        and (%(since)s::timestamptz is null or p.made_at >= %(since)s)
        and (%(until)s::timestamptz is null or p.made_at < %(until)s)
    order by {{order}} limit %(most)s
) chosen order by received_at, made_at, prediction_id
"""  # noqa: S608
_FIRST_TRUTHS = "t.received_at, p.made_at, p.prediction_id"
_LAST_MADE = "p.made_at desc, p.prediction_id desc"


class PostgresServedRows:
    """Implements :class:`mlpipes_cli.ports.retraining.served_rows.ServedRows`.

    Args:
        url: ``postgresql://user:password@host:port/mlpipes``.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    @contextlib.contextmanager
    def rows(self, model: str, *, most: int, size: int) -> Iterator[Iterator[Sequence[ServedRow]]]:
        import psycopg2

        try:
            with closing(database.connect(self._url)) as session:
                session.set_session(isolation_level="REPEATABLE READ", readonly=True)
                with session.cursor() as cursor:
                    cursor.execute("set statement_timeout = 0")
                asked = {"model": model, "most": most}
                parts = queries.streamed(session, _ROWS, asked, size)
                yield ([ServedRow(*row) for row in part] for part in parts)
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            raise database.unreachable(error) from None

    def count(self, model: str, since: datetime) -> int:
        ((found,),) = self._fetched(_COUNT, {"model": model, "since": since})
        return int(found)

    def judged(
        self,
        model: str,
        version: int,
        *,
        most: int,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Sequence[Judged]:
        statement = _VERSION.format(order=_FIRST_TRUTHS if until is None else _LAST_MADE)
        asked = {"model": model, "version": version, "most": most, "since": since, "until": until}
        return [Judged(0, None, *row) for row in self._fetched(statement, asked)]

    def _fetched(self, statement: str, asked: dict[str, Any]) -> list[tuple[Any, ...]]:
        import psycopg2

        try:
            with closing(database.connect(self._url)) as session:
                session.set_session(readonly=True)
                with session.cursor() as cursor:
                    cursor.execute("set statement_timeout = 0")
                return queries.fetched(session, statement, asked)
        except psycopg2.Error as error:
            raise database.unreachable(error) from None
