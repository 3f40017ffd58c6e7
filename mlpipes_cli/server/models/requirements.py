"""Requirements of a model that this Python environment does not have."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

# Requirements of the full MLflow that mlflow-skinny, which can load models too, does not have.
BESIDE_MLFLOW = frozenset(
    """aiohappyeyeballs aiohttp aiosignal alembic attrs blinker contourpy cycler docker flask flask-cors
    fonttools frozenlist graphene graphql-core graphql-relay greenlet gunicorn huey itsdangerous jinja2
    kiwisolver mako markupsafe matplotlib mlflow mlflow-tracing multidict pillow prettytable propcache
    pyparsing skops sqlalchemy wcwidth werkzeug yarl""".split()  # noqa: SIM905
)


def missing(folder: Path) -> list[str]:
    """Return the lines of a logged model's ``requirements.txt`` whose packages are not installed here.

    Args:
        folder: The folder of the model's ``MLmodel``.
    """
    try:
        lines = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    passed = frozenset() if _installed("mlflow") else BESIDE_MLFLOW
    found = []
    for line in lines:
        name = re.match(r"[A-Za-z0-9][\w.-]*", line)
        if name is None or re.sub(r"[-_.]+", "-", name[0]).lower() in passed:
            continue
        if not _installed(name[0]):
            found.append(re.split(r"[;#]", line)[0].strip())
    return found


def _installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
