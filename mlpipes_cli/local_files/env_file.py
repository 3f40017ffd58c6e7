"""Read and extend ``.env``, the file of generated secrets."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.local_files import atomic_files, file_locks


def read(path: Path) -> dict[str, str]:
    """Return the file's values, or no values if there is no file.

    Comments, quotes, escapes and ``export`` are read as ``docker compose --env-file`` reads them. A ``$`` is
    a character like any other.

    Raises:
        UsageError: A line cannot be parsed.
        MlpipesError: The file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise MlpipesError(
            f"{path}: cannot be read ({error})", "check that it is a text file that you own"
        ) from None
    from dotenv.parser import parse_stream

    values = {}
    for line in parse_stream(io.StringIO(text)):
        if line.error:
            number = line.original.line
            raise UsageError(f"{path}:{number}: cannot be parsed", "write NAME=value, and close each quote")
        if line.key is not None and line.value is not None:
            values[line.key] = line.value
    return values


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
