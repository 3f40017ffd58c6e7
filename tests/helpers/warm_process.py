"""A process that has imported the libraries, and runs the command line in a fork of itself for each call.

``warm_process.py FD``: calls come through the listening socket FD, one a connection (see ``warm_cli``).
Nothing of mlpipes is run before the fork: its modules are imported, and those read no variables and no files.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import NoReturn

import warm_children

# What commands import; what only servers and candidates need is left to their own processes.
LIBRARIES = (
    "mlflow", "mlflow.sklearn", "mlflow.pyfunc", "pandas", "pyarrow.parquet", "scipy.special", "scipy.sparse",
    "sklearn.pipeline", "sklearn.linear_model", "sklearn.ensemble", "sklearn.datasets", "matplotlib.figure",
    "matplotlib.backends.backend_agg", "sqlalchemy", "sqlalchemy.dialects.postgresql.psycopg2", "psycopg2",
    "docker", "boto3", "httpx", "pydantic", "yaml", "psutil", "rich.console", "rich.table", "rich.progress",
    "rich.live", "typer.rich_utils", "typer.testing",
)  # fmt: skip
SERVER = (  # what MLflow's server imports; not its own modules, which read variables when they are
    "uvicorn.loops.auto", "uvicorn.protocols.http.httptools_impl", "flask_cors", "alembic.command", "fastapi",
    "aiohttp", "prometheus_client", "mlflow.store.tracking.sqlalchemy_workspace_store",
    "mlflow.store.model_registry.sqlalchemy_store", "mlflow.gateway.providers.utils",
    "mlflow.deployments.cli", "opentelemetry.proto.collector.trace.v1.trace_service_pb2",
)  # fmt: skip
OWN = ("cli", "config", "lifecycle", "adapters", "ports", "compose", "data", "scoring")


class Warm:
    """Answers calls until the listening socket's owner is gone."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._running: dict[int, socket.socket] = {}
        self._wake, self._woken = os.pipe()
        for descriptor in (self._wake, self._woken):
            os.set_blocking(descriptor, False)

    def serve(self) -> None:
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if sys.stdin.fileno() in ready:  # its other end is closed: no more calls
                    return
                if self._wake in ready:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake, 4096)
                    self._reap()
                if self._listener.fileno() in ready:
                    self._begin(self._listener.accept()[0])

    def _begin(self, call: socket.socket) -> None:
        text, descriptors, _, _ = socket.recv_fds(call, 1 << 20, 3)
        while not text.endswith(b"\n"):
            text += call.recv(1 << 20)
        pid = os.fork()
        if pid == 0:
            told = json.loads(text)
            if "command" in told:
                self._close()
                warm_children.become(told, descriptors)
                _leave(warm_children.run(told["command"]))
            self._become(told, descriptors, call)
        for descriptor in descriptors:
            os.close(descriptor)
        self._running[pid] = call
        call.sendall(f"{pid}\n".encode())

    def _become(self, call: dict[str, object], descriptors: list[int], asked: socket.socket) -> NoReturn:
        """In the fork: what ``python -m mlpipes_cli`` would be."""
        self._close()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        asked.close()
        os.environ.clear()
        os.environ.update(call["environment"])  # type: ignore[call-overload]
        os.chdir(str(call["cwd"]))
        tempfile.tempdir = None
        sys.path[0] = str(Path.cwd())
        sys.argv = ["mlpipes", *call["arguments"]]  # type: ignore[misc]
        code: object = 0
        warm_children.have(sys.argv, _leave)
        try:
            runpy.run_module("mlpipes_cli", run_name="__main__", alter_sys=True)
        except SystemExit as error:
            code = error.code
        except BaseException:
            traceback.print_exc()
            code = 1
        _leave(code)

    def _close(self) -> None:
        """In a fork: nothing of the warm process's own is left."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for descriptor in (self._wake, self._woken):
            os.close(descriptor)
        for other in (self._listener, *self._running.values()):
            other.close()

    def _reap(self) -> None:
        for pid, call in list(self._running.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                with contextlib.suppress(OSError):  # whoever asked has given up
                    call.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
                self._running.pop(pid).close()


def _leave(code: object) -> NoReturn:
    """End as the interpreter would, but without taking all modules apart, which would take longer."""
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def own_modules() -> list[str]:
    import mlpipes_cli

    folder = Path(mlpipes_cli.__file__).parent
    found = [
        path.relative_to(folder.parent).with_suffix("")
        for part in OWN
        for path in (folder / part).rglob("*.py")
    ]
    return [".".join(path.parts).removesuffix(".__init__") for path in found]


def main() -> None:
    gc.disable()
    for name in [*LIBRARIES, *SERVER, *own_modules()]:
        importlib.import_module(name)
    candidate_process = importlib.import_module("mlpipes_cli.worker.candidate_process")
    candidate_process.preload()
    gc.enable()
    gc.collect()
    gc.freeze()
    Warm(socket.socket(fileno=int(sys.argv[1]))).serve()


if __name__ == "__main__":
    main()
