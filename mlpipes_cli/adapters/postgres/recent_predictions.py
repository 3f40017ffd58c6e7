"""Reads the newest predictions from PostgreSQL, by one query whose cost does not grow with the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.postgres.bounded_query import BoundedQueries
from mlpipes_cli.ports.recent_predictions import WIDTH, RecentPrediction

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

WINDOW = 10  # rows examined for each one requested, so that mirrored ones between them cost little

# The index is (model_name, model_version, made_at). Its versions are found one by one, from the newest
# down, and each gives its newest rows: nothing is sorted or filtered that grows with the log.
QUERY = f"""
with recursive versions (version) as (
    select max(model_version) from serving.predictions where model_name = %(model)s
    union all
    select (select max(model_version) from serving.predictions
            where model_name = %(model)s and model_version < version)
    from versions where version is not null
), newest as (
    select found.* from versions cross join lateral (
        select prediction_id, made_at, model_version, model_alias, inputs, prediction, scores, latency_ms,
               shadow_of
        from serving.predictions
        where model_name = %(model)s and model_version = version
        order by made_at desc limit %(window)s
    ) as found
    where found.shadow_of is null
    order by found.made_at desc, found.prediction_id desc limit %(limit)s
)
select prediction_id::text, (extract(epoch from made_at) * 1000)::bigint, model_version, model_alias,
       case jsonb_typeof(inputs) when 'object' then (
           select coalesce(jsonb_object_agg(key, case when length(value::text) <= {WIDTH} then value
                           else to_jsonb(left(value #>> '{{}}', {WIDTH - 1}) || '…') end), '{{}}')::text
           from jsonb_each(inputs))
       else case when length(inputs::text) <= {WIDTH} then inputs::text
            else to_jsonb(left(inputs::text, {WIDTH - 1}) || '…')::text end end,
       case when length(prediction::text) <= {WIDTH} then prediction::text
       else to_jsonb(left(prediction #>> '{{}}', {WIDTH - 1}) || '…')::text end,
       scores::text, latency_ms
from newest order by made_at desc, prediction_id desc
"""  # noqa: S608


class PostgresRecentPredictions:
    """Implements :class:`mlpipes_cli.ports.recent_predictions.RecentPredictions`.

    One query at a time, on a connection of its own; a query that hangs is cut off.

    Args:
        url: ``postgresql://user:password@host:port/mlpipes``.
    """

    def __init__(self, url: str) -> None:
        self._queries = BoundedQueries(url)

    async def recent(self, model: str, limit: int) -> Sequence[RecentPrediction]:
        def read(cursor: Cursor) -> list[RecentPrediction]:
            cursor.execute(QUERY, {"model": model, "limit": limit, "window": limit * WINDOW})
            return [RecentPrediction(*row) for row in cursor.fetchall()]

        return await self._queries.run(read)
