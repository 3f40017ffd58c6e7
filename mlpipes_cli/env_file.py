"""Read and extend ``.env``, the file of generated secrets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlpipes_cli import atomic_files, file_locks
from mlpipes_cli.errors import MlpipesError


def parse(text: str) -> dict[str, str]:
    """Return the ``NAME=value`` lines; skip blank lines and comments, and ignore a leading ``export``."""
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
    """Return the file's values, or no values if there is no file.

    Raises:
        MlpipesError: The file cannot be read.
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
    """Append lines and set mode 0600, in one atomic step.

    Raises:
        MlpipesError: The file cannot be written.
    """
    try:
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        lines = "".join(f"{name}={value}\n" for name, value in values.items())
        text = f"{old}\n{lines}" if old and not old.endswith("\n") else old + lines
        atomic_files.write_text(path, text, atomic_files.PRIVATE)
    except OSError as error:
        raise MlpipesError(
            f"{path}: cannot be written ({error.strerror})", "check the folder's permissions and space"
        ) from None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock a folder for one process for as long as the context lasts; leaves no file behind.

    Raises:
        MlpipesError: The folder cannot be opened.
    """
    try:
        handle = file_locks.take(folder, wait=True)
    except OSError as error:
        raise MlpipesError(f"{folder}: cannot be opened ({error.strerror})") from None
    assert handle is not None
    try:
        yield
    finally:
        os.close(handle)
