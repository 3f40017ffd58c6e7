"""A container's log as lines."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.docker.faults import speaking

if TYPE_CHECKING:
    from docker.api import APIClient


def read(
    api: APIClient, container: str, *, follow: bool, tail: int | None, since: float | None
) -> Iterator[str]:
    """The lines of a container's log, its two outputs together.

    Following ends with the container, and when nobody reads any more.

    Raises:
        MlpipesError: The engine does not answer.
    """
    with speaking("reading a log"):
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


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Whole lines from pieces that end anywhere, inside a character too."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    for chunk in chunks:
        *whole, rest = (rest + decoder.decode(chunk)).split("\n")
        yield from (line.removesuffix("\r") for line in whole)
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest
