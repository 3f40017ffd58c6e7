"""Runs the prediction API under uvicorn, in this process or in several."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from mlpipes_cli.lifecycle.serving.plan import Plan

_SETTINGS, _FAILURE = "MLPIPES_SERVER_SETTINGS", "MLPIPES_SERVER_FAILURE"
# Threads inside one small predict call wait for each other longer than they compute, without end on
# a busy machine; more processes (`--workers`) use more cores. Who sets these variables is obeyed.
_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_GRACE = 30  # seconds that requests in flight have when the server is told to stop


def serve(plan: Plan, port: int) -> int:
    """Serve until SIGINT or SIGTERM; requests in flight are answered and stored first.

    Raises:
        MlpipesError: The model does not load or the database does not answer.
    """
    for pool in _POOLS:  # read when the libraries are loaded, so before any of them is
        os.environ.setdefault(pool, "1")
    import uvicorn

    from mlpipes_cli.server.settings import ServerSettings

    settings = ServerSettings(plan.model, plan.alias, plan.version)
    os.environ.update(plan.endpoints.environment())
    os.environ[_SETTINGS] = settings.to_json()
    options: dict[str, Any] = {
        "host": plan.host,
        "port": port,
        "log_level": "warning",
        "log_config": _with_times(),
        "access_log": False,
        "timeout_graceful_shutdown": _GRACE,
        "server_header": False,
        "lifespan": "on",
    }
    if plan.workers > 1:
        return _several(plan.workers, options, plan.project.state / "serving" / f"{port}.failure")
    server = uvicorn.Server(uvicorn.Config(application(), **options))
    with _signals_are_the_servers():
        server.run()
    return 0 if server.started else 1


def _with_times() -> dict[str, Any]:
    """uvicorn's own settings of its log, each line with its time."""
    from uvicorn.config import LOGGING_CONFIG

    formatter = {**LOGGING_CONFIG["formatters"]["default"], "fmt": "%(asctime)s %(levelprefix)s %(message)s"}
    return {**LOGGING_CONFIG, "formatters": {**LOGGING_CONFIG["formatters"], "default": formatter}}


def application() -> FastAPI:
    """The API as the environment describes it; uvicorn's factory in each worker.

    Raises:
        MlpipesError: The model does not load or the database does not answer (in a worker: the
            reason is left for the parent, which ends).
    """
    from mlpipes_cli.adapters import wiring
    from mlpipes_cli.server.app import create_app
    from mlpipes_cli.server.settings import ServerSettings

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = ServerSettings.from_json(os.environ[_SETTINGS])
    failure = os.environ.get(_FAILURE)
    _end_with_parent()
    try:
        return create_app(settings, wiring.make_prediction_store(os.environ["MLPIPES_DATABASE_URL"]))
    except MlpipesError as error:
        if not failure:
            raise
        Path(failure).write_text("\n".join(error.lines()), encoding="utf-8")
        os.kill(os.getppid(), signal.SIGTERM)
        raise SystemExit(1) from None


def _several(workers: int, options: dict[str, Any], failure: Path) -> int:
    """Serve with several processes; the first that cannot start leaves its reason and ends them all."""
    import uvicorn

    failure.parent.mkdir(parents=True, exist_ok=True)
    failure.unlink(missing_ok=True)
    os.environ[_FAILURE] = str(failure)
    factory = f"{__name__}:{application.__name__}"
    code: int | str | None = 0
    try:
        with _signals_are_the_servers():
            uvicorn.run(factory, factory=True, workers=workers, timeout_worker_healthcheck=60, **options)
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
    """uvicorn stops on a signal and then raises it again for us; that second time means nothing."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_with_parent() -> None:
    """A worker whose parent was killed would go on listening: let it stop instead."""
    import multiprocessing
    from multiprocessing.connection import wait

    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
