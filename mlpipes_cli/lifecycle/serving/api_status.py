"""Reads the status that running APIs report, for `mlpipes status`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from mlpipes_cli import http_probe, server_registry
from mlpipes_cli.adapters import database_wiring
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.serving.api_names import NAME, is_api
from mlpipes_cli.ports import ServiceStatus, StackStatus
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.server_registry import RunningServer

_SECONDS = 3.0


def report(project: ProjectFolder, services: Sequence[ServiceStatus]) -> tuple[ServiceStatus, ...]:
    """Return the services; those of the prediction API with their model and their problems."""
    notes = {urlsplit(note.url).port: note for note in server_registry.everyone(project)}
    rows = tuple(
        _with_answer(row, notes.get(row.port)) if is_api(row.name) and row.url else row for row in services
    )
    if any(is_api(row.name) and row.state == "running" for row in rows):
        return rows
    waits = _spooled(project)
    return (*rows, ServiceStatus(NAME, "stopped", detail=waits)) if waits else rows


def model_of(status: StackStatus, name: str) -> str | None:
    """Return the model that a running API of that name serves, or None if none answers."""
    row = status.running(name)
    answer = _ready(row.url) if row and row.url else None
    return answer["models"][0]["name"] if answer and answer["models"] else None


def _with_answer(row: ServiceStatus, note: RunningServer | None) -> ServiceStatus:
    if note is not None and note.engine == "mlflow":
        model = f"{note.model} version {note.version} ({note.alias})"
        parts = [row.detail, f"MLflow's server: {model}; it stores no predictions"]
    else:
        answer = _ready(row.url or "")
        if answer is None:
            return row
        parts = [row.detail, *_sentences(answer)]
    return replace(row, detail="; ".join(part for part in parts if part))


def _sentences(answer: Any) -> list[str]:
    found = [f"prediction API: {', '.join(map(_model, answer['models']))}"]
    found += answer["problems"].values()
    if not answer["database"]:
        found.append("the database does not answer")
    if answer["spooled"]:
        age = f"the oldest for {answer['spooled_seconds']:.0f} s"
        found.append(f"{answer['spooled']} predictions are in the spool, {age}")
    return found


def _model(told: Any) -> str:
    threshold = "" if told.get("threshold") is None else f", threshold {told['threshold']:.4g}"
    return f"{told['name']} version {told['version']} ({told['alias']}{threshold})"


def _ready(url: str) -> Any | None:
    """Return the answer of ``/ready``, or None if the server is not a prediction API."""
    answer = http_probe.ask_url(f"{url}/ready", timeout=_SECONDS, read=True)
    with contextlib.suppress(ValueError):
        told = json.loads(answer.body) if answer else None
        return told if isinstance(told, dict) and "problems" in told else None
    return None


def _spooled(project: ProjectFolder) -> str:
    with contextlib.suppress(MlpipesError):
        waiting = database_wiring.spooled(project.state / "spool")
        if waiting.rows:
            return f"{waiting.rows} predictions are in the spool; `mlpipes serve` writes them to the database"
    return ""
