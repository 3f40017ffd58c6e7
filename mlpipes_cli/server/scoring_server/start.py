"""Becomes MLflow's scoring server of a model, as ``mlflow models serve --env-manager local`` starts it.

Started by ``python entry.py mlpipes_cli.server.scoring_server.start MODEL HOST PORT WORKERS`` with the
interpreter of the model's environment. MLflow's command line would stay as a parent that only waits.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

MLFLOWS = "mlflow.pyfunc.scoring_server.app:app"
APP = "mlpipes_scoring_app:app"
FOLDER = Path(__file__).parent / "app"


def mlflows_own(model: str, host: str, port: int, workers: int) -> str:
    """Return the command by which MLflow serves a model, as MLflow's own function or command line has it."""
    from mlflow.pyfunc import scoring_server

    if not hasattr(scoring_server, "get_cmd"):
        options = ["-m", model, "--env-manager", "local", "--host", host, "--port", str(port)]
        words = [sys.executable, "-m", "mlflow", "models", "serve", *options, "--workers", str(workers)]
        return shlex.join(words)
    found, environment = scoring_server.get_cmd(model, port, host, nworkers=workers)
    os.environ.update(environment)
    return str(found)


def command(given: str) -> tuple[list[str], bool]:
    """Return the command that serves our application, and whether MLflow's command was one that we know.

    Args:
        given: MLflow's: ``uvicorn OPTION... mlflow.pyfunc.scoring_server.app:app``.
    """
    words = shlex.split(given)
    if words[:1] != ["uvicorn"] or MLFLOWS not in words:
        return words, False
    options = [APP if word == MLFLOWS else word for word in words[1:]]
    return [sys.executable, "-m", "uvicorn", "--app-dir", str(FOLDER), *options], True


def main(model: str, host: str, port: int, workers: int) -> None:
    """Replace this process by the server. Does not return."""
    words, known = command(mlflows_own(model, host, port, workers))
    if not known:
        problem = "this MLflow starts its server in another way"
        sys.stderr.write(f"warning: {problem}: request values are read by MLflow's own rules\n")
    sys.stderr.flush()
    os.execvp(words[0], words)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
