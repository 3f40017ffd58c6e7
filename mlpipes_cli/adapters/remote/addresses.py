"""Resolves the addresses and logins of a remote stack's services."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from mlpipes_cli.adapters.mlflow import basic_auth
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.local_files import env_file, variables
from mlpipes_cli.project import ProjectFolder

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
}


@dataclass(frozen=True)
class BucketAddress:
    """An object store with the keys to access it.

    Attributes:
        endpoint: Its address; None is AWS.
        name: The bucket.
        prefix: All keys are below it.
        region: The bucket's region.
        keys: Access key and secret key.
    """

    endpoint: str | None
    name: str
    prefix: str
    region: str
    keys: tuple[str, str] = field(repr=False)

    @property
    def shown(self) -> str:
        """The address for messages."""
        return f"{self.endpoint or 'AWS'} bucket {self.name}"


@dataclass(frozen=True)
class RemoteAddresses:
    """The addresses of a remote stack.

    Attributes:
        mlflow: The tracking server's address, without a name or password.
        login: Variables for the login of MLflow's client.
        database: The address of the project's database, with its password.
        tracking_database: The address of MLflow's own database, which only backup and migrate need.
        bucket: Holds the artifacts; None without keys for it, or without its address.
    """

    mlflow: str
    login: Mapping[str, str] = field(repr=False)
    database: str = field(repr=False)
    tracking_database: str | None = field(repr=False)
    bucket: BucketAddress | None

    @property
    def shown_database(self) -> str:
        """The database's address without a password."""
        return without_password(self.database)

    @property
    def variables(self) -> dict[str, str]:
        """The variables that clients need beside the addresses."""
        return {**_QUIET, **self.login}


def resolve(project: ProjectFolder, environ: Mapping[str, str] = os.environ) -> RemoteAddresses:
    """Return the addresses in ``mlpipes.yaml``; ``$NAME`` in them is from the environment, else ``.env``.

    Raises:
        ConfigError: An address or a variable is missing, or an address is malformed; all are named.
        MlpipesError: ``.env`` cannot be read.
    """
    reader = _Reader(project, {**env_file.read(project.env_file), **environ})
    addresses = reader.read()
    if reader.problems:
        raise ConfigError(reader.problems)
    return addresses


def secrets_in_file(project: ProjectFolder) -> list[str]:
    """Return the keys of ``mlpipes.yaml`` that hold a password in plain text."""
    stack = project.config.stack
    urls = {
        "stack -> mlflow -> url": stack.mlflow.url,
        "stack -> mlflow -> database_url": stack.mlflow.database_url,
        "stack -> postgres -> url": stack.postgres.url,
    }
    return [key for key, url in urls.items() if url and _has_literal_password(url)]


def _has_literal_password(url: str) -> bool:
    login = url.partition("//")[2].rpartition("@")[0]
    password = login.partition(":")[2]
    return bool(password) and not variables.VARIABLE.fullmatch(password)


def without_password(url: str) -> str:
    """Return an address without its password, for messages."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = parts.username
    return urlunsplit(parts._replace(netloc=f"{user}@{host}" if user else host, query=""))


@dataclass
class _Reader:
    project: ProjectFolder
    known: Mapping[str, str]
    problems: list[str] = field(default_factory=list)

    def read(self) -> RemoteAddresses:
        stack = self.project.config.stack
        mlflow, login = self._mlflow(self._filled("mlflow -> url", stack.mlflow.url, required=True))
        database = self._filled("postgres -> url", stack.postgres.url, required=True)
        tracking = self._filled("mlflow -> database_url", stack.mlflow.database_url)
        return RemoteAddresses(
            mlflow=mlflow,
            login=login,
            database=self._database("postgres -> url", database, self.known.get("MLPIPES_DB_PASSWORD")),
            tracking_database=self._database("mlflow -> database_url", tracking, None) or None,
            bucket=self._bucket(),
        )

    def _problem(self, key: str, what: str) -> None:
        file = self.project.shown(self.project.root / "mlpipes.yaml")
        self.problems.append(f"{file}: stack -> {key}: {what}")

    def _filled(self, key: str, url: str | None, *, required: bool = False) -> str:
        if url is None:
            if required:
                self._problem(key, "is missing; the remote runtime requires it")
            return ""

        def missing(name: str) -> None:
            self._problem(key, f"the variable {name} is not set, neither in the environment nor in .env")

        return variables.filled(url, self.known, missing)

    def _mlflow(self, url: str) -> tuple[str, dict[str, str]]:
        login = {n: v for n, v in self.known.items() if n.startswith("MLFLOW_TRACKING_") and v}
        login.pop("MLFLOW_TRACKING_URI", None)
        if not url:
            return "", login
        parts = self._split("mlflow -> url", url, ("http", "https"), "https://mlflow.example.com")
        if parts.username and parts.password:
            login[basic_auth.USERNAME_VARIABLE] = unquote(parts.username)
            login[basic_auth.PASSWORD_VARIABLE] = unquote(parts.password)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=host, query="", fragment="")).rstrip("/"), login

    def _database(self, key: str, url: str, password: str | None) -> str:
        if not url:
            return ""
        url = url.replace("postgresql+psycopg2://", "postgresql://", 1).replace(
            "postgres://", "postgresql://", 1
        )
        parts = self._split(key, url, ("postgresql",), "postgresql://user@host:5432/database")
        if parts.scheme and not (parts.path.strip("/") and parts.username):
            self._problem(
                key, "the user or the database is missing; write postgresql://user@host:5432/database"
            )
        if parts.password is None and password:
            host = parts.netloc.rpartition("@")[2]
            user = f"{parts.netloc.rpartition('@')[0]}:{quote(password, safe='')}"
            parts = parts._replace(netloc=f"{user}@{host}")
        return parts.geturl()

    def _split(self, key: str, url: str, schemes: tuple[str, ...], example: str) -> SplitResult:
        try:
            parts = urlsplit(url)
            valid = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            self._problem(key, f"is not a valid address; write it as {example}")
            return urlsplit("")
        return parts

    def _bucket(self) -> BucketAddress | None:
        store = self.project.config.stack.object_store
        endpoint = self._filled("object_store -> url", store.url) or None
        if endpoint:
            self._split("object_store -> url", endpoint, ("http", "https"), "https://s3.example.com")
        keys = (self.known.get("AWS_ACCESS_KEY_ID"), self.known.get("AWS_SECRET_ACCESS_KEY"))
        configured = store.model_fields_set & {"url", "bucket", "region", "prefix"}
        if not configured or not keys[0] or not keys[1]:
            return None
        return BucketAddress(
            endpoint, store.bucket, store.prefix, store.region or "us-east-1", (keys[0], keys[1])
        )
