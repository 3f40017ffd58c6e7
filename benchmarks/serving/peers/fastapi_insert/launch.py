"""The same FastAPI application with one INSERT and COMMIT a request, through a pool of asyncpg."""

from __future__ import annotations

from pathlib import Path

from peers.base import Launch, Peer, Route, Target, predictions, wrapped
from peers.fastapi.launch import command

HERE = Path(__file__).parent


def launch(bin: Path, target: Target, port: int, scratch: Path) -> Launch:
    around = {
        "BENCH_MODEL": str(target.folder),
        "BENCH_NAME": target.name,
        "BENCH_DATABASE": target.database,
    }
    return Launch(command(bin, port, HERE), around, scratch)


PEER = Peer(
    name="fastapi-insert",
    routes=(Route("predict", "/predict", wrapped, predictions, scores=True),),
    launch=launch,
    folder=HERE,
    stores=True,
)
