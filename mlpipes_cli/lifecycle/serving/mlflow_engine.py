"""Runs MLflow's own scoring server on the promoted model; values are read by our converter."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from mlpipes_cli import package_files
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.serving import parent_watch
from mlpipes_cli.lifecycle.trust import project_vault
from mlpipes_cli.signing import keys

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.serving.plan import ServingPlan

_GRACE = 15.0


def serve(plan: ServingPlan, port: int, python: Path | None = None) -> int:
    """Serve until SIGINT or SIGTERM, and end every process that MLflow started.

    Args:
        plan: The model and the address.
        port: The port.
        python: The interpreter of the environment that trained the model; None for this one.

    Raises:
        Untrusted: The model is not signed.
        MlpipesError: MLflow's server ended by itself.
    """
    place = plan.project.state / "serving"
    with tempfile.TemporaryDirectory(prefix="mlflow-", dir=place, ignore_cleanup_errors=True) as scratch:
        model = _fetched(plan, Path(scratch))
        entry = package_files.package() / "child_process" / "entry.py"
        command = [str(python or sys.executable), str(entry), "mlpipes_cli.server.scoring_server.start"]
        command += [model, plan.host, str(port), str(plan.workers)]
        return _run(
            command, _environment(plan, python) | {"TMPDIR": scratch}
        )  # MLflow leaves its downloads there


def _fetched(plan: ServingPlan, scratch: Path) -> str:
    """Return the model's verified files, so that MLflow, which would load anything, loads no others."""
    folder = scratch / "model"
    folder.mkdir()
    project_vault.of(plan.project, plan.endpoints).fetch(plan.model, plan.version, folder)
    return str(folder)


def _run(command: list[str], environment: dict[str, str]) -> int:
    stopped = False
    alive, ours = os.pipe()  # its other end closes with us, however we end
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", parent_watch.__file__, str(alive), *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        start_new_session=True,
        pass_fds=[alive],
    )
    os.close(alive)

    def stop(_: int, __: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        _signal_group(process, signal.SIGTERM)

    try:
        with _handled(stop):
            code = process.wait()
    finally:
        _end(process)
        os.close(ours)
    if stopped:
        return 0
    raise MlpipesError(f"MLflow's server exited with code {code}", "see its messages above")


def _environment(plan: ServingPlan, python: Path | None) -> dict[str, str]:
    """Return the project's environment, without the database's address and the key of models."""
    if python is not None:
        from mlpipes_cli.model_process.client import process_environment

        return process_environment(python)
    ours = {k: v for k, v in plan.endpoints.environment().items() if k != "MLPIPES_DATABASE_URL"}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    inherited = {k: v for k, v in os.environ.items() if k != keys.NAME}
    return inherited | ours | {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"}


@contextlib.contextmanager
def _handled(stop: signal._HANDLER) -> Iterator[None]:
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole process group: MLflow's parent does not end its server."""
    _signal_group(process, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
    _signal_group(process, signal.SIGKILL)
    process.wait()
