"""Stores artifacts in a folder of this machine."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mlpipes_cli.adapters.artifacts.keys import checked
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Artifact

_UNFINISHED = ".mlpipes-unfinished"  # a folder beside the artifacts, so that a rename is one step
_UPLOADING = ".artifact.uploading."  # the suffix that MLflow's server gives to an incomplete file
_CHUNK = 1 << 20


@dataclass(frozen=True)
class FolderArtifactStore:
    """Implements :class:`mlpipes_cli.ports.ArtifactStore`.

    Attributes:
        root: The folder. A missing folder counts as empty; the first ``write`` makes it.
    """

    root: Path

    def entries(self) -> Iterator[Artifact]:
        try:
            yield from self._below(self.root, "")
        except OSError as error:
            raise self._failed("read", error) from None

    def _below(self, folder: Path, prefix: str) -> Iterator[Artifact]:
        try:
            found = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            return
        for entry in found:
            if (not prefix and entry.name == _UNFINISHED) or entry.name.startswith(_UPLOADING):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._below(Path(entry.path), f"{prefix}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                yield Artifact(prefix + entry.name, entry.stat(follow_symlinks=False).st_size)

    @contextlib.contextmanager
    def read(self, key: str) -> Iterator[BinaryIO]:
        try:
            content = (self.root / checked(key)).open("rb")
        except OSError as error:
            raise self._failed("read", error, key) from None
        with content:
            yield content

    def write(self, key: str, content: BinaryIO, size: int) -> None:
        target = self.root / checked(key)
        # the same name for the same key: the file of an interrupted attempt is overwritten
        temporary = self.root / _UNFINISHED / hashlib.sha256(key.encode()).hexdigest()
        try:
            temporary.parent.mkdir(parents=True, exist_ok=True)
            try:
                _copy(content, temporary, size, key)
                target.parent.mkdir(parents=True, exist_ok=True)
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    temporary.parent.rmdir()
        except OSError as error:
            raise self._failed("written", error, key) from None

    def remove(self, keys: Iterable[str]) -> None:
        for key in keys:
            path = self.root / checked(key)
            try:
                path.unlink(missing_ok=True)
            except NotADirectoryError:
                continue
            except OSError as error:
                raise self._failed("removed", error, key) from None
            self._drop_empty(path.parent)

    def _drop_empty(self, folder: Path) -> None:
        with contextlib.suppress(OSError):
            while folder != self.root and self.root in folder.parents:
                folder.rmdir()
                folder = folder.parent

    def _failed(self, what: str, error: OSError, key: str = "") -> MlpipesError:
        path = self.root / key if key else Path(error.filename or self.root)
        return MlpipesError(
            f"artifact {path} cannot be {what} ({error.strerror})",
            "check the folder's owner, permissions and free space",
        )


def _copy(content: BinaryIO, target: Path, size: int, key: str) -> None:
    """Write a file of exactly ``size`` bytes.

    Raises:
        MlpipesError: The content has another length.
    """
    with target.open("wb") as file:
        shutil.copyfileobj(content, file, _CHUNK)
        file.flush()
        written = os.fstat(file.fileno())
    if not stat.S_ISREG(written.st_mode) or written.st_size != size:
        raise MlpipesError(
            f"artifact {key}: {written.st_size} bytes received instead of {size}",
            "check whether something is writing to the source, then try again",
        )
