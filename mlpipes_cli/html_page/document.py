"""The HTML document around a page: it loads nothing, runs no script, and is known as one of ours."""

from __future__ import annotations

from pathlib import Path

from mlpipes_cli.html_page.text import plain

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'"


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
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>{title}</title>\n'
        f"<style>\n{shared}{style}</style></head>\n<body>\n{body}</body></html>\n"
    )
