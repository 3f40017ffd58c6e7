"""A folder of files that a command writes: what it wrote before is replaced, nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mlpipes_cli import output_files
from mlpipes_cli.errors import MlpipesError, UsageError


@dataclass(frozen=True)
class WrittenFolder:
    """What was written.

    Attributes:
        folder: The folder.
        files: The files that were written, relative to it.
        kept: Files for a person to change, which were there already and stay as they are.
        removed: Files of an earlier export that are no longer needed.
        left_out: What the project has and the files do not, a line each.
    """

    folder: str
    files: tuple[str, ...]
    kept: tuple[str, ...]
    removed: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass
class OutputFolder:
    """Collects files, and writes all of them or none if one would replace somebody else's.

    Args:
        folder: The folder; it is made if its parent exists.
        command: The command that writes it, whose name is in each file.
        force: Replace any regular file, also those that a person changes.
    """

    folder: Path
    command: str
    force: bool = False
    _files: dict[str, str] = field(default_factory=dict)
    _starts: dict[str, str] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """The text by which a file is known."""
        return f"Written by `mlpipes {self.command}`"

    @property
    def _head(self) -> str:
        return f"{self.mark}; the next export replaces it."

    def add(self, path: str, text: str) -> None:
        """Add a file whose text has the mark, or a YAML file or Dockerfile, which gets it."""
        head = "" if self.mark in text else f"# {self._head}\n"
        self._files[path] = head + text

    def start(self, path: str, text: str) -> None:
        """Add a file that is written once, for a person to change."""
        self._starts[path] = f"# {self.mark}, once: it is yours to change.\n{text}"

    def write(self, left_out: tuple[str, ...] = ()) -> WrittenFolder:
        """Write the files.

        Raises:
            UsageError: One would replace a file that is not of this command; none is written then.
            MlpipesError: A file cannot be written.
        """
        output_files.make_folder(self.folder)
        kept = [path for path in self._starts if not self.force and (self.folder / path).is_file()]
        wanted = {**self._files, **{path: self._starts[path] for path in self._starts if path not in kept}}
        what = f"a file of `mlpipes {self.command}`"
        for path in wanted:
            if (self.folder / path).exists():
                output_files.check(self.folder / path, self.mark, what, force=self.force)
        self._make_folders(wanted)
        for path, text in wanted.items():
            output_files.write(self.folder / path, text)
        removed = self._remove_stale({*wanted, *kept})
        return WrittenFolder(str(self.folder), tuple(wanted), tuple(kept), removed, left_out)

    def _make_folders(self, paths: dict[str, str]) -> None:
        for folder in sorted({self.folder / Path(path).parent for path in paths}):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except FileExistsError:
                raise UsageError(f"{folder}: not a folder", "choose another --output") from None
            except OSError as error:
                raise MlpipesError(f"{folder}: {error.strerror}", "choose another --output") from None

    def _remove_stale(self, current: set[str]) -> tuple[str, ...]:
        """Remove files that an earlier export wrote beside these, so that nothing installs them."""
        found = []
        for folder in sorted({Path(path).parent for path in self._files}):
            for file in sorted((self.folder / folder).iterdir()):
                path = file.relative_to(self.folder).as_posix()
                if path in current or not file.is_file() or file.is_symlink():
                    continue
                with file.open("rb") as opened:
                    first = opened.readline()
                if self._head.encode() in first:
                    file.unlink()
                    found.append(path)
        return tuple(found)
