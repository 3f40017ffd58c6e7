"""A prediction log that continues to accept rows while its database is not available."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from mlpipes_cli.adapters.spool.folders import Spool
from mlpipes_cli.adapters.spool.group_commit import GroupWriter
from mlpipes_cli.adapters.spool.rate_limit import RateLimit
from mlpipes_cli.adapters.spool.replay import Replay, put
from mlpipes_cli.adapters.spool.segments import FILE_BYTES
from mlpipes_cli.adapters.spool.time_limited import within
from mlpipes_cli.errors import MlpipesError, Rejected, UsageError
from mlpipes_cli.ports import PredictionLog, PredictionRow

logger = logging.getLogger("mlpipes.spool")
T = TypeVar("T")

PATIENCE = 2.0  # seconds that the database has for a batch
_OPEN, _STORE = 10.0, 20.0  # seconds for statements that nothing waits for
_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between attempts to replay
_ORPHANS = 5.0  # seconds between searches for folders whose processes ended
_LAST = 5000  # so many rows are replayed while new ones wait, and not written to another file


class SpoolingLog:
    """Implements :class:`mlpipes_cli.ports.PredictionLog` around another one.

    Rows that the wrapped log does not accept are written to files. From then on all rows are, until a
    task has stored everything in the database in the order in which it was written. ``write`` returns
    when the rows are on disk, in the database or in a file.

    Args:
        log: The wrapped log, which writes to the database.
        folder: The spool's folder; several processes may share it.
        limit: The most bytes that it may hold; beyond them ``write`` fails.
        patience: Seconds that ``log`` has for a batch before the batch goes to a file.
        file_bytes: The size at which a file is full.
    """

    def __init__(
        self,
        log: PredictionLog,
        folder: Path,
        limit: int = 2**30,
        *,
        patience: float = PATIENCE,
        file_bytes: int = FILE_BYTES,
    ) -> None:
        self._log, self._patience = log, patience
        self._spool = Spool(folder, limit, file_bytes)
        self._files = ThreadPoolExecutor(1, "spool")
        self._writer = GroupWriter(self._spool, self._files)
        self._replay = Replay(self._spool, self._files, self._store)
        self._opened = self._spooling = False
        self._passable = asyncio.Event()  # cleared while the last rows are replayed
        self._passable.set()
        self._pace = RateLimit(patience)
        self._failed = asyncio.Event()
        self._replaying: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, and take over what earlier servers left; a database that does not answer is not an error.

        Raises:
            MlpipesError: The spool cannot be used.
        """
        await self._in_files_thread(self._spool.open)
        if rows := self.pending()[0]:
            logger.warning("%d predictions of an earlier server are in the spool", rows)
            self._spooling = True
        try:
            await self._connect()
        except (Rejected, UsageError):
            await self._in_files_thread(self._spool.close)
            raise
        except MlpipesError as error:
            self._begin(error)
        self._replaying = asyncio.create_task(self._replay_forever(), name="spool")

    async def write(self, rows: Sequence[PredictionRow], *, perhaps_there: bool = False) -> None:
        """Store all rows or none, in the database or in a file.

        Raises:
            Rejected: The database refused a row for good.
            MlpipesError: Neither accepted them.
        """
        if not rows:
            return
        began = time.monotonic()
        await self._passable.wait()
        while self._spooling and await self._pace.wait(len(rows), began):
            await self._passable.wait()  # it took a while: the replay may have ended
        if not self._spooling:
            try:
                await within(self._patience, self._log.write(rows, perhaps_there=perhaps_there))
            except Rejected:
                raise
            except MlpipesError as error:
                self._begin(error)
            except Exception as error:
                logger.exception("the database's client failed")
                self._begin(MlpipesError(f"the database's client failed ({type(error).__name__})"))
            else:
                return
        await self._writer.write(rows)

    @property
    def spooling(self) -> bool:
        """Whether rows go to files at the moment."""
        return self._spooling

    async def ping(self) -> bool:
        """Return whether the database answers; the spool works without it."""
        return await self._log.ping()

    def pending(self) -> tuple[int, float]:
        """Return how many predictions wait in this process's folders, and the oldest one's age in seconds."""
        return self._spool.pending()

    async def close(self) -> None:
        """Release everything; what was not replayed stays for the next server."""
        if self._replaying is not None:
            self._replaying.cancel()
            with suppress(asyncio.CancelledError):
                await self._replaying
        await self._writer.idle()
        if rows := self.pending()[0]:
            logger.warning("%d predictions stay in the spool for the next server", rows)
        await self._in_files_thread(self._spool.close)
        self._files.shutdown()
        with suppress(MlpipesError):
            await within(_OPEN, self._log.close())

    def _begin(self, error: MlpipesError) -> None:
        if not self._spooling:
            logger.warning("predictions go to the spool: %s", error)
        self._spooling = True
        self._failed.set()

    async def _connect(self) -> None:
        await within(_OPEN, self._log.open())
        self._opened = True

    async def _store(self, rows: Sequence[PredictionRow]) -> None:
        try:
            await within(_STORE, put(self._log, rows))
        except BaseException:
            self._pace.stopped()
            raise
        self._pace.replayed(len(rows))

    async def _replay_forever(self) -> None:
        pause, logged = _PAUSE, ""
        while True:
            try:
                await self._replay_all()
                pause, logged = _PAUSE, ""
                with suppress(TimeoutError):
                    async with asyncio.timeout(_ORPHANS):
                        await self._failed.wait()
                self._failed.clear()
                await self._in_files_thread(self._spool.take_over)
            except MlpipesError as error:
                if (text := str(error)) != logged:
                    logger.info("the spool is not replayed yet: %s", text)
                logged = text
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            except Exception:
                logger.exception("the spool is not replayed yet")
                await asyncio.sleep(_LONGEST_PAUSE)

    async def _replay_all(self) -> None:
        """Replay until nothing is left, then let rows go to the database again.

        Raises:
            MlpipesError: The database, or a file, is not usable at the moment.
        """
        if not self._spooling and not self._spool.segments:
            return
        if not self._opened:
            await self._connect()
        replayed = 0
        while self._spooling or self._spool.segments:
            began = time.monotonic()
            replayed += await self._oldest()
            swift = time.monotonic() - began < self._patience / 2  # otherwise new rows would wait for long
            if self._spooling and swift and self.pending()[0] <= _LAST:
                replayed += await self._finish()
        self._pace.stopped()
        if replayed:
            logger.warning("%d predictions were replayed from the spool", replayed)

    async def _finish(self) -> int:
        """Replay the rest while new rows wait for it, so that the order is kept.

        Raises:
            MlpipesError: The database does not accept them; rows go to the spool as before.
        """
        replayed = 0
        self._passable.clear()
        try:
            await self._writer.idle()
            async with asyncio.timeout(self._patience):
                while self._spool.segments:
                    replayed += await self._oldest()
            self._spooling = self._writer.busy or bool(self._spool.segments)
        except TimeoutError:
            raise MlpipesError("the database is slow") from None
        finally:
            self._passable.set()
        if not self._spooling:
            logger.warning("predictions go to the database again")
        return replayed

    async def _oldest(self) -> int:
        """Replay the oldest file; if there is none, find out whether the database answers."""
        if not self._spool.segments:
            if not await within(_OPEN, self._log.ping()):
                raise MlpipesError("the database does not answer")
            return 0
        if self._spool.is_current(self._spool.segments[0]):
            await self._in_files_thread(self._spool.close_current)
        return await self._replay.oldest()

    async def _in_files_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._files, work, *arguments)
