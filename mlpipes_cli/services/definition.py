"""Define what the runtimes have to know of a service that ``compose.yaml`` describes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import quote

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.services.probes import Probe

Role = Literal["database", "object store", "tracking", "tool", "api"]
ROLES: tuple[Role, ...] = get_args(Role)
RuntimeName = Literal["docker", "embedded", "remote"]
_BYTES = 24


def token() -> str:
    """Return a new random password of 32 letters, digits, - and _."""
    import secrets

    return secrets.token_urlsafe(_BYTES)


@dataclass(frozen=True)
class ServicePort:
    """A port on which a service listens.

    Attributes:
        inside: The container's port.
        preferred: The default port of the host; if it is taken, the next free one is chosen.
        name: Its name among the remembered ports and in the Compose file's variable ``MLPIPES_NAME_PORT``.
        setting: Where mlpipes.yaml sets it: the keys from the top.
        on_macos: The default port on macOS, where that differs.
    """

    inside: int
    preferred: int
    name: str
    setting: tuple[str, ...]
    on_macos: int | None = None

    @property
    def variable(self) -> str:
        """The Compose file's variable for it."""
        return f"MLPIPES_{in_variables(self.name)}_PORT"

    def default(self, platform: str = sys.platform) -> int:
        """Return the default port of the host on a platform."""
        return self.on_macos if self.on_macos and platform == "darwin" else self.preferred


@dataclass(frozen=True)
class ServiceSecret:
    """A value in ``.env`` that is made once.

    Attributes:
        name: Its name there.
        make: Returns a new one.
        with_auth: Whether it is used only if MLflow requires a login (``--auth``).
    """

    name: str
    make: Callable[[], str] = token
    with_auth: bool = False


@dataclass(frozen=True)
class Login:
    """How a person gets into a service's page.

    Attributes:
        user: The account's name; empty if only a token is asked for.
        secret: The password's or the token's name in ``.env``.
        parameter: The parameter of the page's address that takes the token; empty if none does.
    """

    user: str
    secret: str
    parameter: str = ""


@dataclass(frozen=True)
class ContainerLimits:
    """The default limits of a container, which mlpipes.yaml changes: memory such as ``2g``, and CPUs."""

    memory: str = "1g"
    cpus: float = 1.0


@dataclass(frozen=True)
class ServiceDefinition:
    """Describes one service; what its container is made of is in the Compose file, under the same name.

    Attributes:
        name: Its name in the Compose file, in commands, and (for a tool or the API) its profile.
        description: One sentence on what it is, for the settings' documentation.
        ports: Its ports; the first is the one that clients use.
        role: What it does in a stack; tools and the API are started only with ``up --with NAME``.
        probe: Tells whether it works; None leaves it to the health check in the Compose file.
        timeout: Seconds that it has to answer after a start.
        secrets: What ``.env`` has to hold for it.
        login: How a person logs in at its page; None if it asks for nothing.
        url: Its address without secrets, with ``{host}`` and ``{port}``.
        exports: The variables of ``mlpipes env`` for its clients, with ``{host}``, ``{port}`` and the names
            of values in ``.env``, which are quoted as in an address.
        page: The container's port of its page for people; None if there is no page.
        section: Its key under ``stack:`` in mlpipes.yaml.
        variables: Its name in the Compose file's variables ``MLPIPES_NAME_MEMORY``, ``…_CPUS`` and ``…_TMP``.
        limits: Its default limits.
        data: What its volume holds, which has its name; empty if that can be lost.
        needs: The services that it cannot work without.
        runtimes: Those that can run it.
        compose: The Compose file of a definition that another package adds.
        container: Whether a Compose file has it; without, it is a process of this machine on every runtime.
    """

    name: str
    description: str
    ports: tuple[ServicePort, ...]
    role: Role = "tool"
    probe: Probe | None = None
    timeout: float = 120.0
    secrets: tuple[ServiceSecret, ...] = ()
    login: Login | None = None
    url: str = "http://{host}:{port}"
    exports: Mapping[str, str] = field(default_factory=dict)
    page: int | None = None
    section: str = ""
    variables: str = ""
    limits: ContainerLimits = ContainerLimits()
    data: str = ""
    needs: tuple[str, ...] = ()
    runtimes: tuple[RuntimeName, ...] = ("docker",)
    compose: Path | None = None
    container: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "section", self.section or self.name)
        object.__setattr__(self, "variables", self.variables or in_variables(self.name))

    @property
    def optional(self) -> bool:
        """Whether only ``up --with NAME`` starts it."""
        return self.role in ("tool", "api")

    def secret_names(self, *, auth: bool = True) -> tuple[str, ...]:
        """Return the names of its secrets, without those that only ``--auth`` uses if ``auth`` is false."""
        return tuple(one.name for one in self.secrets if auth or not one.with_auth)

    def port(self, ports: Mapping[int, int]) -> int:
        """Return the host's port that clients use, of the published ports by the container's."""
        return ports.get(self.ports[0].inside) or next(iter(ports.values()))

    def address(self, host: str, port: int) -> str:
        """Return its address without secrets, as URLs write the host."""
        return self.url.format(host=host, port=port)

    def exported(self, host: str, port: int, values: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of ``mlpipes env`` for its clients.

        Args:
            host: The host as URLs write it.
            port: The host's port of its first port.
            values: The values of ``.env``.

        Raises:
            MlpipesError: ``.env`` lacks a value.
        """
        quoted = _Required({name: quote(value, safe="") for name, value in values.items() if value})
        quoted |= {"host": host, "port": str(port)}
        return {name: text.format_map(quoted) for name, text in self.exports.items()}


def in_variables(name: str) -> str:
    """Return a name as the Compose file's variables write it."""
    return name.upper().replace("-", "_")


def tool_port(name: str, inside: int, preferred: int) -> ServicePort:
    """Return the port of a tool, which ``stack: NAME: port:`` of mlpipes.yaml sets."""
    return ServicePort(inside, preferred, name, ("stack", name, "port"))


class _Required(dict[str, str]):
    def __missing__(self, name: str) -> str:
        raise MlpipesError(f".env: {name} is missing", "`mlpipes up` sets a new one")
