"""All resources of a project, for manifests and for the chart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlpipes_cli.lifecycle.export.kubernetes import jobs, serving
from mlpipes_cli.lifecycle.export.kubernetes.jobs import Task
from mlpipes_cli.lifecycle.export.kubernetes.resource import Resource
from mlpipes_cli.lifecycle.export.kubernetes.values import (
    DATABASE_URL,
    METRICS_KEY,
    MODEL_KEY,
    OPTIONAL,
    TRACKING,
    ClusterSettings,
    Values,
)

if TYPE_CHECKING:
    from mlpipes_cli.project import ProjectFolder

_TELLS = {
    DATABASE_URL: "postgresql://USER:PASSWORD@HOST:5432/DATABASE",
    METRICS_KEY: "an API key (`mlpipes keys create`) with which Prometheus reads /metrics",
    MODEL_KEY: "the key that models are signed with, from the project's .env",
    TRACKING: "the address of MLflow's server",
}


def resources(settings: ClusterSettings, values: Values, tasks: Sequence[Task]) -> list[Resource]:
    """Return all resources."""
    return [
        serving.migration(values),
        *serving.resources(settings, values),
        *jobs.resources(settings, values, tasks),
    ]


def secret_example(settings: ClusterSettings) -> str:
    """Return a Secret with the names of all keys and no value, for a person to copy."""
    values = settings.values
    needed = [DATABASE_URL, *([METRICS_KEY] if values["serviceMonitor"] else [])]
    optional: tuple[str, ...] = ()
    if settings.has_jobs:
        needed += [MODEL_KEY, TRACKING, *settings.secret_keys]
        optional = OPTIONAL
    lines = [
        "# The names of the keys, without values. Nothing applies this file: copy it to where no repository",
        "# keeps it, or have a secrets manager make the Secret.",
        "apiVersion: v1",
        "kind: Secret",
        "metadata:",
        f"  name: {values['secret']}",
        "type: Opaque",
        "stringData:",
    ]
    for name in dict.fromkeys(needed):
        comment = f" # {_TELLS[name]}" if name in _TELLS else ""
        lines.append(f'  {name}: ""{comment}')
    lines += [f'  # {name}: ""  # if it is needed' for name in optional if name not in needed]
    return "\n".join(lines) + "\n"


def image_parts(image: str) -> dict[str, str]:
    """Return an image as Kustomize replaces it: its name, and its tag or digest."""
    if "@" in image:
        name, _, digest = image.partition("@")
        return {"name": name, "digest": digest}
    name, _, tag = image.rpartition(":")
    return {"name": name, "newTag": tag}


def jobs_dockerfile(folder: str) -> dict[str, str]:
    """Return the Dockerfile of the jobs' image, and what it leaves out, by their names."""
    from mlpipes_cli import __version__, package_files

    text = (package_files.compose() / "api" / "Dockerfile").read_text(encoding="utf-8")
    found = re.search(r"python:3\.11-slim-bookworm@sha256:[0-9a-f]{64}", text)
    assert found is not None, "the API's Dockerfile names its base image"
    return {
        "jobs.Dockerfile": _DOCKERFILE.format(base=found[0], version=__version__, folder=folder),
        "jobs.Dockerfile.dockerignore": _IGNORED,
    }


_DOCKERFILE = """\
# The image of the jobs: mlpipes and this project's folder. In that folder:
#   docker build -f {folder}/jobs.Dockerfile -t IMAGE .
# MLPIPES is what pip installs: a version from your index, or the path of a wheel in this folder.
ARG PYTHON={base}
FROM ${{PYTHON}}
ARG MLPIPES=mlpipes=={version}
ENV PYTHONUNBUFFERED=1
COPY . /project
RUN if [ -e /project/.env ]; then echo ".env would be in the image: build with BuildKit" >&2; exit 1; fi \\
 && cd /project && pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore "$MLPIPES"
RUN useradd --no-create-home --uid 10004 mlpipes
USER mlpipes
WORKDIR /project
"""
_IGNORED = """\
.env
.env.*
.git
.mlpipes
.venv
**/__pycache__
secret*.yaml
"""


def left_out(settings: ClusterSettings, project: ProjectFolder) -> tuple[str, ...]:
    """Return what a project has and the export does not, a line each."""
    if settings.has_jobs or not (project.root / "pipeline.yaml").is_file():
        return ()
    return ("pipeline.yaml is left out: `kubernetes: {jobs: {image: ...}}` in mlpipes.yaml is missing",)


def summary(settings: ClusterSettings) -> dict[str, Any]:
    """Return the head of a chart."""
    from mlpipes_cli import __version__

    image = image_parts(settings.image)
    return {
        "apiVersion": "v2",
        "name": settings.name,
        "description": "The prediction API of a model, and its jobs",
        "type": "application",
        "version": __version__,
        "appVersion": image.get("newTag") or image["digest"],
        "kubeVersion": ">=1.27.0-0",
    }
