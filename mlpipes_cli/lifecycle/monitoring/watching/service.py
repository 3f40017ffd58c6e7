"""The watcher as a service of the stack: `up --with watch`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from mlpipes_cli import http_probe
from mlpipes_cli.adapters import wiring
from mlpipes_cli.lifecycle.monitoring.watching import health
from mlpipes_cli.ports import ServiceSpec
from mlpipes_cli.services import catalog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlpipes_cli.config.project import ProjectConfig
    from mlpipes_cli.ports import Reporter, Runtime, ServiceStatus, StackStatus
    from mlpipes_cli.project import ProjectFolder

NAME = catalog.WATCH
_SECONDS = 3.0


def at_home(config: ProjectConfig) -> str:
    """Return why the watcher has to run in the project's folder; empty if a container can do all it does."""
    own = next((alert.name for alert in config.monitoring.alerts if alert.command is not None), None)
    if own is not None:
        return f"alert {own!r} is a command of the project's folder"
    retrain = config.monitoring.retrain
    if retrain is not None and retrain.conditions:
        return f"`retrain` trains {retrain.experiment} of the project's folder"
    return ""


def spec(project: ProjectFolder) -> ServiceSpec:
    """Return the service's specification: a process of this machine, or a container if the stack uses them.

    It changes with every setting that the watcher reads.
    """
    config, definition = project.config, catalog.get(NAME)
    (port,) = definition.ports
    fixed = config.wanted_port(port)
    read = config.model_dump(mode="json", include={"project", "serving", "promotion", "monitoring"})
    digest = hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()[:32]
    return ServiceSpec(
        name=NAME,
        command=(
            sys.executable, "-m", "mlpipes_cli", "-C", str(project.root), "watch", "--port", "{port}",
        ),
        preferred_port=fixed or port.preferred,
        fixed_port=fixed is not None,
        ready_path=health.PATH,
        container="" if at_home(config) else NAME,
        settings=digest,
    )  # fmt: skip


def bring(project: ProjectFolder, runtime: Runtime, result: StackStatus, reporter: Reporter) -> StackStatus:
    """Start the watcher of ``up --with watch`` on a running stack, by the present mlpipes.yaml.

    Raises:
        MlpipesError: It does not start.
    """
    wanted = spec(project)
    if wiring.remembered_services(project).get(NAME) == wanted:  # then `up` has started it
        return result
    if runtime.name == "docker" and (why := at_home(project.config)):
        reporter.info(f"{NAME} runs as a process of this machine, not in a container: {why}")
    status = runtime.start(wanted, reporter)
    change = f"{NAME}: started on port {status.port}"
    return replace(runtime.status(), changes=(*result.changes, change))


def report(services: Sequence[ServiceStatus]) -> tuple[ServiceStatus, ...]:
    """Return the services; the watcher with what it does, and when the next check is due."""
    return tuple(
        replace(row, detail="; ".join(part for part in (row.detail, _doing(row.url)) if part))
        if row.name == NAME and row.url
        else row
        for row in services
    )


def _doing(url: str) -> str:
    answer = http_probe.ask_url(f"{url}{health.PATH}", timeout=_SECONDS, read=True)
    with contextlib.suppress(ValueError, TypeError):
        found = health.Health(**json.loads(answer.body)) if answer else health.Health()
        due = f"the next check is due at {found.next[:16].replace('T', ' ')} UTC" if found.next else ""
        doing = {
            "waiting": "another process watches; it waits until that one ends",
            "away": "it waits for the database",
            "watching": due,
        }.get(found.state, "")
        return "; ".join(part for part in (doing, found.problem) if part)
    return ""
