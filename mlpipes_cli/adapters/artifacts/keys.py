"""Checks the keys of artifacts."""

from __future__ import annotations

from mlpipes_cli.errors import MlpipesError


def checked(key: str) -> str:
    """Return the key if it stays below the store's root on every system.

    Raises:
        MlpipesError: It does not.
    """
    parts = key.split("/")
    if not key or "\0" in key or any(part in ("", ".", "..") for part in parts):
        raise MlpipesError(f"{key!r} is not a valid artifact name", "nothing was written")
    return key
