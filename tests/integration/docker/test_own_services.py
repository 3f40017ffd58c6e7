"""Users' own services beside the stack's: those of docs/how-to/stack.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from docker_help import need_images
from stack_help import http, stranger
from waiting import free_port

if TYPE_CHECKING:
    from integration.docker.conftest import Stack

pytestmark = pytest.mark.slow
NAME = "compose.override.yaml"
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "stack.md"
YAML = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
LISTING = "Directory listing for /"


def write(stack: Stack, port: int) -> None:
    (text,) = YAML
    assert '"8090:8000"' in text
    (stack.root / NAME).write_text(text.replace("8090", str(port)))


@pytest.fixture
def own(stack: Stack, docker_engine: Any) -> int:
    """The port of the service that the page shows, which is beside the stack."""
    need_images(docker_engine, "python")
    port = free_port()
    write(stack, port)
    return port


def test_a_service_of_ones_own_lives_with_the_stack(stack: Stack, own: int) -> None:
    before = stack.ids()
    assert stack.up().json["changes"] == [f"reports: started on port {own}"]
    assert {name: id for name, id in stack.ids().items() if name != "reports"} == before
    row = stack.status()["reports"]
    assert (row["state"], row["health"], row["url"]) == ("running", "healthy", f"http://127.0.0.1:{own}")
    assert LISTING in http(row["url"]).decode()
    made = stack.containers()["reports"]
    assert (
        made.labels["com.docker.compose.project"]
        == stack.containers()["mlflow"].labels["com.docker.compose.project"]
    )
    assert made.attrs["HostConfig"]["PortBindings"]["8000/tcp"][0]["HostIp"] == "127.0.0.1"
    assert [name for name in stack.volumes() if name.endswith("_reports")]
    assert stack.up().json["changes"] == []

    asking = "import os, urllib.request as r; r.urlopen(os.environ['MLFLOW_TRACKING_URI'] + '/health')"
    stack.cli("shell", "reports", "--", "python", "-c", asking, cwd=stack.root).ok()
    stack.cli("shell", "reports", "--", "sh", "-c", "echo kept > /reports/note", cwd=stack.root).ok()
    stopped = stack.cli("stop", "mlflow", "--json", cwd=stack.root).ok()
    assert stopped.json["dependents"] == ["reports"]
    assert stopped.err == "warning: reports needs mlflow: requests to it may fail\n"
    assert stack.cli("stop", "reports", cwd=stack.root).ok().out == "stopped: reports\n"
    assert stack.status()["reports"]["state"] == "stopped"
    started = stack.cli("start", "reports", cwd=stack.root).ok()
    assert started.out == f"reports answers at http://127.0.0.1:{own}\n"
    assert [line.split(":")[0] for line in started.err.splitlines()] == ["mlflow", "reports"]
    assert http(f"http://127.0.0.1:{own}/note") == b"kept\n"
    assert stack.cli("restart", "reports", cwd=stack.root).ok().out.startswith("reports answers")
    assert any(
        "GET /note" in line for line in stack.cli("logs", "reports", cwd=stack.root).ok().out.splitlines()
    )
    checks = stack.cli("doctor", "--json", cwd=stack.root).json["checks"]
    assert ("reports", "ok") in {(row["name"], row["level"]) for row in checks}
    assert ("reports data", "ok") in {(row["name"], row["level"]) for row in checks}

    (stack.root / NAME).unlink()  # and is ended when the file does not name it any more
    assert stack.up().json["changes"] == ["reports: removed, since it is no longer configured"]
    write(stack, own)
    stack.up()
    assert http(f"http://127.0.0.1:{own}/note") == b"kept\n"


def test_a_port_that_is_taken_is_named_with_the_file(stack: Stack, own: int) -> None:
    stack.cli("stop", "reports", cwd=stack.root)
    with stranger() as port:
        write(stack, port)
        refused = stack.cli("up", cwd=stack.root)
    assert refused.code == 1
    assert f"port {port} of reports is taken by " in refused.err
    assert f"write another port for reports in {NAME}" in refused.err
    write(stack, own)
    assert stack.up().json["changes"][0].startswith("reports: ")


def test_a_mistake_is_named_with_its_line_and_stops_nothing(stack: Stack, own: int) -> None:
    stack.up()
    before = stack.ids()
    (stack.root / NAME).write_text("services:\n  reports:\n    image: x\n    network_mode: host\n")
    refused = stack.cli("up", cwd=stack.root)
    assert refused.code == 2
    assert (
        f"{NAME}:4: services -> reports -> network_mode: expected none or service:NAME, got 'host'"
        in refused.err
    )
    (stack.root / NAME).write_text("services: [\n")
    assert stack.cli("up", cwd=stack.root).code == 2
    assert stack.ids() == before
    assert stack.status()["reports"]["state"] == "running"  # it is there, whatever the file says
    assert any(name.endswith("_reports") for name in stack.volumes())
    done = stack.cli("down", "--volumes", "--yes", "--json", cwd=stack.root).ok().json
    assert "reports" in done["stopped"]
    assert stack.containers() == {} and stack.volumes() == []
    (stack.root / NAME).unlink()
