"""What a command line names as a source: a file, or a query, a function or what else ``source:`` takes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data.origins.source_location import SCHEMES, table_or_query
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.lifecycle.datasets import names

_QUERY = re.compile(r"\(?\s*(select|with|values|table)\s", re.IGNORECASE)
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_FROM = re.compile(r"\bfrom\s+[\"`]?(?:\w+[\"`]?\.[\"`]?)?(\w+)", re.IGNORECASE)


def parsed(text: str, folder: Path) -> Any:
    """Return the value that ``source:`` of a file would have for a text.

    Args:
        text: ``select ...`` is a query of the project's database, ``module:function`` a function of the
            folder, and ``{...}`` and ``[...]`` are read as YAML; all else is a file or an address.
        folder: The folder at which relative paths start.
    """
    plain = text.strip()
    if _exists(folder / text):
        return text
    if plain[:1] + plain[-1:] in ("{}", "[]"):
        try:
            return parse_yaml(f"source: {plain}\n", "SOURCE").data["source"]
        except ConfigError:
            return text
    scheme, _, rest = plain.partition(":")
    if scheme == "postgres" and not rest.startswith("//"):
        table, query = table_or_query(rest.strip(), parse_yaml("source:\n", "SOURCE"), ("source",))
        return {"table": table} if query is None else {"query": query}
    if _QUERY.match(plain):
        return {"query": plain}
    if _FUNCTION.fullmatch(plain) and scheme not in SCHEMES:
        return {"function": plain}
    return text


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # the text is longer than a path may be
        return False


def dataset(told: Any) -> str:
    """Return a data set's name for a source: that of its file, table or function."""
    if isinstance(told, Mapping):
        query = str(told.get("query") or "")
        table = _FROM.search(query)
        found = told.get("function") or told.get("table") or (table and table[1]) or "rows"
        return names.dataset(re.split(r"[:.]", str(found))[-1])
    if isinstance(told, Sequence) and not isinstance(told, str):
        return names.dataset(str(next(iter(told), "")))
    return names.dataset(told)
