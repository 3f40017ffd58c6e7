"""Access a project's stack on one engine: its identity, its addresses and its services' probes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.docker.containers.labels import StackLabels
from mlpipes_cli.adapters.docker.stack import addresses
from mlpipes_cli.adapters.docker.stack.identity import StackIdentity
from mlpipes_cli.adapters.docker.stack.object_store import ObjectStoreClient
from mlpipes_cli.adapters.docker.stack.resources import StackResources
from mlpipes_cli.adapters.docker.stack.variables import StoreKeys, store_keys
from mlpipes_cli.adapters.mlflow import basic_auth
from mlpipes_cli.adapters.postgres import roles
from mlpipes_cli.adapters.processes.service_status import NOT_READY
from mlpipes_cli.project import ProjectFolder
from mlpipes_cli.services import catalog
from mlpipes_cli.services.api import READY
from mlpipes_cli.services.catalog import API, MLFLOW
from mlpipes_cli.services.probes import BucketProbe, DatabaseProbe, HttpProbe

if TYPE_CHECKING:
    from psycopg2.extensions import connection

    from mlpipes_cli.adapters.docker.engine.connection import DockerEngine

Ports = Mapping[int, int]  # the host's by the container's


@dataclass(frozen=True)
class DockerStack:
    """Represents one project's stack on one engine.

    Attributes:
        project: The project.
        engine: The engine.
        marks: The stack's labels.
        secrets: The values of ``.env``.
        auth: Whether MLflow requires authentication.
    """

    project: ProjectFolder
    engine: DockerEngine
    marks: StackLabels
    secrets: Mapping[str, str] = field(repr=False)
    auth: bool

    @property
    def resources(self) -> StackResources:
        """The stack's resources on the engine."""
        return StackResources(self.engine, self.marks)

    @property
    def identity(self) -> StackIdentity:
        """The stored id and records of the stack."""
        return StackIdentity(self.project)

    @property
    def address(self) -> str:
        """The host at which the stack's ports are reached.

        Raises:
            MlpipesError: The ports cannot be reached from this machine.
        """
        return addresses.host(self.engine, self.project.config.stack.listen)

    @property
    def store(self) -> str:
        """The name of the object store's service."""
        return self.project.config.stack.object_store.engine

    @property
    def keys(self) -> StoreKeys:
        """The object store's users; with MLflow's own for MinIO until the store has refused to create it."""
        own = bool(self.identity.note("store").get("own", self.store == "minio"))
        return store_keys(self.secrets, own=own)

    def bucket(self, ports: Ports) -> ObjectStoreClient:
        """Return a client of the object store's bucket."""
        bucket = self.project.config.stack.object_store.bucket
        return ObjectStoreClient(self.address, ports[9000], bucket)

    def database(self, ports: Ports, user: str, database: str) -> connection:
        """Open a connection to PostgreSQL.

        Raises:
            psycopg2.OperationalError: The connection fails.
        """
        import psycopg2

        return psycopg2.connect(
            host=self.address, port=ports[5432], user=user, dbname=database,
            password=self.secrets.get(roles.SECRETS[user], ""),
            connect_timeout=5, application_name="mlpipes", sslmode="disable", gssencmode="disable",
        )  # fmt: skip

    def answers(self, service: str, ports: Ports) -> bool | None:
        """Return whether a service answers its probe; None if there is no probe for it."""
        found = catalog.find(service)
        if found is None or found.probe is None:
            return None
        if not ports:
            return False
        match found.probe:
            case DatabaseProbe():
                return roles.complete(lambda user, name: self.database(ports, user, name))
            case BucketProbe():
                return self.bucket(ports).holds(self.keys.mlflow) == 200
            case probe:
                asked = probe.with_secrets(self.secrets)
        if self.auth and service == MLFLOW and isinstance(asked, HttpProbe):
            asked = basic_auth.known(asked, self.secrets)
        return asked.ask(found.port(ports), self.address)

    def cannot_store(self, service: str, ports: Ports) -> bool:
        """Return whether a service is the prediction API and reports that it is not ready."""
        if service != API or not ports:
            return False
        return READY.answer(next(iter(ports.values())), self.address) == NOT_READY
