"""MLflow behind TLS, with a certificate of one's own; and behind a proxy."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mlpipes_cli.adapters.mlflow.client import Connection
from mlpipes_cli.adapters.mlflow.model_source import RestModelSource
from mlpipes_cli.adapters.remote import mlflow
from mlpipes_cli.errors import MlpipesError

CERTIFICATE, INSECURE = "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_INSECURE_TLS"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"registered_models": [{"name": "m"}]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None: ...


@contextmanager
def served(context: ssl.SSLContext | None = None) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a certificate for 127.0.0.1 that nobody else signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mlflow")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    pem = serialization.Encoding.PEM
    (folder / "server.pem").write_bytes(certificate.public_bytes(pem))
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, plain))
    return folder / "server.pem", folder / "key.pem"


@pytest.fixture
def url(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in (CERTIFICATE, INSECURE):
        monkeypatch.delenv(name, raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    with served(context) as port:
        yield f"https://127.0.0.1:{port}"


@pytest.mark.parametrize("way", ["certificate", "insecure", "insecure as 1"])
@pytest.mark.parametrize("place", ["the project", "the environment"])
def test_who_trusts_the_certificate_reaches_the_server_by_each_way(
    url: str, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, way: str, place: str
) -> None:
    told = {
        "certificate": {CERTIFICATE: str(files[0])},
        "insecure": {INSECURE: "true"},
        "insecure as 1": {INSECURE: "1"},
    }[way]
    if place == "the environment":
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        told = {}
    assert RestModelSource(url, told).names() == ["m"]
    Connection(url, login=told).reach()
    assert mlflow.answers(url, told)


def test_who_does_not_trust_it_is_told_by_each_way(url: str, tmp_path: Path) -> None:
    with pytest.raises(MlpipesError, match=r"MLflow does not answer \(.*CERTIFICATE_VERIFY_FAILED"):
        RestModelSource(url, {}).names()
    with pytest.raises(MlpipesError, match=r"CERTIFICATE_VERIFY_FAILED|certificate"):
        Connection(url).reach()
    assert not mlflow.answers(url, {})
    missing = {CERTIFICATE: str(tmp_path / "none.pem")}
    with pytest.raises(MlpipesError, match="No such file"):
        RestModelSource(url, missing).names()
    with pytest.raises(MlpipesError, match="No such file"):
        Connection(url, login=missing).reach()


def test_a_server_on_this_machine_is_reached_past_any_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with served() as port:
        url = f"http://127.0.0.1:{port}"
        assert RestModelSource(url, {}).names() == ["m"]
        Connection(url).reach()
        assert mlflow.answers(url, {})


def test_a_server_elsewhere_is_reached_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with served() as proxy:  # answers whatever it is asked for
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        url = "http://mlflow.example:5000"
        assert RestModelSource(url, {}).names() == ["m"]
        Connection(url).reach()
        assert mlflow.answers(url, {})
