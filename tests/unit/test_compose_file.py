"""The Compose file: valid, pinned, on loopback, without a default for any password."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

COMPOSE = Path(__file__).parents[2] / "compose" / "compose.yaml"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"])


def test_it_is_a_compose_file() -> None:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        str(COMPOSE),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_describes_the_stack(services: dict[str, Any]) -> None:
    assert {"postgres", "minio", "mlflow"} <= set(services)


def test_images_are_pinned_by_digest(services: dict[str, Any]) -> None:
    images = [service["image"] for service in services.values() if "image" in service]
    assert images
    assert all(re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image) for image in images)


def test_ports_are_open_on_this_machine_only(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_no_password_has_a_default() -> None:
    used = re.findall(r"\$\{(\w*PASSWORD)([^}]*)\}", COMPOSE.read_text(encoding="utf-8"))
    assert {name for name, _ in used} >= {"POSTGRES_PASSWORD", "MLFLOW_DB_PASSWORD", "MLPIPES_DB_PASSWORD"}
    assert all(rest.startswith(":?") for _, rest in used)


def test_whoever_is_waited_for_says_when_it_is_ready(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[name]


def test_mounted_files_are_there(services: dict[str, Any]) -> None:
    mounts = [v.split(":")[0] for s in services.values() for v in s.get("volumes", []) if v.startswith(".")]
    assert mounts
    assert all((COMPOSE.parent / mount).exists() for mount in mounts)
    for service in services.values():
        if "build" in service:
            assert (COMPOSE.parent / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
