"""Stops, starts or removes one service, or opens a shell in it."""

from __future__ import annotations

from collections.abc import Sequence

from mlpipes_cli.adapters.wiring import make_runtime, remembered_services
from mlpipes_cli.errors import Interrupted
from mlpipes_cli.lifecycle.serving import api_names
from mlpipes_cli.ports import Halted, Reporter, Runtime, ServiceStatus
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.services.catalog import DATABASE, MLFLOW, STORES


def stop(project: ProjectFolder, service: str, reporter: Reporter) -> Halted:
    """Stop one service until ``start`` or ``up``, and report what the running services that need it lose.

    Raises:
        UsageError: There is no such service, or mlpipes does not run it.
        MlpipesError: It cannot be ended.
    """
    halted = make_runtime(project).halt(service, reporter)
    for name in halted.dependents:
        reporter.warn(f"{name} needs {service}{_without(project, service, name)}")
    return halted


def _without(project: ProjectFolder, service: str, dependent: str) -> str:
    """Describe how a service that keeps running is affected without the one it needs."""
    if api_names.is_api(dependent) and service == MLFLOW:
        return ": it keeps serving the loaded model versions"
    if api_names.is_api(dependent) and service == DATABASE:
        spools = project.config.serving.on_log_failure == "spool"
        return f": predictions are {'spooled' if spools else 'refused'}"
    if dependent == MLFLOW and service in STORES:
        return ": artifacts and models cannot be read or written"
    return ": requests to it may fail"


def start(project: ProjectFolder, service: str, reporter: Reporter) -> ServiceStatus:
    """Start one service and what it needs, and wait until it answers.

    Raises:
        UsageError: There is no such service, or mlpipes does not run it.
        MlpipesError: There is no stack yet, or it does not start.
    """
    try:
        return make_runtime(project).resume(service, reporter)
    except KeyboardInterrupt:
        raise Interrupted(f"stopped before {service} answered", "`mlpipes up` continues from here") from None


def drop(project: ProjectFolder, runtime: Runtime, service: str, reporter: Reporter) -> tuple[str, ...]:
    """End a service that `up --with` started, and forget it; return what was changed.

    Raises:
        MlpipesError: It cannot be ended.
    """
    if service not in remembered_services(project) or not runtime.stop(service, reporter):
        return ()
    return (f"{service}: removed, since it is no longer configured",)


def shell(project: ProjectFolder, service: str, command: Sequence[str]) -> int:
    """Run a program in a service's container, by default a shell; return its exit code.

    Raises:
        UsageError: There is no such service, or it is not a container.
        MlpipesError: It does not run, or the program cannot be started.
    """
    return make_runtime(project).shell(service, command)
