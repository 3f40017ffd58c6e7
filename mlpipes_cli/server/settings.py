"""What the prediction API is told when it starts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class ServerSettings:
    """The settings of one API, without secrets, so that they may travel in the environment.

    Attributes:
        model: The registered model's name.
        alias: The alias that was asked for.
        version: What the alias pointed to; each stored row names it.
        max_bytes: A larger body is refused with 413.
        max_rows: More rows in one request are refused with 413.
        max_waiting: Requests in the server at once; further ones are refused with 503.
        batch_rows: Rows in one shared predict call, and in one commit, at most.
        answer_timeout: Seconds until a request that could not be stored is answered with 503.
        retry_after: Seconds that a refused client is told to wait.
    """

    model: str
    alias: str
    version: int
    max_bytes: int = 32 * 1024 * 1024
    max_rows: int = 50_000
    max_waiting: int = 512
    batch_rows: int = 4096
    answer_timeout: float = 15.0
    retry_after: int = 1

    def to_json(self) -> str:
        """The settings as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> ServerSettings:
        """The settings that :meth:`to_json` wrote."""
        return cls(**json.loads(line))
