"""Files that a command writes for a person: one of its own is replaced, no other."""

from __future__ import annotations

from pathlib import Path

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.local_files import atomic_files

_HEAD = 2000  # bytes of a file in which its mark is


def check(output: Path, mark: str, what: str, *, force: bool = False) -> None:
    """Refuse to replace a file that is not of this kind.

    Args:
        output: The file to be written.
        mark: Text near the beginning of every file of this kind.
        what: The kind, such as ``a page of `mlpipes monitor` ``.
        force: Replace any regular file.

    Raises:
        UsageError: It is another file, or its folder does not exist.
    """
    if not output.absolute().parent.is_dir():
        raise UsageError(f"{output.parent}: no such folder", "choose another --output")
    if output.exists() and not output.is_file():
        raise UsageError(f"{output}: not a regular file", "choose another --output")
    if force or not output.exists():
        return
    try:
        with output.open("rb") as opened:
            ours = mark.encode() in opened.read(_HEAD)
    except OSError as error:
        raise UsageError(f"{output}: {error.strerror}", "choose another --output") from None
    if not ours:
        message = f"{output}: exists already, and is not {what}"
        raise UsageError(message, "choose another --output, or overwrite it with --force")


def write(output: Path, text: str) -> None:
    """Write a file, whole or not at all.

    Raises:
        MlpipesError: It cannot be written.
    """
    try:
        atomic_files.write_text(output, text)
    except OSError as error:
        raise MlpipesError(f"{output}: {error.strerror}", "choose another --output") from None


def make_folder(folder: Path) -> None:
    """Make a folder for several files, if its parent exists.

    Raises:
        UsageError: Its parent does not exist, or it is a file.
        MlpipesError: It cannot be made.
    """
    if not folder.absolute().parent.is_dir():
        raise UsageError(f"{folder.parent}: no such folder", "choose another --output")
    try:
        folder.mkdir(exist_ok=True)
    except FileExistsError:
        raise UsageError(f"{folder}: not a folder", "choose another --output") from None
    except OSError as error:
        raise MlpipesError(f"{folder}: {error.strerror}", "choose another --output") from None
