"""List the candidate addresses of a Docker engine: the user's choice, else the usual sockets.

This module sends no request and does not import the SDK; it only reads files. The user's choice
(``DOCKER_HOST``, ``DOCKER_CONTEXT``, the current context) is the only candidate.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.suggest import did_you_mean

_SYSTEM = Path("/var/run/docker.sock")
_SYSTEM_PODMAN = Path("/run/podman/podman.sock")


@dataclass(frozen=True)
class TlsSettings:
    """Holds the files of an encrypted connection; None if there is no such file.

    Attributes:
        ca: The CA certificate that verifies the engine's; None is the system's list.
        cert: The client certificate.
        key: The client certificate's key.
        verify: Whether the engine's certificate is checked.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    verify: bool = True


@dataclass(frozen=True)
class EngineCandidate:
    """Describes an address at which an engine may answer.

    Attributes:
        url: ``unix://PATH``, ``tcp://HOST:PORT`` or ``ssh://[USER@]HOST[:PORT]``.
        how: How the address was found, for messages: ``DOCKER_HOST=…``, ``context colima``, ``socket PATH``.
        tls: The encryption of a TCP connection; None is no encryption.
        chosen: Whether the user chose it; then no other is tried.
    """

    url: str
    how: str
    tls: TlsSettings | None = None
    chosen: bool = False

    @property
    def scheme(self) -> str:
        """The URL's scheme: unix, tcp or ssh."""
        return self.url.partition("://")[0]

    @property
    def socket(self) -> Path:
        """The path of a unix socket."""
        return Path(self.url.removeprefix("unix://"))


def candidates(environ: Mapping[str, str] = os.environ) -> list[EngineCandidate]:
    """Return the candidates to try, in order; only one if the user chose it.

    Raises:
        MlpipesError: The user's choice does not exist or is not valid.
    """
    host = environ.get("DOCKER_HOST", "").strip()
    if host:
        return [
            EngineCandidate(_url(host, "DOCKER_HOST"), f"DOCKER_HOST={host}", _env_tls(environ), chosen=True)
        ]
    name, whence = _context_name(environ)
    if name:
        return [_context(name, whence, environ)]
    return [EngineCandidate(f"unix://{path}", f"socket {path}") for path in _default_sockets(environ)]


def named(environ: Mapping[str, str] = os.environ) -> str:
    """Return the variable by which the user names an engine for this call; empty if none is set.

    The Docker client's current context does not count: it names an engine whether or not it is started.
    """
    return next((name for name in ("DOCKER_HOST", "DOCKER_CONTEXT") if environ.get(name, "").strip()), "")


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or Path.home())


def _folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of the Docker client's settings."""
    return Path(environ.get("DOCKER_CONFIG") or _home(environ) / ".docker")


def _url(host: str, whence: str) -> str:
    scheme, sign, rest = host.partition("://")
    if not sign and host.startswith("/"):
        return f"unix://{host}"
    if not sign:
        scheme, rest = "tcp", host
    if scheme in ("http", "https"):
        scheme = "tcp"
    if scheme not in ("unix", "tcp", "ssh") or not rest.strip("/"):
        raise MlpipesError(
            f"{whence}: {host!r} is not a valid Docker engine address",
            "use unix:///path/docker.sock, tcp://host:2376 or ssh://user@host",
        )
    return f"{scheme}://{rest}"


def _env_tls(environ: Mapping[str, str]) -> TlsSettings | None:
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    if not (verify or environ.get("DOCKER_TLS") or environ["DOCKER_HOST"].strip().startswith("https://")):
        return None
    folder = Path(environ.get("DOCKER_CERT_PATH") or _folder(environ))
    return _tls(folder, verify=verify)


def _tls(folder: Path, *, verify: bool) -> TlsSettings:
    def there(name: str) -> Path | None:
        return folder / name if (folder / name).is_file() else None

    return TlsSettings(there("ca.pem"), there("cert.pem"), there("key.pem"), verify)


def _context_name(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the name of the current context and where it is set; empty for the default one."""
    name = environ.get("DOCKER_CONTEXT", "").strip()
    whence = "DOCKER_CONTEXT"
    if not name:
        path = _folder(environ) / "config.json"
        name, whence = str(_json(path).get("currentContext") or ""), str(path)
    return ("", "") if name == "default" else (name, whence)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise MlpipesError(
            f"{path}: cannot be read ({error.strerror})", "check its permissions, or set DOCKER_HOST"
        ) from None
    except ValueError:
        raise MlpipesError(
            f"{path}: not valid JSON", "correct or remove the file, or set DOCKER_HOST"
        ) from None
    return found if isinstance(found, dict) else {}


def _context(name: str, whence: str, environ: Mapping[str, str]) -> EngineCandidate:
    store = _folder(environ) / "contexts"
    key = hashlib.sha256(name.encode()).hexdigest()
    endpoint = (_json(store / "meta" / key / "meta.json").get("Endpoints") or {}).get("docker") or {}
    host = str(endpoint.get("Host") or "")
    if not host:
        known = sorted(_names(store))
        word = did_you_mean(name, known) or f"; there are: {', '.join(['default', *known])}"
        raise MlpipesError(
            f"{whence}: there is no Docker context {name!r}{word}",
            "choose one with `docker context use NAME`, or set DOCKER_HOST",
        )
    folder = store / "tls" / key / "docker"
    loose = bool(endpoint.get("SkipTLSVerify"))
    tls = _tls(folder, verify=not loose) if loose or folder.is_dir() else None
    return EngineCandidate(_url(host, f"context {name}"), f"context {name}", tls, chosen=True)


def _names(store: Path) -> Iterator[str]:
    for path in store.glob("meta/*/meta.json"):
        name = _json(path).get("Name")
        if name:
            yield str(name)


def _default_sockets(environ: Mapping[str, str]) -> list[Path]:
    """Return the sockets of Docker, rootless Docker, Docker Desktop, Colima, Podman and others."""
    home = _home(environ)
    own = Path(environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    colima = Path(environ.get("COLIMA_HOME") or home / ".colima")
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    found = [
        _SYSTEM,
        own / "docker.sock",
        Path(f"/run/user/{os.getuid()}/docker.sock"),
        home / ".docker/run/docker.sock",
        home / ".docker/desktop/docker.sock",
        colima / "default/docker.sock",
        config / "colima/default/docker.sock",
        home / ".orbstack/run/docker.sock",
        home / ".rd/docker.sock",
        own / "podman/podman.sock",
        _SYSTEM_PODMAN,
    ]
    return list(dict.fromkeys(found))
