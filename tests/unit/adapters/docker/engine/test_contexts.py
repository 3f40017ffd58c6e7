"""Where an engine may be: what the user chose, and the usual places."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from mlpipes_cli.adapters.docker.engine.contexts import candidates
from mlpipes_cli.errors import MlpipesError


def make_context(config: Path, name: str, host: str, *, tls: bool = False, skip: bool = False) -> Path:
    """As the Docker client writes it; the folder for the certificates."""
    key = hashlib.sha256(name.encode()).hexdigest()
    meta = config / "contexts" / "meta" / key
    meta.mkdir(parents=True)
    endpoint = {"Host": host, "SkipTLSVerify": skip}
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": endpoint}}))
    folder = config / "contexts" / "tls" / key / "docker"
    if tls:
        folder.mkdir(parents=True)
        for file in ("ca.pem", "cert.pem", "key.pem"):
            (folder / file).write_text("x")
    return folder


def current(config: Path, name: str) -> None:
    config.mkdir(exist_ok=True, parents=True)
    (config / "config.json").write_text(json.dumps({"currentContext": name, "auths": {}}))


def test_docker_host_is_the_only_candidate(tmp_path: Path) -> None:
    config = tmp_path / ".docker"
    current(config, "colima")
    environ = {"HOME": str(tmp_path), "DOCKER_HOST": "tcp://box:2375", "DOCKER_CONTEXT": "other"}
    (found,) = candidates(environ)
    assert (found.url, found.chosen, found.tls) == ("tcp://box:2375", True, None)
    assert found.how == "DOCKER_HOST=tcp://box:2375"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("/run/my.sock", "unix:///run/my.sock"),
        ("unix:///run/my.sock", "unix:///run/my.sock"),
        ("box:2375", "tcp://box:2375"),
        ("http://box:2375", "tcp://box:2375"),
        ("ssh://me@box:2222", "ssh://me@box:2222"),
    ],
)
def test_forms_of_docker_host(host: str, url: str) -> None:
    assert candidates({"HOME": "/nowhere", "DOCKER_HOST": host})[0].url == url


@pytest.mark.parametrize("host", ["npipe:////./pipe/docker", "unix://", "tcp://", "ftp://box"])
def test_nonsense_in_docker_host(host: str) -> None:
    with pytest.raises(MlpipesError, match="not a valid Docker engine address"):
        candidates({"HOME": "/nowhere", "DOCKER_HOST": host})


def test_tls_variables(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    environ = {"HOME": str(tmp_path), "DOCKER_HOST": "tcp://box:2376", "DOCKER_TLS_VERIFY": "1"}
    (found,) = candidates(environ | {"DOCKER_CERT_PATH": str(tmp_path)})
    assert found.tls is not None
    assert (found.tls.ca, found.tls.cert, found.tls.verify) == (tmp_path / "ca.pem", None, True)
    (loose,) = candidates(environ | {"DOCKER_TLS_VERIFY": "", "DOCKER_TLS": "1"})
    assert loose.tls is not None
    assert loose.tls.verify is False


def test_context_of_the_environment_before_the_current_one(tmp_path: Path) -> None:
    config = tmp_path / "elsewhere"
    current(config, "one")
    make_context(config, "one", "unix:///one.sock")
    make_context(config, "two", "ssh://me@box")
    environ = {"HOME": str(tmp_path), "DOCKER_CONFIG": str(config)}
    assert [(one.url, one.how, one.chosen) for one in candidates(environ)] == [
        ("unix:///one.sock", "context one", True)
    ]
    assert candidates(environ | {"DOCKER_CONTEXT": "two"})[0].url == "ssh://me@box"


def test_context_with_certificates(tmp_path: Path) -> None:
    folder = make_context(tmp_path / ".docker", "safe", "tcp://box:2376", tls=True)
    make_context(tmp_path / ".docker", "loose", "tcp://box:2376", skip=True)
    environ = {"HOME": str(tmp_path), "DOCKER_CONTEXT": "safe"}
    tls = candidates(environ)[0].tls
    assert tls is not None
    assert (tls.ca, tls.cert, tls.key, tls.verify) == (
        folder / "ca.pem", folder / "cert.pem", folder / "key.pem", True,
    )  # fmt: skip
    loose = candidates(environ | {"DOCKER_CONTEXT": "loose"})[0].tls
    assert loose is not None
    assert (loose.ca, loose.verify) == (None, False)


def test_unknown_context(tmp_path: Path) -> None:
    config = tmp_path / ".docker"
    make_context(config, "colima", "unix:///x")
    current(config, "colim")
    with pytest.raises(MlpipesError, match=r"config.json: there is no Docker context 'colim'; did you mean"):
        candidates({"HOME": str(tmp_path)})
    with pytest.raises(MlpipesError, match=r"DOCKER_CONTEXT: .*'zzz'; there are: default, colima"):
        candidates({"HOME": str(tmp_path), "DOCKER_CONTEXT": "zzz"})


def test_broken_settings_of_the_client(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text("{")
    with pytest.raises(MlpipesError, match=r"config\.json: not valid JSON"):
        candidates({"HOME": str(tmp_path)})


@pytest.mark.parametrize("name", ["default", ""])
def test_default_context_means_the_usual_places(tmp_path: Path, name: str) -> None:
    current(tmp_path / ".docker", name)
    environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": "/run/user/7", "COLIMA_HOME": "/c"}
    found = candidates(environ | ({"DOCKER_CONTEXT": name} if name else {}))
    paths = [str(one.socket) for one in found]
    assert paths[0] == "/var/run/docker.sock"
    assert not any(one.chosen for one in found)
    expected = [
        "/run/user/7/docker.sock",
        f"/run/user/{os.getuid()}/docker.sock",
        f"{tmp_path}/.docker/run/docker.sock",
        f"{tmp_path}/.docker/desktop/docker.sock",
        "/c/default/docker.sock",
        f"{tmp_path}/.orbstack/run/docker.sock",
        f"{tmp_path}/.rd/docker.sock",
        "/run/user/7/podman/podman.sock",
        "/run/podman/podman.sock",
    ]
    assert [path for path in paths if path in expected] == expected
