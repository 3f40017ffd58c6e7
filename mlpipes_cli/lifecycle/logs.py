"""Reads the logs of one service, or of several interleaved, each line with the name of its service."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence

from mlpipes_cli.adapters.wiring import make_runtime
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle import times
from mlpipes_cli.project import ProjectFolder


def lines(
    project: ProjectFolder,
    services: Sequence[str] = (),
    *,
    follow: bool = False,
    tail: int | None = None,
    since: str | None = None,
) -> Iterator[str]:
    """Yield the lines of the logs, oldest first within each service.

    Args:
        project: The project.
        services: The services; without any, all that have a log.
        follow: Continue over restarts of the services until the caller stops.
        tail: Only the last so many lines of each.
        since: Only later lines; see :func:`mlpipes_cli.lifecycle.times.seconds`.

    Raises:
        UsageError: There is no such service, or ``since`` is not a time.
        MlpipesError: No service has a log.
    """
    moment = None if since is None else times.seconds(since)
    runtime = make_runtime(project)
    if len(services) == 1:
        return runtime.logs(services[0], follow=follow, tail=tail, since=moment)
    opened: dict[str, Iterator[str]] = {}
    for name in dict.fromkeys(services or [row.name for row in runtime.status().services]):
        try:
            opened[name] = runtime.logs(name, follow=follow, tail=tail, since=moment)
        except MlpipesError:
            if services:
                raise
    if not opened:
        raise MlpipesError("no service has a log yet", "start the stack with `mlpipes up`")
    return _together(opened) if follow else _in_turn(opened)


def _in_turn(opened: dict[str, Iterator[str]]) -> Iterator[str]:
    width = max(map(len, opened))
    for name, log in opened.items():
        try:
            yield from (f"{name:<{width}} | {line}" for line in log)
        except UsageError as error:  # the log has no times, and `since` was given
            yield f"{name:<{width}} | ({error.reason})"


def _together(opened: dict[str, Iterator[str]]) -> Iterator[str]:
    """Yield lines of all logs as they come; the end or failure of one does not end the others."""
    width = max(map(len, opened))
    arrived: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read(name: str, log: Iterator[str]) -> None:
        try:
            for line in log:
                arrived.put(f"{name:<{width}} | {line}")
        except MlpipesError as error:
            arrived.put(f"{name:<{width}} | ({error.reason})")
        finally:
            arrived.put(None)

    for name, log in opened.items():
        threading.Thread(target=read, args=(name, log), name=f"log-{name}", daemon=True).start()
    left = len(opened)
    while left:
        line = arrived.get()
        if line is None:
            left -= 1
        else:
            yield line
