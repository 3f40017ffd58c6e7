"""One value means one thing: the holdout's prediction of a row is what every door answers for it.

Two models, of a Parquet file and of a CSV with the same rows, behind the API, behind MLflow's own scoring
server, and in this process. What MLflow's server cannot know it refuses; it never answers another number.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import protocol_help
import protocol_models
import pytest
import serving_help
from doors_help import CSV, DOORS, GAPPY, KINDS, Served, plain, trained

pytestmark = pytest.mark.slow
SOURCES = ("parquet", "csv")


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    """Both models, served, by the kind of file that they were trained from."""
    folder = tmp_path_factory.mktemp("doors")
    found: dict[str, Served] = {}
    with contextlib.ExitStack() as stack:
        made = {}
        for name in SOURCES:
            (folder / name).mkdir()
            made[name] = trained(folder / name, typed=name == "parquet")
        ports = {name: serving_help.free_port() for name in SOURCES}
        stack.enter_context(_mlflows({ports[name]: made[name].folder for name in SOURCES}))
        for name in SOURCES:
            from mlpipes_cli.server.loading import load

            served = load(made[name].folder, "doors", 1, "production")
            port = stack.enter_context(
                protocol_help.live(serving_help.application(_log(), served, recent=None))
            )
            api, theirs = (stack.enter_context(_client(number)) for number in (port, ports[name]))
            found[name] = Served(made[name], api, theirs, served, folder)
        for name in SOURCES:
            serving_help.until(lambda name=name: _answers(found[name].theirs), 180, "MLflow's server")
        yield found


def _log() -> Any:
    return serving_help.Kept()


def _client(port: int) -> httpx.Client:
    alone = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60, limits=alone)


@contextlib.contextmanager
def _mlflows(folders: dict[int, Path]) -> Iterator[None]:
    given = [f"{port}={folder}" for port, folder in folders.items()]
    command = [sys.executable, "-c", protocol_models.SERVERS, *given]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdin.close()  # type: ignore[union-attr]


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/ping").status_code == 200
    except httpx.TransportError:
        return False


REFUSED = {  # by MLflow's own server, which does not know what the cells or the types mean
    ("parquet", "--engine mlflow csv"),
    ("parquet", "--engine mlflow parquet"),
    ("parquet", "--engine mlflow parquet of nullable types"),
    ("csv", "--engine mlflow parquet"),
    ("csv", "--engine mlflow parquet of nullable types"),
}
CASES = [
    (source, door, column, missing)
    for source in SOURCES
    for door in DOORS
    for column in KINDS
    for missing in ((False, True) if column in GAPPY else (False,))
]


@pytest.mark.parametrize(("source", "door", "column", "missing"), CASES)
def test_the_holdouts_prediction_comes_out_of_every_door(
    doors: dict[str, Served], source: str, door: str, column: str, missing: bool
) -> None:
    served = doors[source]
    if door not in served.said:
        served.said[door] = DOORS[door](served, served.trained.held)
    said = served.said[door]
    if (source, door) in REFUSED:
        assert said[0] == 400, said
        return
    assert isinstance(said, list), said
    rows = np.flatnonzero(served.trained.held[column].isna().to_numpy() == missing)
    assert len(rows) > 10
    np.testing.assert_allclose(np.array(said)[rows], np.array(served.trained.expected)[rows], rtol=1e-9)
