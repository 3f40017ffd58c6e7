"""Keeps the alerts that have to go out in PostgreSQL, in ``monitoring.deliveries``."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.postgres import database
from mlpipes_cli.ports.alerts import ClaimedAlert, Delivery, NewAlert
from mlpipes_cli.ports.monitoring import NewCheck

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

KEPT_TRYING = "3 days"
SENDING = "10 minutes"  # of a try that takes longer, the process has ended
LOST = "the process ended, or lost the database, while it sent the alert; whether it arrived is unknown"
_LOCK = "select pg_advisory_xact_lock(hashtextextended('monitoring.checks ' || %(model)s || %(version)s, 0))"
# When the last check without an alarm was made before this one; nothing if a newer check was stored first.
# One of another version that has taken the alias ends the alarm, too.
_CALM = """
select coalesce(max(checked_at) filter (where enough and not alarm), '-infinity'::timestamptz)::text
from monitoring.checks
where model = %(model)s and (version = %(version)s or alias = %(alias)s) and (enough or alarm)
    and id <> %(id)s
having count(*) filter (where version = %(version)s and checked_at > %(checked_at)s) = 0
"""
_FIRST = """
select id::text from monitoring.checks
where model = %(model)s and version = %(version)s and alarm and checked_at > %(calm)s
order by checked_at, id limit 1
"""
_ALARMED = """
    d.event like 'alarm:%%' and d.message->>'model' = %(model)s
    and (d.message->>'version')::int = %(version)s and (d.message->>'checked_at')::timestamptz > %(calm)s
"""
_ALARM = f"""
insert into monitoring.deliveries (event, channel, check_id, message)
select 'alarm:' || %(first)s, channel, %(id)s, %(message)s from unnest(%(channels)s::text[]) channel
where not exists (select from monitoring.deliveries d where d.channel = channel.channel and {_ALARMED})
on conflict do nothing
"""  # noqa: S608  our own names, as below
_END = """
insert into monitoring.deliveries (event, channel, check_id, message)
select 'calm:' || substr(d.event, 7), d.channel, %(id)s, %(message)s from monitoring.deliveries d
where d.channel = any(%(channels)s) and d.state <> 'dropped'
    and d.event like 'alarm:%%' and d.message->>'model' = %(model)s
    and ((d.message->>'version')::int = %(version)s or d.message->>'alias' = %(alias)s)
    and (d.message->>'checked_at')::timestamptz < %(checked_at)s
    and not exists (
        select from monitoring.checks c
        where c.model = %(model)s and c.id <> %(id)s and c.enough and not c.alarm
            and (c.version = (d.message->>'version')::int or c.alias = d.message->>'alias')
            and c.checked_at > (d.message->>'checked_at')::timestamptz
    )
on conflict do nothing
"""
# The row of an alarm that lasts keeps it from being sent again; so does its check, which is removed first.
_PRUNE = """
delete from monitoring.deliveries d
where d.state in ('sent', 'dropped') and d.check_id is null
    and d.created_at < clock_timestamp() - make_interval(secs => %(keep)s)
    and (d.event not like 'alarm:%%' or exists (
        select from monitoring.checks c
        where c.model = d.message->>'model'
            and (c.version = (d.message->>'version')::int or c.alias = d.message->>'alias')
            and c.enough and not c.alarm and c.checked_at > (d.message->>'checked_at')::timestamptz
    ))
"""
_CLAIM = f"""
update monitoring.deliveries
set state = 'sending', attempts = attempts + 1, next_try = clock_timestamp() + interval '{SENDING}'
where (event, channel) = (
    select event, channel from monitoring.deliveries d
    where state = 'waiting' and next_try <= clock_timestamp() and channel = any(%(channels)s) and not exists (
        select from monitoring.deliveries e where e.channel = d.channel and d.event like 'calm:%%'
            and e.event = 'alarm:' || substr(d.event, 6) and e.state in ('waiting', 'sending')
    )
    order by created_at, event limit 1 for update skip locked
)
returning event, channel, message, attempts
"""  # noqa: S608
_SENT = """
update monitoring.deliveries set state = 'sent', sent_at = clock_timestamp(), last_error = %(error)s
where event = %(event)s and channel = %(channel)s
"""
_FAILED = f"""
update monitoring.deliveries set last_error = %(error)s,
    state = case when created_at < clock_timestamp() - interval '{KEPT_TRYING}'
        then 'dropped' else 'waiting' end,
    next_try = clock_timestamp()
        + least(interval '1 minute' * 2 ^ least(attempts - 1, 10), interval '6 hours')
where event = %(event)s and channel = %(channel)s and state = 'sending' and attempts = %(attempts)s
returning state
"""  # noqa: S608
_ROW = (
    "event, channel, state, attempts, case when state = 'waiting' then next_try end, last_error, created_at,"
    " sent_at"
)
_GIVE_UP = f"""
update monitoring.deliveries set state = 'dropped',
    last_error = case when state = 'sending' then %(lost)s else 'the channel is not in mlpipes.yaml' end
where state = 'sending' and next_try < clock_timestamp()
    or state = 'waiting' and created_at < clock_timestamp() - interval '{KEPT_TRYING}'
        and channel <> all(%(channels)s)
returning {_ROW}
"""  # noqa: S608


def enqueue(cursor: Cursor, check: NewCheck, alert: NewAlert) -> None:
    """Store an alert for each channel if the check begins or ends an alarm of its version.

    An alarm of a version ends, too, when the version that has taken its alias raises none.

    Checks of one version are ordered by :func:`lock`, so that two at once begin one alarm.

    Args:
        cursor: The cursor of the transaction that stored the check.
        check: The check.
        alert: What to say to whom.
    """
    if not (check.alarm or check.enough) or not alert.channels:
        return
    values: dict[str, Any] = {
        "id": str(check.id), "model": check.model, "version": check.version, "alias": check.alias,
        "checked_at": check.checked_at,
        "channels": list(alert.channels),
        "message": json.dumps(alert.message, ensure_ascii=False, allow_nan=False),
    }  # fmt: skip
    cursor.execute(_CALM, values)
    if (calm := cursor.fetchone()) is None:
        return
    values["calm"] = calm[0]
    if not check.alarm:
        cursor.execute(_END, values)
        return
    cursor.execute(_FIRST, values)
    first: Any = cursor.fetchone()
    cursor.execute(_ALARM, values | {"first": first[0]})


def lock(cursor: Cursor, check: NewCheck) -> None:
    """Wait until no other transaction stores a check of the same version."""
    cursor.execute(_LOCK, {"model": check.model, "version": str(check.version)})


def prune(cursor: Cursor, keep: timedelta) -> None:
    """Remove alerts that are done with, older than ``keep``, whose check is removed and whose alarm ended."""
    cursor.execute(_PRUNE, {"keep": keep.total_seconds()})


class PostgresOutbox:
    """Implements :class:`mlpipes_cli.ports.alerts.Outbox`.

    Args:
        url: ``postgresql://user:password@host:port/mlpipes``.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def claim(self, channels: Sequence[str]) -> ClaimedAlert | None:
        found = self._rows(_CLAIM, channels=list(channels))
        if not found:
            return None
        event, channel, message, attempts = found[0]
        return ClaimedAlert(event, channel, {**message, "event": event}, attempts)

    def sent(self, alert: ClaimedAlert, note: str | None = None) -> None:
        self._rows(_SENT, event=alert.event, channel=alert.channel, error=note)

    def failed(self, alert: ClaimedAlert, error: str) -> bool:
        found = self._rows(_FAILED, error=error[:500], **vars(alert) | {"message": None})
        return bool(found) and found[0][0] == "waiting"

    def give_up(self, channels: Sequence[str]) -> Sequence[Delivery]:
        return [Delivery(*row) for row in self._rows(_GIVE_UP, lost=LOST, channels=list(channels))]

    def deliveries(self, limit: int) -> Sequence[Delivery]:
        query = (
            f"select {_ROW} from monitoring.deliveries order by created_at desc, event, channel limit %(n)s"  # noqa: S608
        )
        return [Delivery(*row) for row in self._rows(query, n=limit)]

    def _rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        with transaction(self._url) as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description else []


@contextlib.contextmanager
def transaction(url: str) -> Iterator[Cursor]:
    """Yield the cursor of a transaction.

    Raises:
        MlpipesError: The database does not answer.
    """
    import psycopg2

    try:
        with closing(database.connect(url)) as link, link, link.cursor() as cursor:
            yield cursor
    except psycopg2.Error as error:
        raise database.unreachable(error) from None
