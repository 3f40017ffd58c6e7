"""List all files of a model's folder with their sizes and checksums."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mlpipes_cli.errors import MlpipesError

SIGNATURE = "mlpipes_signature.json"  # next to MLmodel; the one file that is not signed


class ModelFile(NamedTuple):
    """A file: its path below the folder with ``/`` as separator, its size in bytes, its SHA-256 in hex."""

    path: str
    size: int
    sha256: str


def listed(folder: Path) -> tuple[ModelFile, ...]:
    """Return all files below a folder except the signature, sorted by path; files are hashed in chunks.

    Raises:
        MlpipesError: An entry is neither a file nor a folder (a link, for example), or its name is not
            printable text.
    """
    return tuple(sorted(_below(folder, "")))


def _below(folder: Path, start: str) -> Iterator[ModelFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = start + entry.name
            if not path.isprintable():
                raise MlpipesError(f"the name {path!r} in a model's folder is not plain text")
            if entry.is_dir(follow_symlinks=False):
                yield from _below(Path(entry.path), f"{path}/")
            elif path != SIGNATURE:
                yield _read(entry.path, path)


def _read(location: str, path: str) -> ModelFile:
    try:
        handle = os.open(location, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise MlpipesError(
            f"{path} in a model's folder is not a regular file ({error.strerror or error})"
        ) from None
    with open(handle, "rb") as file:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise MlpipesError(f"{path} in a model's folder is not a regular file")
        return ModelFile(path, about.st_size, hashlib.file_digest(file, "sha256").hexdigest())


def digest(files: Sequence[ModelFile]) -> str:
    """Return one checksum of all files, in hexadecimal digits; equal files give equal checksums."""
    return hashlib.sha256(json.dumps(sorted(files), separators=(",", ":")).encode()).hexdigest()


def difference(wanted: Sequence[ModelFile], found: Sequence[ModelFile]) -> str:
    """Return a description of the first difference, or an empty text if there is none."""
    before, now = {file.path: file for file in wanted}, {file.path: file for file in found}
    for path in sorted(before.keys() | now.keys()):
        if path not in now:
            return f"{path} is missing"
        if path not in before:
            return f"{path} was added"
        if before[path] != now[path]:
            return f"{path} was changed"
    return ""
