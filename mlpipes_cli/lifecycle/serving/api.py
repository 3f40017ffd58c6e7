"""Runs the prediction API under uvicorn, in this process or in several."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.hostnames import names_of
from mlpipes_cli.lifecycle.secrets import model_key
from mlpipes_cli.lifecycle.serving.settings import server_settings
from mlpipes_cli.signing import keys

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.serving.plan import ServingPlan
    from mlpipes_cli.server.http.asgi import AsgiApp
    from mlpipes_cli.server.settings import ServerSettings

_SETTINGS, _FAILURE = "MLPIPES_SERVER_SETTINGS", "MLPIPES_SERVER_FAILURE"
# Threads inside one small predict call wait for each other longer than they compute, without limit on
# a busy machine; more processes (`--workers`) use more cores. Variables that the user sets are kept.
_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
GRACE = 30  # seconds that requests in flight have when the server stops


def serve(plan: ServingPlan, port: int) -> int:
    """Serve a project's model until SIGINT or SIGTERM.

    Raises:
        MlpipesError: The model does not load or the database does not answer.
    """
    from mlpipes_cli.adapters import wiring

    wiring.keep_logs(plan.project)
    state, serving = plan.project.state, plan.project.config.serving
    os.environ.update(plan.endpoints.environment())
    os.environ[keys.NAME] = model_key(plan.project.root).secret.decode()
    settings = server_settings(serving, plan.model, plan.alias, state)
    settings = replace(settings, allowed_hosts=(*settings.allowed_hosts, *names_of(plan.host)))
    return listen(settings, plan.host, port, plan.workers, state / "serving" / f"{port}.failure")


def listen(settings: ServerSettings, host: str, port: int, workers: int, failure: Path) -> int:
    """Serve until SIGINT or SIGTERM; requests in flight are answered and stored first.

    The addresses of the database and the registry come from this process's environment.

    Args:
        settings: The model to serve, and the server's settings.
        host: The address to listen on.
        port: The port.
        workers: The number of worker processes.
        failure: A file in which one of several processes reports why it cannot start.

    Raises:
        MlpipesError: The model does not load or the database does not answer.
    """
    for pool in _POOLS:  # libraries read them when they are loaded, so they are set before
        os.environ.setdefault(pool, "1")
    import uvicorn

    from mlpipes_cli.server.http import connection_limits
    from mlpipes_cli.server.ops import logs, shared_metrics

    logs.configure()
    connection_limits.raise_file_limit()  # each connection is an open file
    os.environ[_SETTINGS] = settings.to_json()
    options: dict[str, Any] = {
        "host": host,
        "port": port,
        "loop": "uvloop",
        "http": f"{connection_limits.__name__}:{connection_limits.LimitedProtocol.__name__}",
        "ws": "none",
        "log_level": "warning",
        "log_config": None,
        "access_log": False,
        "timeout_graceful_shutdown": GRACE,
        "server_header": False,
        "lifespan": "on",
    }
    if workers > 1:
        with shared_metrics.shared(failure.with_suffix(".metrics")):
            return _several(workers, options, failure)
    with shared_metrics.alone():
        server = uvicorn.Server(uvicorn.Config(application(), **options))
    with _signals_are_the_servers():
        server.run()
    return 0 if server.started else 1


def application() -> AsgiApp:
    """Return the API that the environment describes; uvicorn calls this factory in each worker.

    Raises:
        MlpipesError: The model does not load or the database does not answer (in a worker: the
            reason is left for the parent, which ends).
    """
    from mlpipes_cli.adapters import database_wiring, wiring
    from mlpipes_cli.lifecycle.serving.stores import make_stores
    from mlpipes_cli.server.models import memory

    memory.prepare()
    from mlpipes_cli.server.http.app import create_app
    from mlpipes_cli.server.ops import logs
    from mlpipes_cli.server.settings import ServerSettings

    logs.configure()
    settings, url = ServerSettings.from_json(os.environ[_SETTINGS]), os.environ["MLPIPES_DATABASE_URL"]
    tracking = os.environ.get("MLFLOW_TRACKING_URI")
    failure = os.environ.get(_FAILURE)
    _end_with_parent()
    try:
        models = None
        if tracking and settings.folder is None:
            models = wiring.make_vault(tracking, os.environ, keys.of_environment(os.environ))
        database_wiring.prepare_database(url, must=settings.on_log_failure == "refuse")
        app = create_app(settings, make_stores(settings, url, models))
        memory.trim(freeze=True)
        return app
    except MlpipesError as error:
        if not failure:
            raise
        Path(failure).write_text("\n".join(error.lines()), encoding="utf-8")
        os.kill(os.getppid(), signal.SIGTERM)
        raise SystemExit(1) from None


def _several(workers: int, options: dict[str, Any], failure: Path) -> int:
    """Serve with several processes; the first that cannot start leaves its reason and ends them all."""
    import uvicorn

    from mlpipes_cli.server.http.workers import Workers

    failure.parent.mkdir(parents=True, exist_ok=True)
    failure.unlink(missing_ok=True)
    os.environ[_FAILURE] = str(failure)
    factory = f"{__name__}:{application.__name__}"
    code: int | str | None = 0
    try:
        with _signals_are_the_servers():
            config = uvicorn.Config(
                factory, factory=True, workers=workers, timeout_worker_healthcheck=60, **options
            )
            with contextlib.suppress(KeyboardInterrupt):
                Workers(config, [config.bind_socket()]).run()
        if failure.exists():
            raise MlpipesError(failure.read_text(encoding="utf-8"))
    except SystemExit as end:
        code = end.code
    finally:
        os.environ.pop(_FAILURE, None)
        failure.unlink(missing_ok=True)
    return code if isinstance(code, int) else 1


@contextlib.contextmanager
def _signals_are_the_servers() -> Iterator[None]:
    """Ignore the signal that uvicorn raises again after it stopped on it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_with_parent() -> None:
    """End a worker when its parent was killed; otherwise it would continue to listen."""
    import multiprocessing
    from multiprocessing.connection import wait

    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
