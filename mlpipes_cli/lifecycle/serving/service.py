"""The prediction API as a service of the stack: `serve --detach`, and `up --with api`."""

from __future__ import annotations

import ipaddress
import sys
from dataclasses import replace

from mlpipes_cli import server_registry, stack_state
from mlpipes_cli.adapters import wiring
from mlpipes_cli.config.serving import Serving
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.serving import environments
from mlpipes_cli.lifecycle.serving.api_names import NAME, is_api
from mlpipes_cli.lifecycle.serving.plan import make_plan
from mlpipes_cli.lifecycle.trust import project_vault
from mlpipes_cli.ports import Reporter, Runtime, ServiceSpec, ServiceStatus, StackStatus
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.services import catalog

PREFERRED_PORT = catalog.get(NAME).ports[0].preferred
_LOCALHOST = "127.0.0.1"


def spec(
    project: ProjectFolder,
    settings: Serving,
    *,
    engine: str = "api",
    host: str = _LOCALHOST,
    name: str = NAME,
) -> ServiceSpec:
    """Return the service's specification: a process of this machine, or a container if the stack uses them.

    MLflow's own server, an address other than the stack's, and additional APIs are processes
    on every runtime.

    Args:
        project: The project.
        settings: The settings; without a model, the only one that there is.
        engine: ``api`` or ``mlflow``.
        host: The address on which the process listens.
        name: The service's name.
    """
    arguments = ["--model", settings.model] if settings.model else []
    arguments += ["--alias", settings.alias, "--engine", engine, "--host", host]
    arguments += ["--workers", str(settings.workers), "--port", "{port}"]
    own = (sys.executable, "-m", "mlpipes_cli", "-C", str(project.root), "serve")
    fixed = settings.port if isinstance(settings.port, int) else None
    listen = project.config.stack.listen
    everywhere = ipaddress.ip_address(listen).is_unspecified
    at_home = host in (_LOCALHOST, listen) or (everywhere and host == "localhost")
    carried = name == NAME and engine == "api" and at_home
    return ServiceSpec(
        name=name,
        command=(*own, *arguments),
        preferred_port=fixed or PREFERRED_PORT,
        fixed_port=fixed is not None,
        ready_path=server_registry.READY[engine],
        container=NAME if carried else "",
        settings=settings.model_dump_json(exclude_defaults=True),
    )


def bring(project: ProjectFolder, runtime: Runtime, result: StackStatus, reporter: Reporter) -> StackStatus:
    """Start the API of ``up --with api`` on a running stack, by the present mlpipes.yaml.

    If there is nothing to serve yet, or nothing that may be loaded, a message says so, and the next ``up``
    tries again.

    Raises:
        MlpipesError: There is a model, but the API does not start.
    """
    wanted = spec(project, project.config.serving)
    if wiring.remembered_services(project).get(NAME) == wanted:  # then `up` has started it
        return result
    try:
        plan = make_plan(project)
        project_vault.of(project, plan.endpoints).want_claim(plan.model, plan.version)
    except MlpipesError as error:
        then = f"{error.hint}, then " if error.hint else ""
        reporter.warn(f"the API was not started: {error.reason}; {then}`mlpipes up`")
        return replace(result, services=waiting(result.services))
    if not (wanted.container and runtime.name == "docker"):  # there the environment is built where it is used
        environments.prepare(plan, reporter)
    status = runtime.start(wanted, reporter)
    change = f"{NAME}: started on port {status.port}"
    return replace(runtime.status(), changes=(*result.changes, change))


def drop(project: ProjectFolder, runtime: Runtime, reporter: Reporter) -> tuple[str, ...]:
    """End the APIs, however they were added, and forget them; return the names of what was changed.

    Raises:
        MlpipesError: It cannot be ended.
    """
    there = [name for name in wiring.remembered_services(project) if is_api(name)]
    ended = [name for name in there if runtime.stop(name, reporter)]
    return tuple(f"{name}: removed, since it is no longer configured" for name in ended)


def forget_choice(project: ProjectFolder) -> None:
    """Let the API follow the options it was started with, not mlpipes.yaml alone."""
    made = stack_state.read(project)
    others = tuple(name for name in made.services if name != NAME)
    stack_state.write(project, replace(made, services=others))


def waiting(services: tuple[ServiceStatus, ...]) -> tuple[ServiceStatus, ...]:
    """Return the services, with an API among them that was requested and has nothing to serve yet."""
    if any(row.name == NAME for row in services):
        return services
    detail = "it waits for a model: `mlpipes promote`, then `mlpipes up`"
    return (*services, ServiceStatus(NAME, "stopped", detail=detail))
