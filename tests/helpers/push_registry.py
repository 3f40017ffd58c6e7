"""A real image registry that asks for a login: Debian's docker-registry, on 127.0.0.1 for the time of a test.

Engines speak plain HTTP to 127.0.0.0/8, so nothing has to be set up for it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
import yaml
from waiting import free_port, until

PROGRAM = shutil.which("docker-registry", path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/local/bin") or ""
USER, PASSWORD = "ada", "written-by-a-test"
_HASHED = "$2b$05$.7XeHgeVNYX.Tt61T0X0eOHnK.aeRaZj13ZhAcdtKO1AFhvVdoyBq"
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Registry:
    """A running registry.

    Attributes:
        host: Its address with the port.
        login: A folder for ``DOCKER_CONFIG`` with a login for it.
        stranger: The same without one.
    """

    host: str
    login: Path
    stranger: Path

    def manifest(self, repository: str, reference: str) -> bytes:
        """The manifest of an image as the registry has it."""
        address = f"http://{self.host}/v2/{repository}/manifests/{reference}"
        request = urllib.request.Request(address, headers={"Accept": _MANIFEST} | authorization())
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read())


def authorization() -> dict[str, str]:
    return {"Authorization": f"Basic {_encoded()}"}


def _encoded() -> str:
    return base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Registry]:
    """A registry for as long as the context lasts; skips where the program is missing."""
    if not PROGRAM:
        pytest.skip("docker-registry is not installed (Debian's package docker-registry)")
    host = f"127.0.0.1:{free_port()}"
    (folder / "htpasswd").write_text(f"{USER}:{_HASHED}\n")
    settings: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "store")}},
        "http": {"addr": host},
        "auth": {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}},
    }
    (folder / "registry.yml").write_text(yaml.safe_dump(settings))
    logins = {"login": {"auths": {host: {"auth": _encoded()}}}, "stranger": {}}
    for name, content in logins.items():
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(content))
    with (folder / "registry.log").open("wb") as log:
        server = subprocess.Popen([PROGRAM, "serve", str(folder / "registry.yml")], stderr=log, stdout=log)
    try:
        until(lambda: server.poll() is not None or _answers(host), 30, "the registry answers")
        assert server.poll() is None, (folder / "registry.log").read_text()
        yield Registry(host, folder / "login", folder / "stranger")
    finally:
        server.terminate()
        server.wait(30)


def _answers(host: str) -> bool:
    try:
        urllib.request.urlopen(f"http://{host}/v2/", timeout=5).close()
    except HTTPError as error:
        return error.code == 401  # it asks for a login
    except OSError:
        return False
    return True
