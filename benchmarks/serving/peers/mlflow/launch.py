"""`mlflow models serve` with one worker, the registered model by its alias as ours gets it.

Its access log is off, as ours is by default: uvicorn reads that from the environment.
"""

from __future__ import annotations

import os
from pathlib import Path

from peers.base import HOST, Launch, Peer, Route, Target, predictions, split


def launch(bin: Path, target: Target, port: int, scratch: Path) -> Launch:
    command = [str(bin / "mlflow"), "models", "serve", "--model-uri", f"models:/{target.name}@production"]
    command += ["--env-manager", "local", "--host", HOST, "--port", str(port), "--workers", "1"]
    path = os.pathsep.join([str(bin), os.environ.get("PATH", os.defpath)])
    around = {"PATH": path, "TMPDIR": str(scratch), "UVICORN_ACCESS_LOG": "false"}
    return Launch(command, {**target.tracking, **around}, scratch)


PEER = Peer(
    name="mlflow",
    routes=(Route("invocations", "/invocations", split, predictions, scores=False),),
    launch=launch,
    folder=Path(__file__).parent,
    any_model=True,
)
