# ruff: noqa: S608  the statements are put together from parts that stand in this file
"""Reads the predictions that a check looks at, in bounded memory however many there are.

Of very many predictions a random part is read: those whose caller id, or prediction id where there is none,
has a hash below a bound. So the part is the same whenever it is read, and holds all predictions of an id or
none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.postgres import database, queries
from mlpipes_cli.ports.monitoring import PredictionWindow, TruthRow, WindowRow

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_BITS = 30
_UNIT = "coalesce(p.caller_id, p.prediction_id::text)"
_OF_MODEL = """p.model_name = %(model)s and p.made_at < %(end)s
    and (%(since)s is null or p.made_at >= to_timestamp(%(since)s))"""
_OF_VERSION = f"{_OF_MODEL} and p.model_version = %(version)s"
_END = "select least(coalesce(to_timestamp(%(until)s), now()), now()), to_timestamp(%(since)s)"
_COUNTED = f"""
select p.model_version, count(*), count(p.shadow_of), min(p.made_at), max(p.made_at)
from serving.predictions p where {_OF_MODEL} group by 1
"""
_NEWEST = f"""
select * from serving.predictions p where {_OF_VERSION}
order by p.made_at desc, p.prediction_id desc limit %(rows)s
"""
_COUNTED_NEWEST = f"""
select %(version)s, count(*), count(p.shadow_of), min(p.made_at), max(p.made_at) from ({_NEWEST}) p
"""
_DRAWN = f"(hashtextextended({_UNIT}, 0) & {(1 << _BITS) - 1}) < %(bound)s"
_TRUTH_OF = "t.prediction_id = coalesce(p.shadow_of, p.prediction_id)"
_ARRIVED = f"""
(select * from serving.predictions p where p.model_name = %(model)s and p.model_version = %(version)s) p
join serving.ground_truth t on {_TRUTH_OF}
    and t.received_at < %(end)s and (%(since)s is null or t.received_at >= to_timestamp(%(since)s))
"""
_TRUTHS = """
select inputs, prediction, scores, value, caller_id from (
    select p.inputs::text, p.prediction::text, p.scores::text, t.value::text, p.caller_id, t.received_at,
        p.made_at
    from {chosen} order by t.received_at desc, p.made_at desc limit %(most)s
) latest order by received_at, made_at
"""
_ROWS = f"""
select distinct on ({_UNIT}) p.inputs::text, p.prediction::text, p.scores::text,
    exists (select from serving.ground_truth t where {_TRUTH_OF})
from {{chosen}} order by {_UNIT}, p.made_at desc, p.prediction_id desc
"""


class PostgresWindowReader:
    """Implements :class:`mlpipes_cli.ports.monitoring.WindowReader`.

    Args:
        url: ``postgresql://user:password@host:port/mlpipes``.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    @contextlib.contextmanager
    def window(
        self,
        model: str,
        version: int,
        *,
        since: float | None,
        until: float | None,
        rows: int | None,
        most: int,
        size: int,
    ) -> Iterator[PredictionWindow]:
        import psycopg2

        asked: dict[str, Any] = {
            "model": model, "version": version, "since": since, "until": until, "rows": rows, "most": most,
        }  # fmt: skip
        try:
            with closing(database.connect(self._url)) as session:
                session.set_session(isolation_level="REPEATABLE READ", readonly=True)
                with session.cursor() as cursor:
                    cursor.execute("set statement_timeout = 0")
                yield _opened(session, asked, most, size)
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            raise database.unreachable(error) from None


def _opened(session: Connection, asked: dict[str, Any], most: int, size: int) -> PredictionWindow:
    ((until, since),) = queries.fetched(session, _END, asked)
    asked["end"] = until
    newest = asked["rows"] is not None
    counted = queries.fetched(session, _COUNTED_NEWEST if newest else _COUNTED, asked)
    own = next((row for row in counted if row[0] == asked["version"]), (0, 0, 0, None, None))
    chosen, read = f"serving.predictions p where {_OF_VERSION}", own[1]
    judged = _ARRIVED
    if newest:
        chosen = f"({_NEWEST}) p"
        judged = f"{chosen} join serving.ground_truth t on {_TRUTH_OF}"
    elif own[1] > most:
        asked["bound"] = int(most / own[1] * (1 << _BITS))
        chosen += f" and {_DRAWN}"
        ((read,),) = queries.fetched(session, f"select count(*) from {chosen}", asked)
    return PredictionWindow(
        since=since,
        until=until,
        first=own[3],
        last=own[4],
        predictions=own[1],
        mirrored=own[2],
        others=sum(row[1] for row in counted) - own[1],
        read=read,
        truths=(
            [TruthRow(*row) for row in part]
            for part in queries.streamed(session, _TRUTHS.format(chosen=judged), asked, size)
        ),
        batches=(
            [WindowRow(*row) for row in part]
            for part in queries.streamed(session, _ROWS.format(chosen=chosen), asked, size)
        ),
    )
