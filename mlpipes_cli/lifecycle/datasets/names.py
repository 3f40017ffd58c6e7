"""Names of tables and columns that SQL takes without quotes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path

_MOST = 63  # bytes of PostgreSQL's names
_MOST_OF_TABLE = 50


def columns(names: Sequence[str]) -> dict[str, str]:
    """Return a name for each column: lower snake case, and no word that SQL reserves."""
    made: dict[str, str] = {}
    taken: set[str] = set()
    for at, name in enumerate(names, 1):
        plain = snake(name)[:_MOST] or f"column_{at}"
        if name.startswith("Unnamed: "):
            plain = f"column_{at}"
        plain = _not_reserved(plain)
        made[name] = _other(plain, taken)
        taken.add(made[name])
    return made


def snake(name: str) -> str:
    """Return a name in lower snake case of ASCII letters and digits; empty if it has none."""
    text = unicodedata.normalize("NFKD", name.replace("ß", "ss").replace("Æ", "AE").replace("æ", "ae"))
    text = "".join(char for char in text if not unicodedata.combining(char))
    text = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text)
    text = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", text)
    text = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").lower()
    return f"c_{text}" if text[:1].isdigit() else text


def _not_reserved(name: str) -> str:
    from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

    return f"{name}_" if name in RESERVED_WORDS else name


def _other(name: str, taken: Collection[str]) -> str:
    made, at = name, 1
    while made in taken:
        at += 1
        made = f"{name[: _MOST - 4]}_{at}"
    return made


def dataset(source: str) -> str:
    """Return a data set's name for a source: the stem of its file, or its last part."""
    plain = re.split(r"[?#]", source)[0] if "://" in source else source
    last = re.split(r"[/:]", plain.rstrip("/*"))[-1] or "dataset"
    stem = last.split(".")[0] if "." in last else last
    name = snake(stem.replace("*", " ")) or snake(Path(source).parent.name)
    name = name if name[:1].isalpha() else f"data_{name}".rstrip("_")
    return name[:_MOST_OF_TABLE].rstrip("_") or "dataset"
