"""Passwords of a container's program that are in files: ``NAME_FILE`` names the file of ``NAME``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mlpipes_cli.errors import UsageError


def read(names: Sequence[str]) -> None:
    """Set variables of this process and its children from files.

    Args:
        names: The variables; one without ``NAME_FILE`` stays as it is.

    Raises:
        UsageError: A file cannot be read, or the variable is set as well.
    """
    for name in names:
        path = os.environ.pop(f"{name}_FILE", "")
        if not path:
            continue
        if os.environ.get(name):
            raise UsageError(f"both {name} and {name}_FILE are set", "remove one of them")
        try:
            os.environ[name] = Path(path).read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise UsageError(f"{name}_FILE: {path} cannot be read ({reason})") from None
