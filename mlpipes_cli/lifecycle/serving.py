"""Serving the promoted model: what to serve and where, in front or as a service of the stack."""

from __future__ import annotations

import contextlib
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle import running_api
from mlpipes_cli.ports import Endpoints, Registry, Reporter, ServiceSpec
from mlpipes_cli.project import Project
from mlpipes_cli.suggest import did_you_mean

PREFERRED_PORT = 8000
READY = {"api": "/ready", "mlflow": "/health"}


@dataclass(frozen=True)
class Plan:
    """What ``serve`` was asked for, resolved.

    Attributes:
        project: The project.
        endpoints: Its running stack.
        model: The registered model's name.
        version: What the alias points to now.
        alias: The alias.
        engine: ``api`` or ``mlflow``.
        host: The address to listen on.
        port: The port that was asked for, or None for the preferred or next free one.
        workers: Processes that answer.
    """

    project: Project
    endpoints: Endpoints
    model: str
    version: int
    alias: str
    engine: str
    host: str
    port: int | None
    workers: int

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.model} version {self.version} ({self.alias})"


@dataclass(frozen=True)
class Served:
    """A server that was started as a service of the stack.

    Attributes:
        url: Where it answers.
        model: The registered model's name.
        version: The version that it serves.
        alias: The alias.
        engine: ``api`` or ``mlflow``.
        pid: The process, where it is one of this machine.
    """

    url: str
    model: str
    version: int
    alias: str
    engine: str
    pid: int | None


def plan(
    project: Project,
    *,
    model: str | None = None,
    engine: str = "api",
    alias: str | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    workers: int | None = None,
) -> Plan:
    """Find out what is to be served; the project's settings fill what is left out.

    Raises:
        UsageError: There is no such model, or several and none was named.
        MlpipesError: The stack is not running, or nothing was promoted.
    """
    from mlpipes_cli.adapters import wiring

    serving = project.config.serving
    endpoints = wiring.make_runtime(project).endpoints()
    alias = alias or serving.alias
    name, version = resolve(wiring.make_registry(endpoints), model or serving.model, alias)
    wanted = serving.port if isinstance(serving.port, int) else None
    return Plan(
        project=project,
        endpoints=endpoints,
        model=name,
        version=version,
        alias=alias,
        engine=engine,
        host=host,
        port=port or wanted,
        workers=workers or serving.workers,
    )


def resolve(registry: Registry, name: str | None, alias: str) -> tuple[str, int]:
    """The model's name and the version that the alias points to.

    Raises:
        UsageError: There is no such model, or several and none was named.
        MlpipesError: Nothing was promoted to the alias.
    """
    found = registry.model(name) if name else None
    if found is None:
        models = {model.name: model for model in registry.models()}
        if name:
            known = did_you_mean(name, models) or _list_of(models)
            raise UsageError(f"there is no registered model {name!r}{known}", "see `mlpipes models`")
        if not models:
            raise MlpipesError("no model is registered yet", f"train, then {_promote(alias)}")
        if len(models) > 1:
            raise UsageError(
                f"there are several registered models: {', '.join(models)}",
                "choose one with --model NAME or `serving: {model: NAME}` in mlpipes.yaml",
            )
        found = next(iter(models.values()))
    if alias not in found.aliases:
        raise MlpipesError(f"model {found.name!r} has no {alias!r} version", _promote(alias))
    return found.name, found.aliases[alias]


def _list_of(models: dict[str, object] | object) -> str:
    names = list(models) if isinstance(models, dict) else []
    return f"; there is {', '.join(names)}" if names else ""


def _promote(alias: str) -> str:
    return "`mlpipes promote`" if alias == "production" else f"`mlpipes promote --to {alias}`"


def run(plan: Plan, reporter: Reporter) -> int:
    """Serve until told to stop; returns the exit code.

    Raises:
        MlpipesError: The port is taken, the model does not load, or the server failed.
    """
    from mlpipes_cli.lifecycle import serving_api, serving_mlflow

    with _port(plan, reporter) as port:
        serve = serving_api.serve if plan.engine == "api" else serving_mlflow.serve
        reporter.detail(f"loading {plan.title}")
        with _announced(plan, port, reporter):
            return serve(plan, port)


def detach(plan: Plan, reporter: Reporter) -> Served:
    """Start the same as a service of the stack and wait until it answers.

    Raises:
        MlpipesError: It did not come up; with its last log lines.
    """
    from mlpipes_cli.adapters import wiring

    arguments = ["--model", plan.model, "--alias", plan.alias, "--engine", plan.engine]
    arguments += ["--host", plan.host, "--workers", str(plan.workers), "--port", "{port}"]
    own = (sys.executable, "-m", "mlpipes_cli", "-C", str(plan.project.root), "serve")
    spec = ServiceSpec(
        name="api",
        command=(*own, *arguments),
        preferred_port=PREFERRED_PORT,
        fixed_port=plan.port is not None,
        ready_path=READY[plan.engine],
    )
    if plan.port is not None:
        spec = ServiceSpec(**{**vars(spec), "preferred_port": plan.port})
    status = wiring.make_runtime(plan.project).start(spec, reporter)
    url = status.url or f"http://127.0.0.1:{status.port}"
    return Served(url, plan.model, plan.version, plan.alias, plan.engine, status.pid)


@contextlib.contextmanager
def _port(plan: Plan, reporter: Reporter) -> Iterator[int]:
    """The port, held against other projects for as long as the server starts and runs."""
    from mlpipes_cli.adapters import wiring

    remembered = running_api.last_port(plan.project)
    with wiring.serving_port(plan.port, remembered, PREFERRED_PORT, reporter.info) as port:
        yield port


@contextlib.contextmanager
def _announced(plan: Plan, port: int, reporter: Reporter) -> Iterator[None]:
    """Once the server answers, say where, and leave the note by which ``predict`` finds it."""
    url = f"http://{_reachable(plan.host)}:{port}"
    over = threading.Event()
    pid, created = running_api.this_process()
    api = running_api.RunningApi(url, plan.model, plan.version, plan.alias, plan.engine, pid, created)

    def announce() -> None:
        if not wait_for(url + READY[plan.engine], over.is_set, over.wait):
            return
        with running_api.noted(plan.project, port, api):
            reporter.info(f"serving {plan.title} at {url} (Ctrl-C stops)")
            over.wait()

    thread = threading.Thread(target=announce, name="announce", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(10)


def _reachable(host: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def wait_for(url: str, over: Callable[[], bool], pause: Callable[[float], object]) -> bool:
    """Ask the URL until it answers 200; False if it was over before."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while not over():
        try:
            with opener.open(url, timeout=5) as answer:
                if answer.status == 200:
                    return True
        except (OSError, urllib.error.URLError):
            pass
        pause(0.05)
    return False
