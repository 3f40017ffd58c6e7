"""A FastAPI application on uvicorn (uvloop, httptools): the pipeline, no storage, no access log."""

from __future__ import annotations

from pathlib import Path

from peers.base import HOST, Launch, Peer, Route, Target, predictions, wrapped

HERE = Path(__file__).parent


def command(bin: Path, port: int, folder: Path) -> list[str]:
    """uvicorn with one worker on the folder's ``service:app``."""
    return [
        str(bin / "uvicorn"), "service:app", "--app-dir", str(folder), "--host", HOST, "--port", str(port),
        "--workers", "1", "--log-level", "warning", "--no-access-log",
    ]  # fmt: skip


def launch(bin: Path, target: Target, port: int, scratch: Path) -> Launch:
    return Launch(command(bin, port, HERE), {"BENCH_MODEL": str(target.folder)}, scratch)


PEER = Peer(
    name="fastapi",
    routes=(Route("predict", "/predict", wrapped, predictions, scores=True),),
    launch=launch,
    folder=HERE,
)
