"""Airflow as a service of the stack: `up --with airflow`."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlpipes_cli import http_probe
from mlpipes_cli.adapters import wiring
from mlpipes_cli.config.pipeline.config import PIPELINE_FILE, load_pipeline
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.airflow import environment
from mlpipes_cli.lifecycle.export.airflow import dag
from mlpipes_cli.lifecycle.secrets import ensure_secrets
from mlpipes_cli.ports import ServiceSpec
from mlpipes_cli.services import catalog
from mlpipes_cli.services.airflow import HEALTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlpipes_cli.ports import Reporter, Runtime, ServiceStatus, StackStatus
    from mlpipes_cli.project import ProjectFolder

NAME, PASSWORD = catalog.AIRFLOW, "AIRFLOW_DB_PASSWORD"
DAGS = "dags"  # of the project: the pipeline's, and those of the user
LEAST_PARALLEL = 4
_PARTS = ("metadatabase", "scheduler", "dag_processor")  # the triggerer is for deferred tasks alone
_READY = 180.0  # seconds from the first answer until all parts work
_SECONDS = 3.0


def spec(project: ProjectFolder) -> ServiceSpec:
    """Return the service's specification: processes of this machine, which can run the project's commands."""
    (port,) = catalog.get(NAME).ports
    fixed = project.config.wanted_port(port)
    return ServiceSpec(
        name=NAME,
        command=(
            sys.executable, "-m", "mlpipes_cli.lifecycle.airflow.process", str(project.root), "{port}",
            str(_parallel(project)),
        ),
        preferred_port=fixed or port.preferred,
        fixed_port=fixed is not None,
        ready_path=HEALTH,
        timeout=catalog.timeout(NAME),
    )  # fmt: skip


def _parallel(project: ProjectFolder) -> int:
    """Return how many tasks run side by side: what the pipeline allows, and room for other DAGs."""
    path = project.root / PIPELINE_FILE
    with contextlib.suppress(MlpipesError):
        if path.is_file():
            return max(LEAST_PARALLEL, load_pipeline(path, project.root).parallel)
    return LEAST_PARALLEL


def bring(project: ProjectFolder, runtime: Runtime, result: StackStatus, reporter: Reporter) -> StackStatus:
    """Start Airflow on a running stack, with the pipeline as the project has it now.

    Raises:
        UsageError: pipeline.yaml has mistakes.
        MlpipesError: Its environment cannot be built, or it does not start.
    """
    export(project, reporter)
    wanted, changes = spec(project), result.changes
    if wiring.remembered_services(project).get(NAME) != wanted:  # else `up` has started it
        runtime.own_database(NAME, ensure_secrets(project.root, (PASSWORD,))[PASSWORD])  # before a download
        with wiring.make_environments() as environments:
            environment.ensure(environments, reporter.info)
        if runtime.name == "docker":
            reporter.info(f"{NAME} runs as a process of this machine: its tasks work in the project's folder")
        status = runtime.start(wanted, reporter)
        changes = (*changes, f"{NAME}: started on port {status.port}")
    rows = {row.name: row for row in runtime.status().services}
    _wait(str(rows[NAME].url), reporter)
    return replace(runtime.status(), changes=changes)


def export(project: ProjectFolder, reporter: Reporter) -> None:
    """Write the DAG of pipeline.yaml; one that the user has changed stays, with a warning.

    Raises:
        UsageError: pipeline.yaml has mistakes.
        MlpipesError: The DAG cannot be written.
    """
    path, folder = project.root / PIPELINE_FILE, project.root / DAGS
    if not path.is_file():
        reporter.info(f"{NAME}: there is no {PIPELINE_FILE}, so its only DAGs are yours in {DAGS}/")
        with contextlib.suppress(OSError):
            folder.mkdir(exist_ok=True)
        return
    shown = os.path.relpath(path)
    config = load_pipeline(path, project.root, shown)
    written = folder / dag.file_name(project, config)
    if written.is_file() and dag.is_changed(written):
        reporter.warn(
            f"{project.shown(written)} was changed, so it stays as it is; `mlpipes export airflow --force` "
            "writes it anew"
        )
        return
    dag.export(project, path, shown, folder)


def _wait(url: str, reporter: Reporter) -> None:
    """Wait until all parts of Airflow work.

    Raises:
        MlpipesError: One does not.
    """
    deadline = time.monotonic() + _READY
    with reporter.task("waiting for Airflow's scheduler"):
        while failing := _failing(url):
            if time.monotonic() > deadline:
                raise MlpipesError(f"{NAME}: {failing}", f"see `mlpipes logs {NAME}`")
            time.sleep(0.5)


def _failing(url: str) -> str:
    """Return which part of Airflow does not work; empty if all do."""
    answer = http_probe.ask_url(f"{url}{HEALTH}", timeout=_SECONDS, read=True)
    found: Any = {}
    with contextlib.suppress(ValueError, TypeError):
        found = json.loads(answer.body) if answer else {}
    if not isinstance(found, dict) or not found:
        return "it does not answer"
    bad = [part for part in _PARTS if (found.get(part) or {}).get("status") != "healthy"]
    return f"its {' and '.join(bad).replace('_', ' ')} not healthy" if bad else ""


def report(services: Sequence[ServiceStatus]) -> tuple[ServiceStatus, ...]:
    """Return the services; Airflow with its login, and with the parts of it that do not work."""
    return tuple(
        replace(row, detail="; ".join(part for part in (row.detail, _failing(row.url), _login()) if part))
        if row.name == NAME and row.url and row.state == "running"
        else row
        for row in services
    )


def _login() -> str:
    login = catalog.get(NAME).login
    return f"log in as {login.user}; `mlpipes status --show-secrets` shows {login.secret}" if login else ""
