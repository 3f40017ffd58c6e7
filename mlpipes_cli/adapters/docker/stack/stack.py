"""A project's stack on one engine: who it is, where it answers, and how to ask each service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.docker.containers.labels import StackLabels
from mlpipes_cli.adapters.docker.stack import addresses
from mlpipes_cli.adapters.docker.stack.identity import StackIdentity
from mlpipes_cli.adapters.docker.stack.object_store import ObjectStoreClient
from mlpipes_cli.adapters.docker.stack.resources import StackResources
from mlpipes_cli.adapters.docker.stack.settings import API, DATABASE, MLFLOW, STORES
from mlpipes_cli.adapters.docker.stack.variables import StoreKeys, store_keys
from mlpipes_cli.adapters.mlflow import basic_auth
from mlpipes_cli.adapters.postgres import roles
from mlpipes_cli.adapters.processes.daemon import HttpProbe
from mlpipes_cli.adapters.processes.service_status import NOT_READY
from mlpipes_cli.project import ProjectFolder

if TYPE_CHECKING:
    from psycopg2.extensions import connection

    from mlpipes_cli.adapters.docker.engine.connection import DockerEngine

Ports = Mapping[int, int]  # the host's by the container's
_SEARCH = ("POST", "/api/2.0/mlflow/experiments/search", '{"max_results": 1}')


@dataclass(frozen=True)
class DockerStack:
    """One project's stack on one engine.

    Attributes:
        project: Whose.
        engine: Where.
        marks: The stack's labels.
        secrets: ``.env``.
        auth: Whether MLflow asks who one is.
    """

    project: ProjectFolder
    engine: DockerEngine
    marks: StackLabels
    secrets: Mapping[str, str] = field(repr=False)
    auth: bool

    @property
    def holdings(self) -> StackResources:
        """What the engine holds of it."""
        return StackResources(self.engine, self.marks)

    @property
    def identity(self) -> StackIdentity:
        """What is written down."""
        return StackIdentity(self.project)

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

    def bucket(self, ports: Ports) -> ObjectStoreClient:
        """The object store's bucket."""
        bucket = self.project.config.stack.object_store.bucket
        return ObjectStoreClient(self.address, ports[9000], bucket)

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
        return HttpProbe("GET", "/ready").answer(next(iter(ports.values())), self.address) == NOT_READY

    def _questions(self) -> Mapping[str, Callable[[Ports], bool]]:
        token = {"Authorization": f"token {self.secrets.get('JUPYTER_TOKEN', '')}"}

        def store(ports: Ports) -> bool:
            return self.bucket(ports).holds(self.keys.mlflow) == 200

        def database(ports: Ports) -> bool:
            return roles.complete(lambda user, name: self.database(ports, user, name))

        return {
            DATABASE: database,
            **dict.fromkeys(STORES, store),
            MLFLOW: lambda ports: self._http(HttpProbe(*_SEARCH, headers=self._login()), ports),
            "jupyter": lambda ports: self._http(HttpProbe("GET", "/api/status", headers=token), ports),
            "pgadmin": lambda ports: self._http(HttpProbe("GET", "/misc/ping"), ports),
            API: lambda ports: self._http(HttpProbe("GET", "/ready"), ports),
        }

    def _http(self, probe: HttpProbe, ports: Ports) -> bool:
        return probe.ask(next(iter(ports.values())), self.address)

    def _login(self) -> dict[str, str]:
        password = self.secrets.get(basic_auth.PASSWORD, "")
        return basic_auth.headers(basic_auth.variables(password)) if self.auth else {}
