"""The HTML document around a page: it loads nothing, runs no script, and is known as one of ours."""

from __future__ import annotations

from pathlib import Path

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.html_page.text import plain
from mlpipes_cli.local_files import atomic_files

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'"
_HEAD = 2000  # bytes of a page in which its mark is


def mark(command: str) -> str:
    """Return the element of the head by which pages of a command are known, such as ``mlpipes monitor``."""
    return f'<meta name="generator" content="{plain(command)}">'


def document(title: str, command: str, body: str, style: str = "") -> str:
    """Return a whole document.

    Args:
        title: The title, escaped.
        command: The command that writes it.
        body: HTML of the body.
        style: CSS beside that of all pages.
    """
    shared = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n{mark(command)}\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>{title}</title>\n'
        f"<style>\n{shared}{style}</style></head>\n<body>\n{body}</body></html>\n"
    )


def check_output(output: Path, command: str, *, force: bool = False) -> None:
    """Refuse to replace a file that is not a page of this command.

    Args:
        output: The file to be written.
        command: The command that writes it.
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
            ours = mark(command).encode() in opened.read(_HEAD)
    except OSError as error:
        raise UsageError(f"{output}: {error.strerror}", "choose another --output") from None
    if not ours:
        said = f"{output}: exists already, and is not a page of `{command}`"
        raise UsageError(said, "choose another --output, or overwrite it with --force")


def write(output: Path, page: str) -> None:
    """Write a page, whole or not at all.

    Raises:
        MlpipesError: The file cannot be written.
    """
    try:
        atomic_files.write_text(output, page)
    except OSError as error:
        raise MlpipesError(f"{output}: {error.strerror}", "choose another --output") from None
