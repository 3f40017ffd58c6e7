"""MLflow's command line, whose server runs in the command's own process.

``mlflow server`` imports MLflow, prepares the database, and starts uvicorn as a child that imports all of it
again, while the command only waits. Here the command that MLflow would give to its child is carried out in
place, with the variables that the child would get: less time to start, and less memory.
"""

import gc
import importlib
import logging
import os
import pathlib
import re
import sys

import uvicorn  # before MLflow: its application guards itself where it finds a server's module loaded

_APPLICATION = re.compile(r"([a-z_][\w.]*):\w+", re.ASCII | re.IGNORECASE)  # as uvicorn is told what to serve


class Unasked(logging.Filter):
    """Leaves out of the access log what nobody but machines asks, again and again: 170,000 lines a day.

    Each worker of the prediction API looks twice a second where the model's aliases point, and whatever runs
    the stack asks for the server's health. An answer that tells of a fault stays.
    """

    asked = re.compile(r"/(api/2\.0/mlflow/registered-models/get\?|health$)")

    def filter(self, record):
        try:
            _, method, path, _, status = record.args
            return not (method == "GET" and int(status) in (200, 404) and self.asked.match(path))
        except (TypeError, ValueError):
            return True


def keep_logs(folder):
    """In a stack of processes this one looks after the log files of all of them."""
    from mlpipes_cli.adapters.processes import log_rotation

    log_rotation.keep(folder)


def serve(command, extra_env=None, **_options):
    """What MLflow calls to start its server: ``[python, "-m", "uvicorn", ...]``. Does not return."""
    if command[1:3] != ["-m", "uvicorn"]:
        raise SystemExit(f"MLflow would not start uvicorn, but {' '.join(command[1:3])}")
    os.environ.update(extra_env or {})
    for found in filter(None, map(_APPLICATION.fullmatch, command)):
        importlib.import_module(found[1])
    logging.getLogger("uvicorn.access").addFilter(Unasked())
    if folder := os.environ.get("MLPIPES_LOG_FOLDER"):
        keep_logs(pathlib.Path(folder))
    gc.freeze()  # what is imported stays until the end: never to be searched
    gc.enable()
    sys.exit(uvicorn.main(args=command[3:], prog_name="uvicorn"))


def main(arguments):
    """Run a command of MLflow's."""
    import mlflow.server
    from mlflow.cli import cli

    if not hasattr(mlflow.server, "_exec_cmd"):
        raise SystemExit("this is no MLflow that can be served in one process")
    mlflow.server._exec_cmd = serve
    cli(arguments, prog_name="mlflow")


if __name__ == "__main__":
    gc.disable()  # imports make hardly any garbage, and the search for it takes a fifth of their time
    main(sys.argv[1:])
