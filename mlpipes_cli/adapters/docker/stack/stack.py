"""A project's stack on one engine: who it is, where it answers, and how to ask each service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.docker.containers.labels import Marks
from mlpipes_cli.adapters.docker.stack import addresses
from mlpipes_cli.adapters.docker.stack.identity import Identity
from mlpipes_cli.adapters.docker.stack.object_store import ObjectStore
from mlpipes_cli.adapters.docker.stack.resources import Holdings
from mlpipes_cli.adapters.docker.stack.settings import API, DATABASE, MLFLOW, STORES
from mlpipes_cli.adapters.docker.stack.variables import StoreKeys, store_keys
from mlpipes_cli.adapters.mlflow import basic_auth
from mlpipes_cli.adapters.postgres import roles
from mlpipes_cli.adapters.processes.daemon import Probe
from mlpipes_cli.adapters.processes.service_status import NOT_READY
from mlpipes_cli.project import Project

if TYPE_CHECKING:
    from psycopg2.extensions import connection

    from mlpipes_cli.adapters.docker.engine.connection import Engine

Ports = Mapping[int, int]  # the host's by the container's
_SEARCH = ("POST", "/api/2.0/mlflow/experiments/search", '{"max_results": 1}')


@dataclass(frozen=True)
class Place:
    """One project's stack on one engine.

    Attributes:
        project: Whose.
        engine: Where.
        marks: The stack's labels.
        secrets: ``.env``.
        auth: Whether MLflow asks who one is.
    """

    project: Project
    engine: Engine
    marks: Marks
    secrets: Mapping[str, str] = field(repr=False)
    auth: bool

    @property
    def holdings(self) -> Holdings:
        """What the engine holds of it."""
        return Holdings(self.engine, self.marks)

    @property
    def identity(self) -> Identity:
        """What is written down."""
        return Identity(self.project)

    @property
    def address(self) -> str:
        """The host at which its ports are reached.

        Raises:
            MlpipesError: They cannot be reached from here.
        """
        return addresses.host(self.engine, self.project.config.stack.listen)

    @property
    def store(self) -> str:
        """The object store's service."""
        return self.project.config.stack.object_store.engine

    @property
    def keys(self) -> StoreKeys:
        """The object store's users; MLflow's own is hoped for until the store has refused it."""
        own = bool(self.identity.note("store").get("own", self.store == "minio"))
        return store_keys(self.secrets, own=own)

    def bucket(self, ports: Ports) -> ObjectStore:
        """The object store's bucket."""
        bucket = self.project.config.stack.object_store.bucket
        return ObjectStore(self.address, ports[9000], bucket)

    def database(self, ports: Ports, user: str, database: str) -> connection:
        """A connection to PostgreSQL.

        Raises:
            psycopg2.OperationalError: There is none to be had.
        """
        import psycopg2

        return psycopg2.connect(
            host=self.address, port=ports[5432], user=user, dbname=database,
            password=self.secrets.get(roles.SECRETS[user], ""),
            connect_timeout=5, application_name="mlpipes", sslmode="disable", gssencmode="disable",
        )  # fmt: skip

    def answers(self, service: str, ports: Ports) -> bool | None:
        """Whether a service answers a query; None where we know no question for it."""
        ask = self._questions().get(service)
        if ask is None:
            return None
        return bool(ports) and ask(ports)

    def cannot_store(self, service: str, ports: Ports) -> bool:
        """Whether a service is the prediction API, which answers, but says that it cannot do its work."""
        if service != API or not ports:
            return False
        return Probe("GET", "/ready").answer(next(iter(ports.values())), self.address) == NOT_READY

    def _questions(self) -> Mapping[str, Callable[[Ports], bool]]:
        token = {"Authorization": f"token {self.secrets.get('JUPYTER_TOKEN', '')}"}

        def store(ports: Ports) -> bool:
            return self.bucket(ports).holds(self.keys.mlflow) == 200

        def database(ports: Ports) -> bool:
            return roles.complete(lambda user, name: self.database(ports, user, name))

        return {
            DATABASE: database,
            **dict.fromkeys(STORES, store),
            MLFLOW: lambda ports: self._http(Probe(*_SEARCH, headers=self._login()), ports),
            "jupyter": lambda ports: self._http(Probe("GET", "/api/status", headers=token), ports),
            "pgadmin": lambda ports: self._http(Probe("GET", "/misc/ping"), ports),
            API: lambda ports: self._http(Probe("GET", "/ready"), ports),
        }

    def _http(self, probe: Probe, ports: Ports) -> bool:
        return probe.ask(next(iter(ports.values())), self.address)

    def _login(self) -> dict[str, str]:
        password = self.secrets.get(basic_auth.PASSWORD, "")
        return basic_auth.headers(basic_auth.variables(password)) if self.auth else {}
