"""The journal of a running replacement: its stage, and copies of what it overwrites."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import atomic_files, private_files
from mlpipes_cli.ports import ArtifactStore

Stage = Literal["loading", "committing", "committed"]
_CHUNK = 1 << 20


@dataclass(frozen=True)
class RestoreJournal:
    """The folder ``.mlpipes/replacing-<runtime>``, which exists until a replacement is complete.

    Stages: ``loading`` (the databases are as they were, some artifacts may be new),
    ``committing`` (either is possible), ``committed`` (both databases are new, old artifacts may be left).

    Attributes:
        folder: The journal's folder.
    """

    folder: Path

    def open(self, file: Path) -> None:
        """Begin a replacement; everything overwritten before has been put back.

        Raises:
            MlpipesError: The folder cannot be written.
        """
        with self._written():
            if self.folder.exists():  # of a replacement that is complete, or cannot be undone any more
                shutil.rmtree(self.folder)
            private_files.folder(self.folder)
        self._write("loading", str(file))

    def state(self) -> tuple[Stage, str] | None:
        """Return the stage and the file of a replacement that has not ended."""
        try:
            row = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
            return row["stage"], row["file"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError):
            return "committing", "the same file"

    def mark(self, stage: Stage) -> None:
        """Record that a stage is reached."""
        found = self.state()
        self._write(stage, found[1] if found else "")

    def _write(self, stage: Stage, file: str) -> None:
        with self._written():
            text = json.dumps({"stage": stage, "file": file})
            atomic_files.write_text(self.folder / "state.json", text, durable=True)

    def keep(self, store: ArtifactStore, key: str) -> None:
        """Copy an artifact that is going to be overwritten."""
        number = sum(1 for _ in self._kept())
        kept = self.folder / f"{number}.kept"
        with (
            self._written(),
            store.read(key) as content,
            atomic_files.replacing(kept, durable=True) as copy,
        ):
            copy.write(f"{json.dumps(key)}\n".encode())
            shutil.copyfileobj(content, copy, _CHUNK)

    def _kept(self) -> Iterator[Path]:
        return self.folder.glob("*.kept")

    def put_back(self, store: ArtifactStore) -> None:
        """Write back all copies.

        Raises:
            MlpipesError: The store does not take it; the copies are still there.
        """
        for path in self._kept():
            with path.open("rb") as copy:
                key = json.loads(copy.readline())
                store.write(key, copy, path.stat().st_size - copy.tell())

    def close(self) -> None:
        """End the journal: the replacement is complete, or undone."""
        with self._written():
            state = self.folder / "state.json"
            state.unlink(missing_ok=True)
            shutil.rmtree(self.folder, ignore_errors=True)

    @contextlib.contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise MlpipesError(
                f"{self.folder}: cannot be written ({error.strerror})",
                "check its owner and the free disk space",
            ) from None
