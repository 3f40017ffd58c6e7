"""The container runtime keeps what every runtime promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Cli, Result
from contracts.stack_contract import StackContract


@pytest.mark.slow
@pytest.mark.usefixtures("docker_engine")
class TestDockerStack(StackContract):
    runtime = "docker"
    core = ("postgres", "minio", "mlflow")

    def test_volumes_go_with_the_data(self, up: Result, cli: Cli, root: Path, docker_engine: Any) -> None:
        wanted = {"label": f"io.mlpipes.root={root.resolve()}"}
        assert len(docker_engine.volumes.list(filters=wanted)) == 2
        cli("down", cwd=root).ok()
        assert len(docker_engine.volumes.list(filters=wanted)) == 2
        assert docker_engine.networks.list(filters=wanted) == []
        cli("down", "--volumes", "--yes", cwd=root).ok()
        assert docker_engine.volumes.list(filters=wanted) == []
