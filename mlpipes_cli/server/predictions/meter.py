"""Measurements of the request path."""

from __future__ import annotations

from typing import Protocol


class Meter(Protocol):
    """Counts and durations; every call is cheap."""

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""

    def batch(self, requests: int, rows: int) -> None:
        """Count a committed batch."""

    def waiting(self, n: int) -> None:
        """Set the number of requests that wait for their answer."""

    def log_lag(self, seconds: float) -> None:
        """Record the time from the arrival of a batch's oldest request to its COMMIT."""

    def log_failure(self) -> None:
        """Count a batch that could not be stored."""

    def model(self, name: str, alias: str, version: int | str | None) -> None:
        """Set the version that answers under the alias from now on; None for none."""

    def reload(self, ok: bool) -> None:
        """Count a load of an alias's new version, successful or not."""
