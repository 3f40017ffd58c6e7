"""What the prediction API is told when it starts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True)
class ServerSettings:
    """The settings of one API, without secrets, so that they may travel in the environment.

    Attributes:
        model: The registered model's name.
        alias: The alias that answers.
        version: The version of ``folder``; without a folder the alias decides, at any time.
        folder: A folder with a logged model that is served in place of the registry's; or None.
        also: Further aliases that are served beside it.
        mirror_alias: The challenger's alias, which is asked too; or None.
        mirror_share: For which share of the requests, in (0, 1].
        files: The checksum that all files of ``folder`` together have to have.
        promoted_at: When the folder's version was promoted, ISO 8601, or None.
        max_bytes: A larger body is refused with 413.
        max_rows: More rows in one request are refused with 413.
        max_waiting: Requests in the server at once; further ones are refused with 503.
        batch_rows: Rows in one shared predict call, and in one commit, at most.
        answer_timeout: Seconds until a request that could not be stored is answered with 503.
        retry_after: Seconds that a refused client is told to wait.
        scratch: Where copies of the registry's models lie while they are served; None is the system's
            temporary folder.
        reload_seconds: Between two looks at the aliases.
        quiet_seconds: The same, while we would be told of a move by mlpipes.
        on_log_failure: ``refuse`` with 503, or ``spool`` to files.
        spool: The folder for them, or None.
        spool_bytes: Their size altogether, at most.
        cors: Origins of other pages that may ask; none by default.
        allowed_hosts: Names under which the API may be asked, beside addresses and those that nobody owns.
        access_log: Which requests get a line: ``all``, ``errors`` or ``off``.
        api_keys: ``auto`` asks for a key once one was made, ``required`` always, ``off`` never.
    """

    model: str
    alias: str
    version: int | None = None
    folder: str | None = None
    also: tuple[str, ...] = ()
    mirror_alias: str | None = None
    mirror_share: float = 1.0
    files: str | None = None
    promoted_at: str | None = None
    max_bytes: int = 32 * 1024 * 1024
    max_rows: int = 50_000
    max_waiting: int = 512
    batch_rows: int = 4096
    answer_timeout: float = 15.0
    retry_after: int = 1
    scratch: str | None = None
    reload_seconds: float = 0.5
    quiet_seconds: float = 1.5
    on_log_failure: Literal["refuse", "spool"] = "refuse"
    spool: str | None = None
    spool_bytes: int = 2**30
    cors: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    access_log: Literal["all", "errors", "off"] = "errors"
    api_keys: Literal["auto", "required", "off"] = "auto"

    @property
    def aliases(self) -> tuple[str, ...]:
        """All aliases that are loaded, the one that answers first."""
        wanted = (self.alias, *self.also, *([self.mirror_alias] if self.mirror_alias else []))
        return tuple(dict.fromkeys(wanted))

    def to_json(self) -> str:
        """The settings as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> ServerSettings:
        """The settings that :meth:`to_json` wrote."""
        given = json.loads(line)
        lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
        return cls(**{**given, **lists})
