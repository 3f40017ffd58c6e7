"""Reads the versions of MLflow's tables that the installed MLflow knows, without importing it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from mlpipes_cli.errors import MlpipesError

_REVISION = re.compile(r"""^revision(?::\s*\w+)?\s*=\s*["'](\w+)["']""", re.MULTILINE)
_BEFORE = re.compile(r"""^down_revision(?::[^=]+)?\s*=\s*["'](\w+)["']""", re.MULTILINE)


def revisions() -> dict[str, str | None]:
    """Return each version with the one before it.

    Raises:
        MlpipesError: The MLflow installation is incomplete.
    """
    spec = importlib.util.find_spec("mlflow")
    places = [Path(place) for place in (spec and spec.submodule_search_locations) or ()]
    found: dict[str, str | None] = {}
    for path in (one for place in places for one in place.glob("store/db_migrations/versions/*.py")):
        text = path.read_text(encoding="utf-8")
        if own := _REVISION.search(text):
            before = _BEFORE.search(text)
            found[own[1]] = before[1] if before else None
    if not found:
        raise MlpipesError("the MLflow installation is incomplete", "reinstall mlpipes")
    return found


def newest() -> str:
    """Return the version to which the installed MLflow upgrades its tables."""
    known = revisions()
    return next(one for one in known if one not in known.values())
