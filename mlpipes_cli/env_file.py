"""Reading and extending ``.env``, the file of generated secrets."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlpipes_cli.errors import MlpipesError


def parse(text: str) -> dict[str, str]:
    """The ``NAME=value`` lines; blank lines, comments and an ``export`` in front are passed over."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        name, sign, value = line.strip().removeprefix("export ").partition("=")
        if sign and not name.startswith("#"):
            values[name.strip()] = _unquoted(value.strip())
    return values


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value


def read(path: Path) -> dict[str, str]:
    """The file's values; none where there is no file.

    Raises:
        MlpipesError: It cannot be read.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise MlpipesError(
            f"{path}: cannot be read ({error})", "check that it is a text file that you own"
        ) from None


def extend(path: Path, values: Mapping[str, str]) -> None:
    """Add lines at the end and set mode 0600, in one step that either happens or does not.

    Raises:
        MlpipesError: It cannot be written.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        lines = "".join(f"{name}={value}\n" for name, value in values.items())
        temporary.touch(mode=0o600)
        temporary.write_text(
            f"{old}\n{lines}" if old and not old.endswith("\n") else old + lines, encoding="utf-8"
        )
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise MlpipesError(
            f"{path}: cannot be written ({error.strerror})", "check the folder's permissions and space"
        ) from None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time for as long as the context lasts; leaves no file behind.

    Raises:
        MlpipesError: The folder cannot be opened.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise MlpipesError(f"{folder}: cannot be opened ({error.strerror})") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
