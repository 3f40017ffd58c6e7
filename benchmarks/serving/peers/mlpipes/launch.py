"""`mlpipes serve` as it comes: one worker, every prediction committed before its answer."""

from __future__ import annotations

from pathlib import Path

from peers.base import Launch, Peer, Route, Target, predictions, split


def launch(bin: Path, target: Target, port: int, scratch: Path) -> Launch:
    command = [str(target.mlpipes), "-C", str(target.project), "serve"]
    command += ["--model", target.name, "--port", str(port), "--workers", "1"]
    return Launch(command, {}, target.project)


PEER = Peer(
    name="mlpipes",
    routes=(
        Route("invocations", "/invocations", split, predictions, scores=False),
        Route("predict", "/predict", list, predictions, scores=True),
    ),
    launch=launch,
    stores=True,
    any_model=True,
)
