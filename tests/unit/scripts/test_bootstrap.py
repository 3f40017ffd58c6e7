"""The set-up script: what it takes from its surroundings, and what it refuses."""

from __future__ import annotations

import functools
import hashlib
import http.server
import importlib.util
import io
import os
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "scripts" / "bootstrap.py"


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, with an empty home and an environment in a temporary folder."""
    for name in list(os.environ):
        if name.startswith(("UV_", "PIP_")) or name in {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.VENV = tmp_path / "venv"
    module.STAMP = module.VENV / ".bootstrap.json"
    module.VENV.mkdir()
    return module


def fake_wheel(program: bytes = b"#!/bin/sh\necho uv 0.13.8\n") -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("uv-0.13.8.data/scripts/uv", program)
    return body.getvalue()


@pytest.fixture
def index(tmp_path: Path, bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package index on this machine that offers a small uv for this platform."""
    files = tmp_path / "index"
    (files / "simple" / "uv").mkdir(parents=True)
    (files / "files").mkdir()
    name = f"uv-0.13.8-py3-none-{bootstrap.wheel_tag()}.whl"
    (files / "files" / name).write_bytes(fake_wheel())
    digest = hashlib.sha256(fake_wheel()).hexdigest()
    page = f'<html><body><a href="../../files/{name}#sha256={digest}" data-x="1">{name}</a></body></html>'
    (files / "simple" / "uv" / "index.html").write_text(page)
    handler = functools.partial(Quiet, directory=str(files))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield files
        server.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_uv_comes_from_the_index_if_it_is_the_locked_one(bootstrap: ModuleType, index: Path) -> None:
    program = bootstrap.fetch_uv("0.13.8", {hashlib.sha256(fake_wheel()).hexdigest()})
    assert subprocess.run([program], capture_output=True, text=True).stdout == "uv 0.13.8\n"
    assert bootstrap._uv_version(program) == (0, 13, 8)


def test_another_file_under_the_right_name_is_refused(bootstrap: ModuleType, index: Path) -> None:
    digest = hashlib.sha256(fake_wheel()).hexdigest()
    for path in (index / "files").iterdir():
        path.write_bytes(fake_wheel(b"#!/bin/sh\necho evil\n"))
    with pytest.raises(bootstrap.Stop, match=r"not the one in requirements\.lock"):
        bootstrap.fetch_uv("0.13.8", {digest})
    assert not (bootstrap.VENV / "tools" / "uv").exists()


def test_a_hash_that_the_lock_does_not_have_is_not_even_fetched(bootstrap: ModuleType, index: Path) -> None:
    with pytest.raises(bootstrap.Stop, match=r"no uv 0\.13\.8 for"):
        bootstrap.fetch_uv("0.13.8", {"0" * 64})


def test_an_index_without_uv_is_named(bootstrap: ModuleType, index: Path) -> None:
    (index / "simple" / "uv" / "index.html").unlink()
    (index / "simple" / "uv").rmdir()
    with pytest.raises(bootstrap.Stop, match=r"127\.0\.0\.1: the package index answers 404"):
        bootstrap.fetch_uv("0.13.8", {"0" * 64})


def test_no_network_is_one_clear_line(tmp_path: Path) -> None:
    environ = {"PATH": "/nowhere", "HOME": str(tmp_path), "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    environ |= {
        "MLPIPES_VENV": str(tmp_path / "venv"),
        "NO_PROXY": "127.0.0.1",
        "PIP_CONFIG_FILE": os.devnull,
    }
    done = subprocess.run([sys.executable, SCRIPT], env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert re.search(
        r"^error: 127\.0\.0\.1: the package index cannot be reached .*check the network", done.stderr, re.M
    )
    assert "Traceback" not in done.stderr


def test_a_folder_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "mine.txt").write_text("keep")
    environ = os.environ | {"MLPIPES_VENV": str(tmp_path / "venv")}
    done = subprocess.run([sys.executable, SCRIPT], env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "is in the way and is no Python environment; move it away" in done.stderr
    assert (tmp_path / "venv" / "mine.txt").read_text() == "keep"


@pytest.mark.parametrize("version", [(3, 10, 1), (3, 14, 0)])
def test_a_python_that_does_not_fit_is_one_clear_line(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...]
) -> None:
    monkeypatch.setattr(bootstrap.sys, "version_info", version)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(bootstrap.Stop, match=r"Python 3\.11 to 3\.13 is needed .*`make PYTHON="):
        bootstrap._need_python()


def test_unknown_options_are_wrong_usage() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--devel"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, "unknown option '--devel'" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"PIP_INDEX_URL": "http://pip.test/simple"}, "http://pip.test/simple"),
        ({"UV_INDEX_URL": "http://uv.test/s", "PIP_INDEX_URL": "http://pip.test/s"}, "http://uv.test/s"),
        ({"UV_DEFAULT_INDEX": "inside=http://uv.test/s"}, "http://uv.test/s"),
    ],
)
def test_the_index_is_the_one_that_pip_and_uv_are_told(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], expected: str | None
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert bootstrap.index_url() == (expected or bootstrap.PUBLIC_INDEX)


def test_pips_files_count(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("")
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = http://inside.test/simple\ncert = {bundle}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert bootstrap.index_url() == "http://inside.test/simple"
    assert bootstrap.certificates() == str(bundle)
    told = bootstrap.uv_environment()
    assert (told["UV_DEFAULT_INDEX"], told["SSL_CERT_FILE"]) == ("http://inside.test/simple", str(bundle))


def test_what_the_lock_does_not_name_is_refused(bootstrap: ModuleType, tmp_path: Path) -> None:
    site = bootstrap.VENV / "lib" / "python3.11" / "site-packages"
    locked = re.search(r"^typing-extensions==(\S+)", bootstrap.LOCK.read_text(), re.MULTILINE)
    assert locked
    (site / f"typing_extensions-{locked.group(1)}.dist-info").mkdir(parents=True)
    (site / "mlpipes-0.1.0.dist-info").mkdir()
    bootstrap._check_against_lock()
    (site / "stray_thing-1.0.dist-info").mkdir()
    with pytest.raises(bootstrap.Stop, match=r"stray-thing 1\.0"):
        bootstrap._check_against_lock()


def test_the_stamp_knows_the_lock(bootstrap: ModuleType, tmp_path: Path) -> None:
    before = bootstrap._fingerprint()
    assert bootstrap._fingerprint() == before
    changed = tmp_path / "requirements.lock"
    changed.write_text(bootstrap.LOCK.read_text() + "\n")
    bootstrap.LOCK = changed
    assert bootstrap._fingerprint() != before


def test_the_lock_holds_one_version_and_hashes_and_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    names = re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)
    assert len(names) == len(set(names)) > 100
    assert all(
        "--hash=sha256:" in block for block in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    )
    assert "://" not in text
    assert "index-url" not in text


def test_only_the_standard_library_is_imported() -> None:
    found = re.findall(r"^\s*(?:import|from) (\w+)", SCRIPT.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(found) <= set(sys.stdlib_module_names)
