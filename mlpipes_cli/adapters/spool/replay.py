"""Replays a spool's files into the database: oldest first; a file is removed only after its last COMMIT."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from mlpipes_cli.adapters.spool.folders import Spool
from mlpipes_cli.adapters.spool.record_format import Damage, SpoolRecord, pack, unpack
from mlpipes_cli.adapters.spool.segments import Segment, records_of
from mlpipes_cli.errors import MlpipesError, Rejected
from mlpipes_cli.ports import PredictionLog, PredictionRow

logger = logging.getLogger("mlpipes.spool")
Store = Callable[[Sequence[PredictionRow]], Awaitable[None]]
_BATCH = 2000  # rows of one transaction
T = TypeVar("T")


class Replay:
    """Replays the files of a spool.

    Args:
        spool: The spool with the files.
        files: The thread in which the spool is changed.
        store: Stores rows in the database and skips those that exist; when it returns they are stored.
    """

    def __init__(self, spool: Spool, files: Executor, store: Store) -> None:
        self._spool, self._files, self._store = spool, files, store

    async def oldest(self) -> int:
        """Replay the oldest file and remove it.

        Rows that the database refuses for good, and damaged records, are set aside and reported.

        Returns:
            The number of its predictions.

        Raises:
            MlpipesError: The database does not accept them, or a file cannot be read, removed or set
                aside. Rows that are replayed twice are stored once.
        """
        segment = self._spool.segments[0]
        try:
            data = await asyncio.to_thread(segment.path.read_bytes)
        except OSError as error:
            raise MlpipesError(f"{segment.path}: cannot be read ({error.strerror})") from None
        async for rows in self._batches(segment, data):
            await self._keep(segment, rows)
        await self._in_files_thread(self._spool.remove, segment)
        return segment.rows

    async def _batches(self, segment: Segment, data: bytes) -> AsyncIterator[list[PredictionRow]]:
        batch: list[PredictionRow] = []
        for found in await asyncio.to_thread(lambda: list(records_of(data))):
            batch += await self._rows(segment, data, found)
            while len(batch) >= _BATCH:
                yield batch[:_BATCH]
                del batch[:_BATCH]
        if batch:
            yield batch

    async def _rows(self, segment: Segment, data: bytes, found: SpoolRecord | Damage) -> list[PredictionRow]:
        reason = "it is damaged"
        if isinstance(found, SpoolRecord):
            try:
                return unpack(data, found)
            except ValueError as error:
                reason = f"it was not written by this release: {error}"
        record = data[found.start : found.end]
        path = await self._in_files_thread(self._spool.set_aside, segment, f"{found.start}.damaged", record)
        logger.error("a part of the spool cannot be replayed (%s); it was set aside as %s", reason, path)
        return []

    async def _keep(self, segment: Segment, rows: list[PredictionRow]) -> None:
        try:
            await self._store(rows)
        except Rejected as error:
            if len(rows) > 1:
                half = len(rows) // 2
                await self._keep(segment, rows[:half])
                await self._keep(segment, rows[half:])
                return
            name = f"{rows[0].prediction_id}.refused"
            path = await self._in_files_thread(self._spool.set_aside, segment, name, pack(rows))
            logger.error("%s; the prediction was set aside as %s", error, path)

    async def _in_files_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._files, work, *arguments)


async def put(log: PredictionLog, rows: Sequence[PredictionRow]) -> None:
    """Store rows in the database, each once.

    Usually none of them exists, and then this is as cheap as any other write.

    Raises:
        Rejected: A row cannot be stored, at any time.
        MlpipesError: They were not stored, or that is not known.
    """
    try:
        await log.write(rows)
    except Rejected:
        await log.write(rows, perhaps_there=True)


async def replay_left(log: PredictionLog, root: Path) -> int:
    """Store in the database what no running server holds; return the number of predictions.

    Raises:
        MlpipesError: The database does not accept them, or the spool cannot be read; what is left waits.
    """
    spool, done = Spool(root, 0), 0
    await log.open()
    with ThreadPoolExecutor(1, "spool") as files:
        try:
            files.submit(spool.open).result()
            replay = Replay(spool, files, partial(put, log))
            while spool.segments:
                done += await replay.oldest()
        finally:
            files.submit(spool.close).result()
            await log.close()
    return done
