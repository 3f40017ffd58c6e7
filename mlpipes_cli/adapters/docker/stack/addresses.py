"""Build the addresses of the services of a stack in containers, for clients."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from mlpipes_cli.adapters.mlflow import basic_auth
from mlpipes_cli.adapters.postgres.roles import READER, READER_SECRET
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Endpoints
from mlpipes_cli.ports.stack import API_URL, DATABASE_URL, TRACKING_URI
from mlpipes_cli.services import catalog
from mlpipes_cli.services.catalog import DATABASE

if TYPE_CHECKING:
    from mlpipes_cli.adapters.docker.engine.connection import DockerEngine

_CLIENT_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
}


def host(engine: DockerEngine, listen: str) -> str:
    """Return the address at which this machine reaches the published ports.

    Raises:
        MlpipesError: The ports are reachable on the engine's machine only, which is another one.
    """
    address = ipaddress.ip_address(listen)
    if address.is_unspecified:
        return engine.host
    if address.is_loopback and not engine.local:
        raise MlpipesError(
            f"the Docker engine is on another machine ({engine.how}) and the services would listen on "
            f"{listen} there, which this machine cannot reach",
            "set `stack: {listen: 0.0.0.0}` (or an address of that machine) in mlpipes.yaml",
        )
    return listen


def in_url(address: str) -> str:
    """Return a host as URLs write it, with brackets around an IPv6 address."""
    return f"[{address}]" if ":" in address else address


def allowed_hosts(address: str, listen: str) -> str:
    """Return the host names that MLflow's server accepts in requests.

    It rejects any other, as a protection against DNS rebinding.
    """
    names = ["localhost", "127.0.0.1", "mlflow", in_url(address)]
    if ipaddress.ip_address(listen).is_unspecified:
        names += [socket.gethostname(), socket.getfqdn(), *_outward()]
    return ",".join(f"{name}:*" for name in dict.fromkeys(names))


def _outward() -> list[str]:
    """Return this machine's address on its outgoing network, if it has one, without sending a packet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return []
        return [str(probe.getsockname()[0])]


def database_url(address: str, port: int, user: str, password: str, database: str | None = None) -> str:
    """Return a database's URL for a user; by default the database that has the user's name."""
    return f"postgresql://{user}:{quote(password, safe='')}@{in_url(address)}:{port}/{database or user}"


def endpoints(
    address: str, ports: Mapping[str, int], secrets: Mapping[str, str], *, auth: bool, api: str | None
) -> Endpoints:
    """Return the addresses and credentials that clients need.

    Args:
        address: See :func:`host`.
        ports: The host's port of each service that runs, ``postgres`` and ``mlflow`` among them.
        secrets: The passwords by their names in ``.env``.
        auth: Whether MLflow requires authentication.
        api: The URL of a prediction API that is no container.

    Raises:
        MlpipesError: ``.env`` lacks a password.
    """
    found = {
        name: value
        for definition in catalog.everything()
        if definition.name in ports
        for name, value in definition.exported(in_url(address), ports[definition.name], secrets).items()
    }
    if auth and not secrets.get(basic_auth.PASSWORD):
        raise MlpipesError(f".env: {basic_auth.PASSWORD} is missing", "`mlpipes up` sets a new one")
    reader = secrets.get(READER_SECRET)
    return Endpoints(
        tracking_uri=found.pop(TRACKING_URI),
        database_url=found.pop(DATABASE_URL),
        extra={
            **_CLIENT_SETTINGS,
            **(basic_auth.variables(secrets[basic_auth.PASSWORD]) if auth else {}),
            **found,
            **({API_URL: api} if api else {}),
        },
        reader_url=database_url(address, ports[DATABASE], READER, reader, "mlpipes") if reader else None,
    )
