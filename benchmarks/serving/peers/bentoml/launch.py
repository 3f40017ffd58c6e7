"""`bentoml serve` on service.py: one worker, adaptive batching on, no access log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peers.base import HOST, Answers, Launch, Peer, Route, Target, wrapped

HERE = Path(__file__).parent


def launch(bin: Path, target: Target, port: int, scratch: Path) -> Launch:
    command = [str(bin / "bentoml"), "serve", "service:Scoring", "--host", HOST, "--port", str(port)]
    around = {
        "BENCH_MODEL": str(target.folder),
        "BENTOML_HOME": str(scratch),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    return Launch(command, around, HERE)


def read(answer: Any) -> Answers:
    return Answers([one["prediction"] for one in answer], [one["score"] for one in answer])


PEER = Peer(
    name="bentoml",
    routes=(Route("predict", "/predict", wrapped, read, scores=True),),
    launch=launch,
    folder=HERE,
)
