"""Read and follow a container's log as lines."""

from __future__ import annotations

import codecs
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.docker.errors.translate import translate_errors

if TYPE_CHECKING:
    from docker.api import APIClient

    from mlpipes_cli.adapters.docker.stack.resources import StackResources

_PAUSE = 0.3  # seconds between two checks whether a container runs again


def read(
    api: APIClient, container: str, *, follow: bool, tail: int | None, since: float | None
) -> Iterator[str]:
    """Yield the lines of a container's log, stdout and stderr together.

    Following ends with the container, or when the iterator is closed.

    Raises:
        MlpipesError: The engine does not answer.
    """
    with translate_errors("reading a log"):
        stream = api.logs(
            container,
            stream=True,
            follow=follow,
            tail="all" if tail is None else tail,
            since=since if since and since > 0 else None,
        )
        try:
            yield from lines(stream)
        finally:
            close = getattr(stream, "close", None)
            if close:
                close()


def follow(
    resources: StackResources, service: str, *, tail: int | None, since: float | None
) -> Iterator[str]:
    """Yield the log lines of a service without end, across restarts and new containers.

    Raises:
        MlpipesError: The engine does not answer.
    """
    known = ""
    while True:
        found = resources.containers().get(service)
        if found is None or (found.id == known and found.state != "running"):
            time.sleep(_PAUSE)
            continue
        if known and found.id != known:  # the whole log of a new container is new
            tail = since = None
        known = found.id
        yield from read(resources.api, known, follow=True, tail=tail, since=since)
        tail, since = None, time.time()


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield whole lines from chunks of bytes, which may end anywhere, even inside a character."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    for chunk in chunks:
        *whole, rest = (rest + decoder.decode(chunk)).split("\n")
        yield from (line.removesuffix("\r") for line in whole)
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest
