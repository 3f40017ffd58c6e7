"""Keeps the checks of models in PostgreSQL, in ``monitoring.checks``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mlpipes_cli.adapters.postgres import database, deliveries
from mlpipes_cli.ports.alerts import NewAlert
from mlpipes_cli.ports.monitoring import NewCheck, StoredCheck

ALWAYS_KEPT = 100  # of each version: a clock that jumps ahead removes no more than what is older
_COLUMNS = (
    "id, checked_at, model, version, alias, since, until, rows, alarm, enough, alpha, cause, actor, seconds, "
    "result"
)
_ADD = f"""
insert into monitoring.checks ({_COLUMNS}) values (
    %(id)s, %(checked_at)s, %(model)s, %(version)s, %(alias)s, %(since)s, %(until)s, %(rows)s, %(alarm)s,
    %(enough)s, %(alpha)s, %(cause)s, %(actor)s, %(seconds)s, %(result)s
)
"""  # noqa: S608  our own names, as below
_PRUNE = """
delete from monitoring.checks c using (
    select id, row_number() over (partition by model, version order by checked_at desc, id desc) as nth
    from monitoring.checks
) numbered
where numbered.id = c.id and numbered.nth > %(always)s
    and c.checked_at < clock_timestamp() - make_interval(secs => %(keep)s)
    and not exists (select from monitoring.deliveries d where d.check_id = c.id and d.state = 'waiting')
"""
# An alarm is a row of checks with one; checks of too few rows neither begin nor end it.
_CHECKS = f"""
with stated as (
    select *, sum(case when enough and not alarm then 1 else 0 end)
        over (partition by model, version order by checked_at, id) as calm
    from monitoring.checks
    where (%(model)s::text is null or model = %(model)s)
        and (%(version)s::int is null or version = %(version)s)
)
select {_COLUMNS},
    case when alarm then min(checked_at) filter (where alarm) over alarms end,
    case when alarm then count(*) filter (where alarm) over alarms else 0 end
from stated
window alarms as (partition by model, version, calm order by checked_at, id)
order by checked_at desc, id desc limit %(limit)s
"""  # noqa: S608


class PostgresCheckStore:
    """Implements :class:`mlpipes_cli.ports.monitoring.CheckStore`.

    Args:
        url: ``postgresql://user:password@host:port/mlpipes``.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def prepare(self) -> None:
        database.migrate(self._url)

    def now(self) -> datetime:
        with deliveries.transaction(self._url) as cursor:
            cursor.execute("select clock_timestamp()")
            found: Any = cursor.fetchone()
        moment: datetime = found[0]
        return moment

    def add(self, check: NewCheck, keep: timedelta, alert: NewAlert | None = None) -> None:
        values = vars(check) | {
            "id": str(check.id),
            "result": json.dumps(check.result, ensure_ascii=False, allow_nan=False),
        }
        with deliveries.transaction(self._url) as cursor:
            if alert is not None:
                deliveries.lock(cursor, check)
            cursor.execute(_ADD, values)
            if alert is not None:
                deliveries.enqueue(cursor, check, alert)
            cursor.execute(_PRUNE, {"always": ALWAYS_KEPT, "keep": keep.total_seconds()})
            deliveries.prune(cursor, keep)

    def checks(
        self, model: str | None = None, version: int | None = None, limit: int = 20
    ) -> Sequence[StoredCheck]:
        with deliveries.transaction(self._url) as cursor:
            cursor.execute(_CHECKS, {"model": model, "version": version, "limit": limit})
            return [StoredCheck(UUID(str(id)), *rest) for id, *rest in cursor.fetchall()]
