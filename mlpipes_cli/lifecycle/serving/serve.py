"""``serve``: serves a model in the foreground, or as a service of the stack."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mlpipes_cli import http_probe, server_registry
from mlpipes_cli.lifecycle.serving import api_names, api_status, service
from mlpipes_cli.lifecycle.serving.plan import ServingPlan
from mlpipes_cli.lifecycle.serving.service import PREFERRED_PORT
from mlpipes_cli.lifecycle.trust import project_vault
from mlpipes_cli.ports import Reporter, ServiceSpec


@dataclass(frozen=True)
class Served:
    """A server that was started as a service of the stack.

    Attributes:
        url: The server's address.
        model: The registered model's name.
        version: The version that it serves.
        alias: The alias.
        engine: ``api`` or ``mlflow``.
        pid: The process, if it runs on this machine.
    """

    url: str
    model: str
    version: int
    alias: str
    engine: str
    pid: int | None


def run(plan: ServingPlan, reporter: Reporter) -> int:
    """Serve until stopped; return the exit code.

    Raises:
        Untrusted: The model is not signed.
        MlpipesError: The model's environment cannot be built, the port is in use, the model does not load,
            or the server failed.
    """
    from mlpipes_cli.adapters import wiring
    from mlpipes_cli.lifecycle.serving import api, environments, mlflow_engine

    python = environments.prepare(plan, reporter)
    wiring.mark_children(plan.project)
    with _port(plan, reporter) as port:
        reporter.detail(f"loading {plan.title}")
        with _announced(plan, port, reporter):
            if plan.engine == "api":
                return api.serve(plan, port)
            return mlflow_engine.serve(plan, port, python)


def detach(plan: ServingPlan, reporter: Reporter) -> Served:
    """Start the server as a service of the stack and wait until it answers.

    Raises:
        Untrusted: The model is not signed.
        MlpipesError: It did not start; the message has its last log lines.
    """
    from mlpipes_cli.adapters import wiring
    from mlpipes_cli.lifecycle.serving import environments

    told = {"model": plan.model, "alias": plan.alias, "workers": plan.workers, "port": plan.port or "auto"}
    settings = plan.project.config.serving.model_copy(update=told)
    project_vault.of(plan.project, plan.endpoints).want_claim(plan.model, plan.version)
    runtime = wiring.make_runtime(plan.project)
    known = wiring.remembered_services(plan.project)
    name = api_names.name_for(plan.model, known, api_status.model_of(runtime.status(), api_names.NAME))
    spec = service.spec(plan.project, settings, engine=plan.engine, host=plan.host, name=name)
    _say_what_is_replaced(known.get(name), spec, plan.model, reporter)
    if not (spec.container and runtime.name == "docker"):  # there the environment is built where it is used
        environments.prepare(plan, reporter)
    status = runtime.start(spec, reporter)
    if name == api_names.NAME:
        service.forget_choice(plan.project)  # from now on the command's options apply, not mlpipes.yaml alone
    url = status.url or f"http://127.0.0.1:{status.port}"
    return Served(url, plan.model, plan.version, plan.alias, plan.engine, status.pid)


def _say_what_is_replaced(
    before: ServiceSpec | None, now: ServiceSpec, model: str, reporter: Reporter
) -> None:
    if before is None:
        return
    old, new = api_names.target_of(before), api_names.target_of(now)
    if old.title(model) != new.title(model):
        reporter.info(f"{now.name}: {new.title(model)} in place of {old.title(model)}")


@contextlib.contextmanager
def _port(plan: ServingPlan, reporter: Reporter) -> Iterator[int]:
    """Yield the port, reserved against other projects while the server starts and runs."""
    from mlpipes_cli.adapters import machine_wiring

    remembered = server_registry.last_port(plan.project)
    with machine_wiring.serving_port(plan.port, remembered, PREFERRED_PORT, reporter.info) as port:
        yield port


@contextlib.contextmanager
def _announced(plan: ServingPlan, port: int, reporter: Reporter) -> Iterator[None]:
    """Write the file by which others find the server, and report its address once it answers."""
    url = f"http://{_reachable(plan.host)}:{port}"
    over = threading.Event()
    pid, created = server_registry.this_process()
    note = server_registry.RunningServer(url, plan.model, plan.version, plan.alias, plan.engine, pid, created)

    def announce() -> None:
        if wait_for(url + note.question, over.is_set, over.wait):
            server_registry.write(plan.project, port, replace(note, ready=True))
            reporter.info(f"serving {plan.title} at {url} (Ctrl-C stops)")

    thread = threading.Thread(target=announce, name="announce", daemon=True)
    with server_registry.registered(plan.project, port, note):
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
    """Poll the URL until it answers 200; return False if ``over`` becomes true before."""
    while not over():
        answer = http_probe.ask_url(url)
        if answer and answer.status == 200:
            return True
        pause(0.05)
    return False
