"""The page's files, by the path under which they are served."""

from __future__ import annotations

from pathlib import Path

TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".html": "text/html"}
_FOLDER = Path(__file__).parent

FILES = {"/": _FOLDER / "page.html"} | {
    f"/page/{path.name}": path
    for path in sorted(_FOLDER.iterdir())
    if path.suffix in TYPES and path.suffix != ".html"
}
"""Anybody may have them, key or not: they say nothing of the model."""
