"""A small image registry on 127.0.0.1, with repositories that fail in all the ways in which real ones do.

Engines speak plain HTTP to 127.0.0.0/8, so nothing has to be set up for it.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import random
import tarfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Packed:
    """An image as a registry has it.

    Attributes:
        manifest: Its manifest; the digest of this is the image's.
        blobs: Config and layers by digest.
        layers: The layers' digests.
    """

    manifest: bytes
    blobs: dict[str, bytes]
    layers: Sequence[str]

    @property
    def digest(self) -> str:
        return sha256(self.manifest)


def make_image(seed: int, layers: int = 2, size: int = 2_000_000, architecture: str = "amd64") -> Packed:
    """An image of files full of noise, so that they are as large on the way as on disk."""
    noise = random.Random(seed)
    tars = [_tar(f"noise-{number}", noise.randbytes(size)) for number in range(layers)]
    zipped = [gzip.compress(one, compresslevel=1, mtime=0) for one in tars]
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/noise-0"], "Labels": {"mlpipes.tests": "registry"}},
            "rootfs": {"type": "layers", "diff_ids": [sha256(one) for one in tars]},
            "history": [{"created_by": "test"} for _ in tars],
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, "size": len(config), "digest": sha256(config)},
            "layers": [{"mediaType": _LAYER, "size": len(one), "digest": sha256(one)} for one in zipped],
        }
    ).encode()
    blobs = {sha256(one): one for one in (config, *zipped)}
    return Packed(manifest, blobs, [sha256(one) for one in zipped])


def _tar(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


@dataclass
class Registry:
    """A running registry.

    Attributes:
        port: On 127.0.0.1.
        images: By repository; every tag of it is the image.
        faults: (status, code, message) that a repository answers instead, by name.
        damaged: Layers whose content is another than their digest says.
        slow: Is waited for before a layer is sent to its end.
        asked: The paths that were asked for.
    """

    port: int
    images: dict[str, Packed] = field(default_factory=dict)
    faults: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    slow: threading.Event | None = None
    asked: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextlib.contextmanager
def serving() -> Iterator[Registry]:
    """A registry for as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            """Nothing on the terminal."""

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            registry.asked.append(self.path)
            if self.path == "/v2/":
                return self._send(200, b"{}", "application/json")
            name, _, rest = self.path.removeprefix("/v2/").partition("/manifests/")
            if rest:
                return self._manifest(name, rest)
            name, _, rest = self.path.removeprefix("/v2/").partition("/blobs/")
            return self._blob(name, rest)

        def _manifest(self, name: str, reference: str) -> None:
            image = registry.images.get(name)
            if name in registry.faults:
                return self._fault(*registry.faults[name])
            if image is None:
                return self._fault(404, "NAME_UNKNOWN", "repository name not known to registry")
            if reference.startswith("sha256:") and reference != image.digest:
                return self._fault(404, "MANIFEST_UNKNOWN", "manifest unknown")
            return self._send(200, image.manifest, _MANIFEST, image.digest)

        def _blob(self, name: str, digest: str) -> None:
            content = registry.images[name].blobs[digest]
            if digest in registry.damaged:
                content = bytes([content[0] ^ 255]) + content[1:]
            self._send(200, content, "application/octet-stream", digest)

        def _fault(self, status: int, code: str, message: str) -> None:
            body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
            self._send(status, body, "application/json")

        def _send(self, status: int, body: bytes, kind: str, digest: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Distribution-API-Version", "registry/2.0")
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="tests"')
            if digest:
                self.send_header("Docker-Content-Digest", digest)
            self.end_headers()
            if self.command == "HEAD":
                return
            with contextlib.suppress(ConnectionError):
                half = len(body) // 2
                self.wfile.write(body[:half])
                if digest and registry.slow is not None and len(body) > 100_000:
                    registry.slow.wait(60)
                self.wfile.write(body[half:])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    registry = Registry(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        if registry.slow is not None:
            registry.slow.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
