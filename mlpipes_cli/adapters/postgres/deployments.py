"""Keeps in PostgreSQL when servers loaded versions, and finds their first answers in the prediction log."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.postgres import database
from mlpipes_cli.adapters.postgres.bounded_query import BoundedQueries
from mlpipes_cli.ports.delivery.deployments import Arrival, Deployment, Tenure

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

_NOTE = """
insert into serving.deployments (model_name, model_version, model_alias, promoted_at, loaded_at)
values (%(model)s, %(version)s, %(alias)s, %(promoted_at)s, %(loaded_at)s)
on conflict (model_name, model_alias, promoted_at, model_version)
    do update set loaded_at = least(deployments.loaded_at, excluded.loaded_at)
"""
# The index is (model_name, model_version, made_at): a tenure's rows are read in their order until one fits.
_FIRST = """
select made_at from serving.predictions
where model_name = %(model)s and model_version = %(version)s and model_alias = %(alias)s and shadow_of is null
    and made_at >= %(since)s and (%(until)s::timestamptz is null or made_at < %(until)s)
order by made_at limit 1
"""
_RECORDED = """
select loaded_at, first_answer_at from serving.deployments
where model_name = %(model)s and model_version = %(version)s and model_alias = %(alias)s
    and promoted_at = %(since)s
"""
# Of a tenure before there were records: what is older than it shows that nothing of it has been pruned.
_WHOLE = "select from serving.predictions where made_at < %(since)s limit 1"
_KEEP_FIRST = """
update serving.deployments d set first_answer_at = (
    select p.made_at from serving.predictions p
    where p.model_name = d.model_name and p.model_version = d.model_version and p.model_alias = d.model_alias
        and p.shadow_of is null and p.made_at >= d.promoted_at
        and p.made_at < coalesce((select min(n.promoted_at) from serving.deployments n
            where n.model_name = d.model_name and n.model_alias = d.model_alias
                and n.promoted_at > d.promoted_at), 'infinity')
    order by p.made_at limit 1)
where d.first_answer_at is null and (%(model)s::text is null or d.model_name = %(model)s)
"""


class PostgresDeployments:
    """Implements :class:`mlpipes_cli.ports.delivery.deployments.Deployments`.

    Args:
        url: ``postgresql://user:password@host:port/mlpipes``.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._queries = BoundedQueries(url)

    async def note(self, deployment: Deployment) -> None:
        def write(cursor: Cursor) -> None:
            cursor.execute(_NOTE, asdict(deployment))
            cursor.connection.commit()

        await self._queries.run(write)

    def arrivals(self, tenures: Sequence[Tenure]) -> Sequence[Arrival]:
        import psycopg2

        with closing(database.connect(self._url)) as connection:
            try:
                with connection.cursor() as cursor:
                    return [_arrival(cursor, tenure) for tenure in tenures]
            except psycopg2.Error as error:
                raise database.unreachable(error) from None


def keep_first_answers(cursor: Cursor, model: str | None) -> None:
    """Record the first answers while the predictions that show them are there.

    Args:
        cursor: Of a transaction that prunes the predictions afterwards.
        model: Only this model; None for all.
    """
    cursor.execute("select to_regclass('serving.deployments') is not null")
    if cursor.fetchone() == (True,):  # not before this release's `up`
        cursor.execute(_KEEP_FIRST, {"model": model})


def _arrival(cursor: Cursor, tenure: Tenure) -> Arrival:
    values = asdict(tenure)
    cursor.execute(_RECORDED, values)
    recorded = cursor.fetchone()
    if recorded is not None and recorded[1] is not None:
        return Arrival(*recorded)
    if recorded is None:
        cursor.execute(_WHOLE, values)
        if cursor.fetchone() is None:
            return Arrival(None, None)
    cursor.execute(_FIRST, values)
    first = cursor.fetchone()
    return Arrival(recorded[0] if recorded else None, first[0] if first else None)
