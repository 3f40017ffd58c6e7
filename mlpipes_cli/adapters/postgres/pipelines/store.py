"""Keeps runs of pipelines in ``pipelines.runs`` and ``pipelines.steps``, and the lock of a pipeline."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.postgres import database
from mlpipes_cli.ports.automation.pipeline_runs import ALWAYS_KEPT, PipelineRun, StepRun

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

_TAKE = "select pg_try_advisory_lock(hashtextextended('mlpipes pipeline ' || %s, 0))"
_RUN = "id::text, pipeline, status, started_at, ended_at, actor, host, start_from, only_steps, change"
_NAMES = [name.removesuffix("::text").removesuffix("_steps") for name in _RUN.split(", ")]
_STEP = "name, status, tries, exit, seconds, started_at, ended_at, reason, fingerprint, result"
_SAVE_RUN = """
insert into pipelines.runs (id, pipeline, status, started_at, ended_at, actor, host, start_from, only_steps,
    change)
values (%(id)s, %(pipeline)s, %(status)s, %(started_at)s, %(ended_at)s, %(actor)s, %(host)s, %(start_from)s,
    %(only)s, %(change)s)
on conflict (id) do update set status = excluded.status, ended_at = excluded.ended_at, actor = excluded.actor,
    host = excluded.host, change = excluded.change
where runs.change < excluded.change
returning 1
"""
_SAVE_STEP = f"""
insert into pipelines.steps (run_id, position, {_STEP})
values (%(run_id)s, %(position)s, %(name)s, %(status)s, %(tries)s, %(exit)s, %(seconds)s, %(started_at)s,
    %(ended_at)s, %(reason)s, %(fingerprint)s, %(result)s)
"""  # noqa: S608  our own names, as below
_PRUNE = """
delete from pipelines.runs r using (
    select id, row_number() over (order by id desc) as nth from pipelines.runs where pipeline = %(pipeline)s
) numbered
where numbered.id = r.id and numbered.nth > %(always)s and r.status <> 'running'
    and r.started_at < clock_timestamp() - make_interval(secs => %(keep)s)
"""
_RUNS = f"""
select {_RUN} from pipelines.runs where %(pipeline)s::text is null or pipeline = %(pipeline)s
order by id desc limit %(limit)s
"""  # noqa: S608
_FIND = f"select {_RUN} from pipelines.runs where id::text like %(prefix)s || '%%' order by id limit 2"  # noqa: S608
_STEPS = (
    f"select run_id::text, {_STEP} from pipelines.steps where run_id = any(%(ids)s::uuid[]) order by position"  # noqa: S608
)


class PostgresPipelineStore:
    """Implements :class:`mlpipes_cli.ports.automation.pipeline_runs.PipelineStore`.

    Args:
        url: ``postgresql://user:password@host:port/mlpipes``.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._link: Connection | None = None
        self._claimed: str | None = None
        self._held = False

    def claim(self, pipeline: str) -> bool:
        with self._transaction() as cursor:
            self._held = _taken(cursor, pipeline)
        self._claimed = pipeline if self._held else None
        return self._held

    def held(self) -> bool:
        return self._held

    def save(self, run: PipelineRun) -> None:
        values = {name: value for name, value in vars(run).items() if name != "steps"}
        with self._transaction() as cursor:
            cursor.execute(_SAVE_RUN, values | {"only": list(run.only)})
            if cursor.fetchone() is None:
                return
            cursor.execute("delete from pipelines.steps where run_id = %s", (run.id,))
            for position, step in enumerate(run.steps):
                result = None if step.result is None else json.dumps(step.result, ensure_ascii=False)
                row = vars(step) | {"run_id": run.id, "position": position, "result": result}
                cursor.execute(_SAVE_STEP, row)

    def prune(self, pipeline: str, keep: timedelta) -> None:
        values = {"pipeline": pipeline, "keep": keep.total_seconds(), "always": ALWAYS_KEPT}
        with self._transaction() as cursor:
            cursor.execute(_PRUNE, values)

    def runs(self, pipeline: str | None = None, limit: int = 20) -> Sequence[PipelineRun]:
        return self._found(_RUNS, pipeline=pipeline, limit=limit)

    def run(self, prefix: str) -> Sequence[PipelineRun]:
        return self._found(_FIND, prefix=prefix.replace("\\", "").replace("%", "").replace("_", ""))

    def close(self) -> None:
        link, self._link, self._claimed, self._held = self._link, None, None, False
        if link is not None:
            with contextlib.suppress(Exception):
                link.close()

    def _found(self, query: str, **values: Any) -> list[PipelineRun]:
        with self._transaction() as cursor:
            cursor.execute(query, values)
            rows = cursor.fetchall()
            cursor.execute(_STEPS, {"ids": [row[0] for row in rows]})
            steps: dict[str, list[StepRun]] = {row[0]: [] for row in rows}
            for run_id, *rest in cursor.fetchall():
                steps[run_id].append(StepRun(*rest))
        return [
            PipelineRun(
                **dict(zip(_NAMES, row, strict=True)) | {"only": tuple(row[8])}, steps=tuple(steps[row[0]])
            )
            for row in rows
        ]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Cursor]:
        import psycopg2

        try:
            link = self._connected()
            with link, link.cursor() as cursor:
                yield cursor
        except psycopg2.Error as error:
            if isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError)):
                self._lose()
            raise database.unreachable(error) from None

    def _connected(self) -> Connection:
        if self._link is None or self._link.closed:
            self._held = False
            database.migrate(self._url)
            self._link = database.connect(self._url)
            if self._claimed is not None:
                with self._link, self._link.cursor() as cursor:
                    self._held = _taken(cursor, self._claimed)
        return self._link

    def _lose(self) -> None:
        link, self._link, self._held = self._link, None, False
        if link is not None:
            with contextlib.suppress(Exception):
                link.close()


def _taken(cursor: Cursor, pipeline: str) -> bool:
    cursor.execute(_TAKE, (pipeline,))
    found: Any = cursor.fetchone()
    return bool(found[0])
