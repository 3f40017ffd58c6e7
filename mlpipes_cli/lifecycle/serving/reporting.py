"""What running APIs say of themselves, for `mlpipes status`."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from mlpipes_cli.adapters import wiring
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.serving.service import NAME
from mlpipes_cli.ports import ServiceStatus
from mlpipes_cli.project import Project

_SECONDS = 3.0


def told(project: Project, services: Sequence[ServiceStatus]) -> tuple[ServiceStatus, ...]:
    """The services, those of the prediction API with what they serve and what they suffer from."""
    rows = tuple(_with_answer(row) if row.name == NAME and row.url else row for row in services)
    if any(row.name == NAME and row.state == "running" for row in rows):
        return rows
    waits = _spooled(project)
    return (*rows, ServiceStatus(NAME, "stopped", detail=waits)) if waits else rows


def _with_answer(row: ServiceStatus) -> ServiceStatus:
    answer = _ready(row.url or "")
    if answer is None:
        return row
    parts = [row.detail, *_sentences(answer)]
    return replace(row, detail="; ".join(part for part in parts if part))


def _sentences(answer: Any) -> list[str]:
    found = [
        ", ".join(
            f"{model['name']} version {model['version']} ({model['alias']})" for model in answer["models"]
        )
    ]
    found += answer["problems"].values()
    if not answer["database"]:
        found.append("the database does not answer")
    if answer["spooled"]:
        age = f"the oldest for {answer['spooled_seconds']:.0f} s"
        found.append(f"{answer['spooled']} predictions wait in the spool, {age}")
    return found


def _ready(url: str) -> Any | None:
    """The answer of ``/ready``, or None where there is none of ours."""
    place = urlsplit(url)
    link = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_SECONDS)
    try:
        link.request("GET", "/ready")
        answer = json.loads(link.getresponse().read())
        return answer if isinstance(answer, dict) and "problems" in answer else None
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        link.close()


def _spooled(project: Project) -> str:
    with contextlib.suppress(MlpipesError):
        waiting = wiring.spooled(project.state / "spool")
        if waiting.rows:
            return (
                f"{waiting.rows} predictions wait in the spool; `mlpipes serve` puts them into the database"
            )
    return ""
