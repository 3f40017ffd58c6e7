"""uvicorn's supervisor of several workers, without blocking waits."""

from __future__ import annotations

import logging
import time

from uvicorn.config import STARTUP_FAILURE, Config
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

logger = logging.getLogger("mlpipes.server")
_MORE = 15.0  # seconds after the grace period until a stopping worker is killed


class Workers(Multiprocess):  # type: ignore[misc]
    """Starts the workers, replaces those that exit or hang, and stops them.

    Twice a second uvicorn sends each worker a ping through a pipe and waits for the answer, up to
    ``timeout_worker_healthcheck``. If a worker dies after the ping, or is busy, the supervisor meanwhile
    replaces no other worker and does not react to SIGTERM. Here the answer is read at the next turn.
    """

    def __init__(self, config: Config, sockets: list[object]) -> None:
        super().__init__(config, sockets)
        self._asked: dict[int | None, float] = {}

    def keep_subprocess_alive(self) -> None:
        for index, process in enumerate(self.processes):
            if process.process.is_alive() and not self._hangs(process):
                continue
            process.kill()
            process.join()
            self._asked.pop(process.pid, None)
            if process.exitcode == STARTUP_FAILURE:  # the next one would fail the same way
                self.should_exit.set()
                return
            logger.warning("worker %s exited and is being replaced", process.pid)
            self.processes[index] = Process(self.config, self.sockets)
            self.processes[index].start()

    def join_all(self) -> None:
        """Wait for the stopping workers, for their grace period and a little more."""
        until = time.monotonic() + (self.config.timeout_graceful_shutdown or 0) + _MORE
        for process in self.processes:
            process.process.join(max(0.0, until - time.monotonic()))
            if process.exitcode is None:
                logger.error("worker %s did not stop and was killed", process.pid)
                process.process.kill()
            process.join()

    def _hangs(self, process: Process) -> bool:
        """Return whether a worker has not answered for too long; if it has answered, ping it again."""
        now = time.monotonic()
        asked = self._asked.get(process.pid)
        try:
            if asked is None or process.parent_conn.poll(0):
                if asked is not None:
                    process.parent_conn.recv()
                process.parent_conn.send(b"ping")
                self._asked[process.pid] = now
                return False
        except (OSError, EOFError):  # the worker is exiting; the next turn replaces it
            return False
        return bool(now - asked > self.config.timeout_worker_healthcheck)
