"""Keeps the history of retrainings in PostgreSQL, in ``monitoring.retrainings``."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mlpipes_cli.adapters.postgres import database, deliveries
from mlpipes_cli.ports.retraining.store import Retraining, Turn

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_TAKE = "select pg_try_advisory_lock(hashtextextended('mlpipes retrain ' || %s, 0))"
_BEGIN = """
insert into monitoring.retrainings (id, model, cause, check_id, actor)
values (%(id)s, %(model)s, %(cause)s, (select id from monitoring.checks where id = %(check_id)s), %(actor)s)
"""
_PRUNE = """
delete from monitoring.retrainings r using (
    select id, row_number() over (partition by model order by started_at desc, id desc) as nth
    from monitoring.retrainings
) numbered
where numbered.id = r.id and numbered.nth > %(always)s
    and r.started_at < clock_timestamp() - make_interval(secs => %(keep)s)
"""
_END = """
update monitoring.retrainings set ended_at = clock_timestamp(), outcome = %(outcome)s, detail = %(detail)s,
    run_id = %(run_id)s, version = %(version)s
where id = %(id)s and ended_at is null
"""
_NEWEST = """
select id, model, cause, check_id, started_at, ended_at, outcome, detail, run_id, version, actor
from monitoring.retrainings where (%(model)s::text is null or model = %(model)s)
order by started_at desc, id desc limit %(limit)s
"""
_ROLLED_BACK = """
update monitoring.retrainings set outcome = 'rolled back', detail = %(detail)s
where model = %(model)s and version = %(version)s and outcome = 'promoted'
"""
_ENQUEUE = """
insert into monitoring.deliveries (event, channel, message)
select %(event)s, channel, %(message)s from unnest(%(channels)s::text[]) channel on conflict do nothing
"""
_DETAIL = 1000  # characters
ALWAYS_KEPT = 100  # of each model


class _Turn:
    """Implements :class:`mlpipes_cli.ports.retraining.store.Turn`: the lock of a session."""

    def __init__(self, link: Connection) -> None:
        self._link = link

    def verify(self) -> None:
        import psycopg2

        try:
            with self._link.cursor() as cursor:
                cursor.execute("select 1")
        except psycopg2.Error as error:
            raise database.unreachable(error) from None


class PostgresRetrainingStore:
    """Implements :class:`mlpipes_cli.ports.retraining.store.RetrainingStore`.

    Args:
        url: ``postgresql://user:password@host:port/mlpipes``.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def prepare(self) -> None:
        database.migrate(self._url)

    def now(self) -> datetime:
        ((moment,),) = self._rows("select clock_timestamp()")
        return moment  # type: ignore[no-any-return]

    @contextlib.contextmanager
    def turn(self, model: str) -> Iterator[Turn | None]:
        import psycopg2

        with closing(database.connect(self._url)) as link:
            link.autocommit = True
            try:
                with link.cursor() as cursor:
                    cursor.execute(_TAKE, (model,))
                    found: Any = cursor.fetchone()
            except psycopg2.Error as error:
                raise database.unreachable(error) from None
            yield _Turn(link) if found[0] else None

    def begin(
        self, id: UUID, model: str, cause: str, check_id: UUID | None, actor: str, keep: timedelta
    ) -> None:
        check = None if check_id is None else str(check_id)
        self._rows(_BEGIN, id=str(id), model=model, cause=cause, check_id=check, actor=actor)
        self._rows(_PRUNE, keep=keep.total_seconds(), always=ALWAYS_KEPT)

    def end(
        self, id: UUID, outcome: str, detail: str, run_id: str | None = None, version: int | None = None
    ) -> None:
        line = " ".join(detail.split())[:_DETAIL]
        self._rows(_END, id=str(id), outcome=outcome, detail=line, run_id=run_id, version=version)

    def retrainings(self, model: str | None, limit: int) -> Sequence[Retraining]:
        def identifier(value: Any) -> UUID | None:
            return None if value is None else UUID(str(value))

        return [
            Retraining(UUID(str(id)), model, cause, identifier(check), *rest)
            for id, model, cause, check, *rest in self._rows(_NEWEST, model=model, limit=limit)
        ]

    def rolled_back(self, model: str, version: int, detail: str) -> None:
        self._rows(_ROLLED_BACK, model=model, version=version, detail=" ".join(detail.split())[:_DETAIL])

    def enqueue(self, event: str, channels: Sequence[str], message: Mapping[str, Any]) -> None:
        text = json.dumps(message, ensure_ascii=False, allow_nan=False)
        self._rows(_ENQUEUE, event=event, channels=list(channels), message=text)

    def _rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        with deliveries.transaction(self._url) as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description else []
