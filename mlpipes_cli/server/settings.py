"""Settings of the prediction API."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True)
class ServerSettings:
    """The settings of one API, without secrets, so that they can be passed in the environment.

    Attributes:
        model: The registered model's name.
        alias: The alias that answers requests.
        version: The version in ``folder``; without a folder the alias determines the version at any time.
        folder: A folder with a logged model that is served instead of the registry's; or None.
        also: Further aliases that are served.
        mirror_alias: The challenger's alias, which gets mirrored requests; or None.
        mirror_share: The share of requests that are mirrored, in (0, 1].
        files: The required checksum of all files of ``folder`` together.
        promoted_at: When the folder's version was promoted, ISO 8601, or None.
        max_bytes: A larger body is rejected with 413.
        max_rows: A request with more rows is rejected with 413.
        max_waiting: Maximum number of requests in the server at once; further ones are rejected with 503.
        batch_rows: Maximum number of rows in one shared predict call, and in one commit.
        answer_timeout: Seconds after which a request that could not be stored is answered with 503.
        retry_after: Seconds in the ``Retry-After`` header of a rejected request.
        scratch: The folder for copies of the registry's models while they are served; None is the system's
            temporary folder.
        reload_seconds: Seconds between two polls of the aliases.
        quiet_seconds: The same, while notifications of moved aliases are received.
        on_log_failure: ``refuse`` with 503, or ``spool`` to files.
        spool: The folder of the spool, or None.
        spool_bytes: The maximum total size of the spool.
        cors: Origins of other web pages that may use the API; none by default.
        allowed_hosts: Host names of the API, in addition to addresses and names that cannot be registered.
        access_log: Which requests are logged: ``all``, ``errors`` or ``off``.
        api_keys: ``auto`` requires a key once one was created, ``required`` always, ``off`` never.
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
        """All loaded aliases; the one that answers requests is first."""
        wanted = (self.alias, *self.also, *([self.mirror_alias] if self.mirror_alias else []))
        return tuple(dict.fromkeys(wanted))

    def to_json(self) -> str:
        """Return the settings as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> ServerSettings:
        """Return the settings that :meth:`to_json` wrote."""
        given = json.loads(line)
        lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
        return cls(**{**given, **lists})
