"""LitServe on service.py: one worker, batches of up to 64 requests that wait a millisecond for company.

With 5 ms it answered more at 16 and 64 connections and less than half as much at one, in single runs on a
busy machine. With 0 its worker asks the queue without a pause (its source says so; not measured).
"""

from __future__ import annotations

from pathlib import Path

from peers.base import Launch, Peer, Route, Target, predictions, wrapped

HERE = Path(__file__).parent


def launch(bin: Path, target: Target, port: int, scratch: Path) -> Launch:
    command = [str(bin / "python"), str(HERE / "service.py"), str(port)]
    return Launch(command, {"BENCH_MODEL": str(target.folder)}, scratch)


PEER = Peer(
    name="litserve",
    routes=(Route("predict", "/predict", wrapped, predictions, scores=True),),
    launch=launch,
    folder=HERE,
)
