"""Provision the services: databases and roles, the bucket, MLflow's own S3 user."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.docker.errors.translate import translate_errors
from mlpipes_cli.adapters.docker.stack.stack import DockerStack, Ports
from mlpipes_cli.adapters.docker.stack.variables import store_keys
from mlpipes_cli.adapters.postgres import roles

if TYPE_CHECKING:
    pass

_RESET = (
    """printf "alter role postgres password '%s'" "$VERIFIER" | psql -qX -U postgres -v ON_ERROR_STOP=1"""
)
_GRANT = """set -eu
umask 077
MC_CONFIG_DIR=$(mktemp -d)
export MC_CONFIG_DIR
trap 'rm -rf "$MC_CONFIG_DIR"' EXIT
root=$(cat "$MINIO_ROOT_USER_FILE"):$(cat "$MINIO_ROOT_PASSWORD_FILE")
export MC_HOST_store="http://$root@127.0.0.1:9000"
printf '%s\\n%s\\n' "$STORE_USER" "$STORE_SECRET" | mc admin user add store
printf '%s' "$STORE_POLICY" > "$MC_CONFIG_DIR/policy.json"
mc admin policy create store "$STORE_USER" "$MC_CONFIG_DIR/policy.json"
mc admin policy attach store "$STORE_USER" --user "$STORE_USER" || true
"""


@dataclass
class Provisioner:
    """Provisions the database and the object store.

    Attributes:
        place: The stack.
        info: Called with messages for the user.
        detail: Called with messages for verbose output.
    """

    stack: DockerStack
    info: Callable[[str], None]
    detail: Callable[[str], None]

    def database(self, container: str, ports: Ports, *, touched: bool) -> str:
        """Try to provision PostgreSQL.

        Args:
            container: The container's id.
            ports: The host's ports by the container's.
            touched: Whether this call created or started it, so that passwords may have to be set.

        Returns:
            Why it is not provisioned yet; empty if it is.
        """
        import psycopg2

        def connect(user: str, name: str) -> psycopg2.extensions.connection:
            return self.stack.database(ports, user, name)

        if not ports:
            return "its port is not published"
        if not touched and roles.complete(connect) and roles.readable(connect):
            return ""
        try:
            roles.provision(connect, self.stack.secrets)
        except psycopg2.Error as error:
            message = " ".join(str(error).split())
            if "authentication failed" in message:
                self.info("the database's password differs from .env; it is set to the one in .env")
                self._reset_password(container)
            return message
        return ""

    def _reset_password(self, container: str) -> None:
        verifier = roles.scram(self.stack.secrets["POSTGRES_PASSWORD"])
        code, output = self._run(container, _RESET, {"VERIFIER": verifier})
        if code:
            self.detail(f"postgres: cannot set the password: {output}")

    def store(self, ports: Ports) -> str:
        """Try to provision the object store, so that it answers and has the bucket.

        Returns:
            Why it is not provisioned yet; empty if it is.
        """
        if 9000 not in ports:
            return "its port is not published"
        bucket, keys = self.stack.bucket(ports), self.stack.keys
        if bucket.holds(keys.mlflow) == 200:
            return ""
        status = bucket.ask("GET", "/", keys.root)
        if status != 200:
            return f"it answers with HTTP {status}" if status else "it does not answer"
        bucket.make_bucket(keys.root)
        return ""

    def store_user(self, container: str, service: str, image: str, ports: Ports) -> None:
        """Create MLflow's user in the object store, which answers and has the bucket.

        The user is limited to that bucket; if the store creates no users, MLflow gets the root user's
        keys, which is reported once.

        Args:
            container: The container's id.
            service: minio or rustfs.
            image: The image's id.
            ports: The host's ports by the container's.
        """
        note = {"own": False, "print": self._print(service, image)}
        own = store_keys(self.stack.secrets, own=True).own
        if self.stack.identity.note("store") == note:
            return
        if own and self.stack.bucket(ports).holds(own) != 200:
            works, output = self._make_user(container, service, own, ports)
        else:
            works, output = own is not None, ".env has no MLFLOW_S3_SECRET_KEY"
        if not works:
            self.info(f"{service} cannot create a user for MLflow, which uses the root user's keys instead")
            self.detail(f"{service}: {output}")
        self.stack.identity.write_note("store", {**note, "own": works})

    def _print(self, service: str, image: str) -> str:
        """Return a hash that changes when a store that created no user should be asked again."""
        secret = self.stack.secrets.get("MLFLOW_S3_SECRET_KEY", "")
        return hashlib.sha256(f"{service}\0{image}\0{secret}".encode()).hexdigest()[:10]

    def _make_user(
        self, container: str, service: str, own: tuple[str, str], ports: Ports
    ) -> tuple[bool, str]:
        if service != "minio":
            return False, "its image has no `mc` to create users with"
        values = {"STORE_USER": own[0], "STORE_SECRET": own[1], "STORE_POLICY": self._policy()}
        _, output = self._run(container, _GRANT, values)
        return self.stack.bucket(ports).holds(own) == 200, output

    def _policy(self) -> str:
        name = self.stack.project.config.stack.object_store.bucket
        whole = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
        each = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
        each += ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        rows = [(whole, f"arn:aws:s3:::{name}"), (each, f"arn:aws:s3:::{name}/*")]
        return json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Action": actions, "Resource": [resource]}
                    for actions, resource in rows
                ],
            }
        )

    def _run(self, container: str, script: str, values: dict[str, str]) -> tuple[int, str]:
        """Run a script in a container, with values in its environment only; return exit code and output."""
        api = self.stack.engine.client.api
        with translate_errors("setting a service up"):
            made = api.exec_create(container, ["sh", "-c", script], environment=values)
            output = api.exec_start(made["Id"]).decode(errors="replace")
            code = api.exec_inspect(made["Id"])["ExitCode"]
        for value in values.values():
            output = output.replace(value, "…")
        return int(code or 0), " ".join(output.split())
