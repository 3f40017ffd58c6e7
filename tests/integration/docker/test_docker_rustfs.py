"""The other object store, in which MLflow has no user of its own."""

from __future__ import annotations

import urllib.error
from typing import TYPE_CHECKING

import pytest
from stack_help import http
from waiting import until

if TYPE_CHECKING:
    from integration.docker.conftest import Stack

pytestmark = pytest.mark.slow


def test_the_whole_stack_on_rustfs(fresh: Stack) -> None:
    fresh.rewrite(
        "project: boxes\nruntime: docker\nstack: {object_store: {engine: rustfs, bucket: models}}\n"
    )
    try:
        told = fresh.up()
        assert [row["name"] for row in told.json["services"]] == ["postgres", "rustfs", "mlflow"]
        assert told.err.count("rustfs cannot create a user for MLflow") == 1
        assert "root user's keys" in fresh.status()["rustfs"]["detail"]
        again = fresh.up()
        assert again.json["changes"] == []
        assert "cannot create a user" not in again.err
        tracking = fresh.cli("env", "--json", cwd=fresh.root).json["MLFLOW_TRACKING_URI"]
        artifact = f"{tracking}/api/2.0/mlflow-artifacts/artifacts/0/file.txt"
        http(artifact, "PUT", b"stored")
        fresh.cli("restart", "rustfs", cwd=fresh.root).ok()
        # The stand-in answers its health check a moment before it has found its volumes.
        assert until(lambda: answered(artifact), 60) == b"stored"
    finally:
        fresh.remove()
        fresh.root.mkdir()


def answered(url: str) -> bytes:
    try:
        return http(url)
    except urllib.error.HTTPError as error:
        assert error.code == 500, error
        return b""
