"""Group commit into the spool: concurrent writes share an fsync."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Executor

from mlpipes_cli.adapters.spool.folders import Spool
from mlpipes_cli.adapters.spool.record_format import pack
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import PredictionRow

logger = logging.getLogger("mlpipes.spool")


class GroupWriter:
    """Appends to a spool from an event loop without blocking it.

    Args:
        spool: The spool to append to.
        files: The thread in which the spool is changed.
    """

    def __init__(self, spool: Spool, files: Executor) -> None:
        self._spool, self._files = spool, files
        self._waiting: list[tuple[Sequence[PredictionRow], asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being written."""
        return self._task is not None

    async def write(self, rows: Sequence[PredictionRow]) -> None:
        """Store all rows or none; when it returns they are on disk.

        Raises:
            MlpipesError: They are not stored.
        """
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((rows, kept))
        if self._task is None:
            self._task = asyncio.create_task(self._write_all(), name="spool-write")
        await kept

    async def idle(self) -> None:
        """Wait until nothing is being written."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            failed: MlpipesError | None = None
            try:
                await loop.run_in_executor(self._files, self._append, [rows for rows, _ in batch])
            except MlpipesError as error:
                failed = error
            except Exception as error:
                logger.exception("predictions not spooled")
                failed = MlpipesError(f"predictions cannot be spooled ({type(error).__name__})")
            for _, kept in batch:
                if kept.done():
                    continue  # cancelled: nothing waits any more
                if failed is None:
                    kept.set_result(None)
                else:
                    kept.set_exception(failed)
        self._task = None

    def _append(self, writes: list[Sequence[PredictionRow]]) -> None:
        rows, oldest = sum(map(len, writes)), min(row.made_at for rows in writes for row in rows)
        self._spool.append([pack(rows) for rows in writes], rows, oldest)
