"""The container runtime keeps what every runtime promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Cli, Result
from contracts.stack_contract import StackContract

from mlpipes_cli.adapters.docker.containers.labels import holds_secrets
from mlpipes_cli.adapters.docker.images.reference import parse


@pytest.mark.slow
@pytest.mark.usefixtures("docker_engine")
class TestDockerStack(StackContract):
    runtime = "docker"
    core = ("postgres", "minio", "mlflow")

    def test_status_and_docker_ps_tell_the_image(
        self, up: Result, cli: Cli, root: Path, docker_engine: Any
    ) -> None:
        told = {one["name"]: one for one in cli("status", "--json", cwd=root).ok().json["services"]}
        listed = docker_engine.api.containers(filters={"label": f"io.mlpipes.root={root.resolve()}"})
        rows = {one["Labels"]["com.docker.compose.service"]: one for one in listed}
        assert rows.keys() == set(self.core)
        for name, row in rows.items():
            assert told[name]["image_id"] == row["ImageID"]
            assert parse(row["Image"]).repository == parse(told[name]["image"]).repository
            assert docker_engine.images.get(row["Image"]).id == row["ImageID"]

    def test_volumes_go_with_the_data(self, up: Result, cli: Cli, root: Path, docker_engine: Any) -> None:
        wanted = {"label": f"io.mlpipes.root={root.resolve()}"}
        volumes = [one.attrs for one in docker_engine.volumes.list(filters=wanted)]
        assert len([one for one in volumes if not holds_secrets(one)]) == 2
        assert len([one for one in volumes if holds_secrets(one)]) == len(self.core)
        cli("down", cwd=root).ok()
        assert len(docker_engine.volumes.list(filters=wanted)) == 2
        assert docker_engine.networks.list(filters=wanted) == []
        cli("down", "--volumes", "--yes", cwd=root).ok()
        assert docker_engine.volumes.list(filters=wanted) == []
