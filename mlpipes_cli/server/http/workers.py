"""uvicorn's supervisor of several workers, which waits for none of them."""

from __future__ import annotations

import logging
import time

from uvicorn.config import STARTUP_FAILURE, Config
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

logger = logging.getLogger("mlpipes.server")
_MORE = 15.0  # seconds beyond the grace until a worker that was told to stop is killed


class Workers(Multiprocess):  # type: ignore[misc]
    """Starts the workers, replaces those that die or hang, and stops them.

    Twice a second uvicorn asks each worker through a pipe whether it is well, and waits for the answer,
    up to ``timeout_worker_healthcheck``. A worker that dies after it was asked, or is busy, is a time in
    which nobody replaces the others, nor hears SIGTERM. Here the answer is looked for at the next turn.
    """

    def __init__(self, config: Config, sockets: list[object]) -> None:
        super().__init__(config, sockets)
        self._asked: dict[int | None, float] = {}

    def keep_subprocess_alive(self) -> None:
        for place, process in enumerate(self.processes):
            if process.process.is_alive() and not self._hangs(process):
                continue
            process.kill()
            process.join()
            self._asked.pop(process.pid, None)
            if process.exitcode == STARTUP_FAILURE:  # the next one would fail the same way
                self.should_exit.set()
                return
            logger.warning("worker %s exited and is being replaced", process.pid)
            self.processes[place] = Process(self.config, self.sockets)
            self.processes[place].start()

    def join_all(self) -> None:
        """Wait for the workers that were told to stop, as long as they may take, and a little more."""
        until = time.monotonic() + (self.config.timeout_graceful_shutdown or 0) + _MORE
        for process in self.processes:
            process.process.join(max(0.0, until - time.monotonic()))
            if process.exitcode is None:
                logger.error("worker %s did not stop and was killed", process.pid)
                process.process.kill()
            process.join()

    def _hangs(self, process: Process) -> bool:
        """Whether it did not answer for too long; asks it once more if it did."""
        now = time.monotonic()
        asked = self._asked.get(process.pid)
        try:
            if asked is None or process.parent_conn.poll(0):
                if asked is not None:
                    process.parent_conn.recv()
                process.parent_conn.send(b"ping")
                self._asked[process.pid] = now
                return False
        except (OSError, EOFError):  # it dies; the next turn sees that it is dead
            return False
        return bool(now - asked > self.config.timeout_worker_healthcheck)
