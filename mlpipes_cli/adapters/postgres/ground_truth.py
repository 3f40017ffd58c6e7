"""Stores ground truth in PostgreSQL, one statement for all truths of a call."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from os import dup
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mlpipes_cli.adapters.postgres import database
from mlpipes_cli.errors import Rejected
from mlpipes_cli.ports.ground_truth import Recorded, Truth

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_LAST = 253_402_300_799_999  # the end of the year 9999, in milliseconds
_DEADLOCKS = 5  # a prune may delete the same rows in another order
# LIMIT and OFFSET keep each look-up separate: once for each truth, through the index on what is
# looked up, in the one partition of that moment. Joined, the planner may take the model's index and
# compare every truth with every row.
_RECORD = """
with by_id as (
    select s.n, coalesce(p.shadow_of, p.prediction_id) as prediction_id, s.value
    from unnest(%(id_n)s::int[], %(id)s::uuid[], %(made_at)s::timestamptz[], %(id_value)s::jsonb[])
        as s (n, id, made_at, value),
    lateral (
        select * from serving.predictions where prediction_id = s.id and made_at = s.made_at limit 1
    ) p
    where p.model_name = %(model)s and (%(version)s is null or p.model_version = %(version)s)
), by_caller as (
    select s.n, p.prediction_id, s.value,
        row_number() over (partition by s.n order by p.made_at desc, p.prediction_id desc) as nth
    from unnest(%(caller_n)s::int[], %(caller)s::text[], %(caller_value)s::jsonb[]) as s (n, caller, value),
    lateral (select * from serving.predictions where caller_id = s.caller offset 0) p
    where p.shadow_of is null
        and p.model_name = %(model)s and (%(version)s is null or p.model_version = %(version)s)
), found as (
    select n, prediction_id, value from by_id
    union all
    select n, prediction_id, value from by_caller where nth = 1 or not %(latest)s
), meant as (
    select distinct on (prediction_id) prediction_id, value from found order by prediction_id, n desc
), written as (
    insert into serving.ground_truth as t (prediction_id, value, source)
    select prediction_id, value, %(source)s from meant order by prediction_id
    on conflict (prediction_id) do update
        set value = excluded.value, received_at = excluded.received_at, source = excluded.source
        where t.value is distinct from excluded.value
    returning t.xmax = 0 as fresh
)
select (select count(*) from meant),
    (select count(*) from written where fresh),
    (select count(*) from written where not fresh),
    (select coalesce(array_agg(distinct n), '{}') from found)
"""


class PostgresTruthStore:
    """Implements :class:`mlpipes_cli.ports.ground_truth.TruthStore`.

    Args:
        url: ``postgresql://user:password@host:port/mlpipes``.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[Connection] = []

    def record(
        self,
        truths: Sequence[Truth],
        *,
        model: str,
        version: int | None = None,
        latest: bool = False,
        source: str | None = None,
        seconds: float = 30.0,
    ) -> Recorded:
        import psycopg2

        if not truths:
            return Recorded(0, 0, 0, ())
        question = _question(truths) | {
            "model": model, "version": version, "latest": latest, "source": source,
        }  # fmt: skip
        for left in reversed(range(_DEADLOCKS)):
            try:
                known, stored, corrected, found = self._asked(question, seconds)
                break
            except psycopg2.errors.DeadlockDetected as error:
                if not left:
                    raise database.unreachable(error) from None
            except (psycopg2.DataError, psycopg2.IntegrityError, psycopg2.ProgrammingError) as error:
                raise Rejected(f"the database refused the ground truth ({type(error).__name__})") from None
            except psycopg2.Error as error:
                raise database.unreachable(error) from None
        there = set(found)
        unknown = tuple(n for n in range(len(truths)) if n not in there)
        return Recorded(stored, corrected, known - stored - corrected, unknown)

    def close(self) -> None:
        while self._idle:
            with contextlib.suppress(Exception):
                self._idle.pop().close()

    def _asked(self, question: dict[str, Any], seconds: float) -> tuple[int, int, int, list[int]]:
        """Run the statement on a pooled connection, and if that one was lost, on a new one."""
        import psycopg2

        over = time.monotonic() + seconds
        with contextlib.suppress(IndexError):  # no connection is idle, or another thread was faster
            used = self._idle.pop()
            try:
                return self._on(used, question, seconds)
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                if not used.closed or time.monotonic() >= over:
                    raise
        return self._on(database.connect(self._url), question, max(over - time.monotonic(), 0.001))

    def _on(
        self, connection: Connection, question: dict[str, Any], seconds: float
    ) -> tuple[int, int, int, list[int]]:
        try:
            with _at_most(connection, seconds), connection.cursor() as cursor:
                cursor.execute(f"set local statement_timeout = {max(int(seconds * 1000), 1)}")
                cursor.execute(_RECORD, question)
                answer: Any = cursor.fetchone()
                connection.commit()
        except BaseException:
            with contextlib.suppress(Exception):
                connection.rollback()
            if not connection.closed:
                self._idle.append(connection)
            raise
        self._idle.append(connection)
        return answer  # type: ignore[no-any-return]


@contextlib.contextmanager
def _at_most(connection: Connection, seconds: float) -> Iterator[None]:
    """Cut the connection if the server accepted the statement and then stops answering."""

    def cut() -> None:
        with contextlib.suppress(Exception), socket.socket(fileno=dup(connection.fileno())) as ours:
            ours.shutdown(socket.SHUT_RDWR)

    watch = threading.Timer(seconds + 1.0, cut)  # the server's own timeout comes first
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _question(truths: Sequence[Truth]) -> dict[str, Any]:
    """Return the truths as columns; the time inside an identifier names its partition."""
    by_id = [(n, truth.prediction_id, truth.value) for n, truth in enumerate(truths) if truth.prediction_id]
    called = [(n, name, truth.value) for n, truth in enumerate(truths) for name in truth.caller_ids]
    return {
        "id_n": [n for n, _, _ in by_id],
        "id": [identifier for _, identifier, _ in by_id],
        "made_at": [_made_at(UUID(identifier)) for _, identifier, _ in by_id],
        "id_value": [value for _, _, value in by_id],
        "caller_n": [n for n, _, _ in called],
        "caller": [name for _, name, _ in called],
        "caller_value": [value for _, _, value in called],
    }


def _made_at(identifier: UUID) -> str:
    """Return the time inside a UUID of version 7; for another UUID, a time without any prediction."""
    milliseconds = identifier.int >> 80
    if identifier.version != 7 or milliseconds > _LAST:
        return "-infinity"
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"
