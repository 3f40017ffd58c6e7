"""The real engine behind an encrypted port that asks for a certificate, as a remote one has."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mlpipes_cli.adapters.docker.engine.connection import available, connect
from mlpipes_cli.adapters.docker.engine.contexts import candidates
from mlpipes_cli.errors import MlpipesError

_DAY = datetime.timedelta(days=1)
Signed = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _sign(name: str, by: Signed | None, usage: x509.ObjectIdentifier | None = None) -> Signed:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by[0].subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    if usage is not None:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(by[1] if by else key, hashes.SHA256()), key


def _write(folder: Path, name: str, signed: Signed) -> None:
    pem = serialization.Encoding.PEM
    (folder / f"{name}.pem").write_bytes(signed[0].public_bytes(pem))
    key = signed[1].private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}-key.pem").write_bytes(key)


@dataclass(frozen=True)
class Guarded:
    """The engine's encrypted port, and the folder of the certificates for it."""

    url: str
    folder: Path


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def guarded(docker_engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    (place, *_) = [one for one in candidates() if one.scheme == "unix" and one.socket.is_socket()] or [None]
    if place is None:
        pytest.skip("the engine has no socket on this machine")
    folder = tmp_path_factory.mktemp("tls")
    authority = _sign("tests", None)
    _write(folder, "ca", authority)
    _write(folder, "server", _sign("engine", authority, ExtendedKeyUsageOID.SERVER_AUTH))
    _write(folder, "cert", _sign("client", authority, ExtendedKeyUsageOID.CLIENT_AUTH))
    (folder / "cert-key.pem").rename(folder / "key.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.pem")
    context.load_cert_chain(folder / "server.pem", folder / "server-key.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = socket.create_server(("127.0.0.1", 0))

    def one(plain: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            client = stack.enter_context(context.wrap_socket(plain, server_side=True))
            engine = stack.enter_context(socket.socket(socket.AF_UNIX))
            engine.connect(str(place.socket))
            back = threading.Thread(target=_pump, args=(engine, client), daemon=True)
            back.start()
            _pump(client, engine)
            back.join(10)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield Guarded(f"tcp://127.0.0.1:{server.getsockname()[1]}", folder)
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(10)


def _environ(guarded: Guarded, **more: str) -> dict[str, str]:
    return {"HOME": str(guarded.folder), "DOCKER_HOST": guarded.url, **more}


def test_with_the_certificates(
    guarded: Guarded, docker_engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the surroundings name other certificates and a proxy, for the web."""
    _write(tmp_path, "web", _sign("web", None))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "web.pem"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    environ = _environ(guarded, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(guarded.folder))
    assert available(environ) == (True, f"DOCKER_HOST={guarded.url}")
    found = connect(environ)
    with contextlib.closing(found.client):
        assert (found.host, found.local) == ("127.0.0.1", True)
        assert found.client.info()["ID"] == docker_engine.info()["ID"]


def _error(environ: dict[str, str]) -> str:
    with pytest.raises(MlpipesError) as caught:
        connect(environ)
    (line,) = caught.value.lines()
    assert available(environ)[0] is False
    return line


def test_without_any(guarded: Guarded) -> None:
    assert "no Docker engine answers at this address" in _error(_environ(guarded))


def test_without_our_own(guarded: Guarded, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes((guarded.folder / "ca.pem").read_bytes())
    line = _error(_environ(guarded, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(tmp_path)))
    assert "the TLS connection failed" in line
    assert "put cert.pem in the folder" in line


def test_an_engine_that_is_not_trusted(guarded: Guarded, tmp_path: Path) -> None:
    _write(tmp_path, "ca", _sign("others", None))
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_bytes((guarded.folder / name).read_bytes())
    line = _error(_environ(guarded, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(tmp_path)))
    assert "the TLS connection failed (CERTIFICATE_VERIFY_FAILED)" in line
    assert "check that the certificates belong to that engine" in line
