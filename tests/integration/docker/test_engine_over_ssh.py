"""An engine of another machine: a private SSH server on this one, with keys and settings of its own."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import Cli
from docker_help import name_here, of_root, remove_images
from reporter_help import Told
from stack_help import http
from waiting import until

from mlpipes_cli.adapters.docker.engine import capabilities
from mlpipes_cli.adapters.docker.engine.connection import available, connect
from mlpipes_cli.adapters.docker.images import service_images
from mlpipes_cli.compose.model import Build, Service
from mlpipes_cli.errors import MlpipesError

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or ""


@dataclass(frozen=True)
class Machine:
    """How the other machine is reached.

    Attributes:
        url: Its address.
        environ: The surroundings in which ``ssh`` reaches it.
        sshd: Its server.
    """

    url: str
    environ: dict[str, str]
    sshd: subprocess.Popen[bytes]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def machine(docker_engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    for program in (SSHD, "ssh", "ssh-keygen", "docker"):
        if not program or not shutil.which(program):
            pytest.skip(f"{program or 'sshd'} is not installed (openssh-server, openssh-client, docker-cli)")
    if SSHD and os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where the server separates its privileges
    folder = tmp_path_factory.mktemp("ssh")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    port = _free_port()
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\n"
        f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        f"PidFile {folder}/pid\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        f"UsePAM no\nPermitRootLogin yes\n"
    )
    public = (folder / "host.pub").read_text()
    (folder / "known").write_text(f"[127.0.0.1]:{port} {public}[localhost]:{port} {public}")
    wrapper = folder / "bin" / "ssh"
    wrapper.parent.mkdir()
    (folder / "config").write_text(
        f"Host box\n  HostName 127.0.0.1\n  Port {port}\n"
        f"Host *\n  IdentityFile {folder}/user\n  IdentitiesOnly yes\n  UserKnownHostsFile {folder}/known\n"
        f"  StrictHostKeyChecking yes\n"
    )
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
    wrapper.chmod(0o755)
    server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=subprocess.PIPE)
    environ = {"PATH": f"{wrapper.parent}:{os.environ['PATH']}", "HOME": str(folder)}
    try:
        until(lambda: _listens(port) or server.poll() is not None)
        if server.poll() is not None:
            assert server.stderr is not None
            pytest.skip(f"sshd does not run here: {server.stderr.read().decode()}")
        yield Machine(f"ssh://{getpass.getuser()}@127.0.0.1:{port}", environ, server)
    finally:
        server.terminate()
        server.communicate()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.fixture
def there(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The machine, as this process sees it (``ssh`` is found on the path)."""
    monkeypatch.setenv("PATH", machine.environ["PATH"])
    return machine


def _ssh_children() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
            if child.name() == "ssh" and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


def test_it_is_the_engine(there: Machine, docker_engine: Any) -> None:
    environ = there.environ | {"DOCKER_HOST": there.url}
    before = time.monotonic()
    assert available(environ) == (True, f"DOCKER_HOST={there.url}")
    assert time.monotonic() - before < 30
    found = connect(environ)
    try:
        assert (found.host, found.local, found.how) == ("127.0.0.1", False, f"DOCKER_HOST={there.url}")
        assert found.client.info()["ID"] == docker_engine.info()["ID"]
        assert found.client.api.api_version == docker_engine.version()["ApiVersion"]
        assert capabilities.read_capabilities(found).free is None
    finally:
        found.client.close()
    del found
    until(lambda: not _ssh_children())


def test_a_name_of_the_users_own_settings(there: Machine) -> None:
    """``box`` is known to ssh alone; ports are reached at the address that it stands for."""
    found = connect(there.environ | {"DOCKER_HOST": "ssh://box"})
    assert found.host == "127.0.0.1"
    found.client.ping()
    found.client.close()


def test_streams_both_ways(there: Machine, docker_engine: Any, tmp_path: Path) -> None:
    """Building (a stream there and one back), logs that are followed, and what a command prints."""
    found = connect(there.environ | {"DOCKER_HOST": there.url})
    (tmp_path / "Dockerfile").write_text(
        f"FROM {name_here(docker_engine, 'python')}\nLABEL mlpipes.tests=ssh\nCOPY big /\n"
        'CMD ["sh", "-c", "echo one; sleep 0.3; echo two"]\n'
    )
    (tmp_path / "big").write_bytes(os.urandom(5_000_000))
    name = f"mlpipes-tests-ssh-{os.getpid()}:1"
    container = None
    try:
        image = service_images.ensure(found, [Service("one", name, build=Build(tmp_path))], Told())["one"]
        container = found.client.containers.create(image.id)
        container.start()
        assert b"".join(container.logs(stream=True, follow=True)) == b"one\ntwo\n"
        stream, about = container.get_archive("/big")
        assert sum(map(len, stream)) > about["size"] == 5_000_000
    finally:
        if container is not None:
            container.remove(force=True)
        found.client.close()
        remove_images(docker_engine, "mlpipes.tests=ssh")


def test_a_key_that_is_not_known_there(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", machine.environ["HOME"])
    with pytest.raises(MlpipesError) as caught:
        connect({"DOCKER_HOST": machine.url, "HOME": machine.environ["HOME"]})
    (line,) = caught.value.lines()
    assert "ssh failed: " in line
    assert "Host key verification failed" in line or "Permission denied" in line
    assert "work without a prompt" in line


def test_nobody_listens(there: Machine) -> None:
    with pytest.raises(MlpipesError, match=r"ssh failed: ssh: connect to host 127.0.0.1 port .*refused"):
        connect(there.environ | {"DOCKER_HOST": f"ssh://127.0.0.1:{_free_port()}"})


def test_no_ssh_program(there: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MlpipesError, match="the program `ssh` is not installed"):
        connect({"DOCKER_HOST": there.url, "HOME": str(tmp_path)})


@pytest.mark.parametrize("url", ["ssh://-oProxyCommand=x/", "ssh://-lroot@box", "ssh://box:port"])
def test_an_address_is_never_an_option(there: Machine, url: str) -> None:
    with pytest.raises(MlpipesError, match="is not a valid address"):
        connect(there.environ | {"DOCKER_HOST": url})


@pytest.mark.slow
def test_a_stack_over_there(
    machine: Machine, cli: Cli, make_project: Callable[..., Path], docker_engine: Any
) -> None:
    """Its services answer at that machine's address; one that would listen on its loopback is refused."""
    far = {"PATH": machine.environ["PATH"], "DOCKER_HOST": machine.url}
    root = make_project("project: away\nruntime: docker\n", "away")
    refused = cli("up", cwd=root, env=far)
    assert refused.code == 1
    assert "another machine" in refused.err
    assert "listen: 0.0.0.0" in refused.err
    assert not of_root(docker_engine, root)
    (root / "mlpipes.yaml").write_text("project: away\nruntime: docker\nstack: {listen: 0.0.0.0}\n")
    try:
        up = cli("up", "--json", cwd=root, env=far).ok()
        assert {row["state"] for row in up.json["services"]} == {"running"}
        environ = cli("env", "--json", cwd=root, env=far).ok().json
        body = b'{"max_results": 1}'
        found = http(f"{environ['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/experiments/search", "POST", body)
        assert b"mlflow-artifacts:" in found
        assert list(cli("logs", "mlflow", "--tail", "1", cwd=root, env=far).ok().out.splitlines())
    finally:
        cli("down", "--volumes", "--yes", cwd=root, env=far).ok()
    assert not of_root(docker_engine, root)
