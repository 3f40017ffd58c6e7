"""Writes a backup file under a temporary name and renames it when it is complete."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.transfer.manifest import CHECKSUM, MANIFEST, MOST_FILES, Manifest, Member, fits
from mlpipes_cli.local_files import atomic_files

_BUFFER = 1 << 20
SUFFIXES = (".tar", ".tar.gz", ".tgz")


class Hashing:
    """A reader that computes the checksum of what it passes on."""

    def __init__(self, content: BinaryIO) -> None:
        self._content, self._hash, self.size = content, hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        chunk = self._content.read(size)
        self._hash.update(chunk)
        self.size += len(chunk)
        return chunk

    @property
    def sha256(self) -> str:
        """The checksum of everything read so far."""
        return self._hash.hexdigest()


class ArchiveWriter:
    """Adds files to the backup, one after the other."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.members: list[Member] = []

    def add(self, name: str, content: BinaryIO, size: int) -> None:
        """Add a file.

        Raises:
            MlpipesError: Its size differs from ``size``, or no reader would accept it.
        """
        if len(self.members) > MOST_FILES or not fits(name):
            problem = (
                f"a backup holds at most {MOST_FILES} files"
                if fits(name)
                else f"{name!r} is not a valid file name in a backup"
            )
            raise MlpipesError(
                f"the backup cannot be written: {problem}",
                "delete runs and models that you no longer need in MLflow",
            )
        source = Hashing(content)
        entry = tarfile.TarInfo(name)
        entry.size, entry.mtime, entry.mode = size, int(time.time()), 0o600
        try:
            self._tar.addfile(entry, cast(IO[bytes], source))
        except OSError as error:
            if error.errno is not None:
                raise
        if source.size != size or source.read(1):
            raise MlpipesError(f"{name} changed while it was copied", "run the backup again")
        self.members.append(Member(name, size, source.sha256))

    def finish(self, manifest: Manifest) -> None:
        """Add the manifest and its checksum at the end of the file."""
        text = manifest.to_json()
        line = f"{hashlib.sha256(text).hexdigest()}  {MANIFEST}\n".encode()
        for name, content in ((MANIFEST, text), (CHECKSUM, line)):
            self.add(name, io.BytesIO(content), len(content))


@contextlib.contextmanager
def writing(path: Path) -> Iterator[ArchiveWriter]:
    """Yield a writer; the backup file appears under its name when the context ends without an error.

    Raises:
        MlpipesError: It cannot be written.
    """
    try:
        _sweep(path)
        with atomic_files.replacing(path, atomic_files.PRIVATE, durable=True) as file:
            yield from _fill(file, compressed=not path.name.endswith(".tar"))
    except OSError as error:
        raise MlpipesError(
            f"{path}: cannot be written ({error.strerror or error})",
            "check the folder and the free disk space",
        ) from None


def _fill(file: IO[bytes], *, compressed: bool) -> Iterator[ArchiveWriter]:
    with contextlib.ExitStack() as stack:
        target = file
        if compressed:
            target = stack.enter_context(cast(IO[bytes], gzip.GzipFile("", "wb", 1, file, mtime=0)))
        tar = stack.enter_context(tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT))
        tar.copybufsize = _BUFFER  # type: ignore[attr-defined]
        yield ArchiveWriter(tar)


def _sweep(path: Path) -> None:
    """Remove the files of a killed backup of this name."""
    for left in path.parent.glob(f".{path.name}.*.new"):
        pid = left.name.split(".")[-2].split("-")[0]
        try:
            os.kill(int(pid), 0)
        except (ProcessLookupError, ValueError):
            left.unlink(missing_ok=True)
        except PermissionError:
            continue


def checked_name(path: Path) -> Path:
    """Return the path of a backup file.

    Raises:
        UsageError: It has another suffix, its folder is missing, or it is a folder itself.
    """
    if not path.name.endswith(SUFFIXES) or path.name in SUFFIXES:
        raise UsageError(
            f"{path}: the name of a backup must end in .tar or .tar.gz", f"name it {path.name}.tar"
        )
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent}: no such folder", "create it first")
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "give the path of a file")
    return path
