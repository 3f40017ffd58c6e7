"""What the request path tells of itself as it goes."""

from __future__ import annotations

from typing import Protocol


class Meter(Protocol):
    """Counts and times; every call is cheap."""

    def request(self, route: str, status: int, seconds: float) -> None:
        """A request was answered."""

    def batch(self, requests: int, rows: int) -> None:
        """A batch was committed."""

    def waiting(self, n: int) -> None:
        """So many requests wait for their answer."""

    def log_lag(self, seconds: float) -> None:
        """The oldest request of a batch came so long before its COMMIT."""

    def log_failure(self) -> None:
        """A batch could not be stored."""

    def model(self, name: str, alias: str, version: int | str | None) -> None:
        """This version answers under the alias from now on; none with None."""

    def reload(self, ok: bool) -> None:
        """The alias moved, and its new version was loaded or could not be."""
