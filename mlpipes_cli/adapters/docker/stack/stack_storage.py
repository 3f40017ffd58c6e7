"""Give access to a container stack's databases and bucket, to copy or replace them."""

from __future__ import annotations

from mlpipes_cli.adapters.docker.stack.addresses import database_url
from mlpipes_cli.adapters.docker.stack.stack import DockerStack
from mlpipes_cli.adapters.postgres.roles import OWNERS
from mlpipes_cli.ports import Storage


def storage(stack: DockerStack, database_port: int, store_port: int) -> Storage:
    """Return the databases with their owners' credentials, and the bucket with the root user's.

    Args:
        place: The stack.
        database_port: The published port of PostgreSQL.
        store_port: The published port of the object store.
    """
    from mlpipes_cli.adapters.artifacts.s3 import S3ArtifactStore

    bucket = stack.bucket({9000: store_port})
    access, secret = stack.keys.root
    return Storage(
        databases={
            name: database_url(stack.address, database_port, name, stack.secrets.get(variable, ""))
            for name, variable in OWNERS.items()
        },
        artifacts=S3ArtifactStore(bucket.url, bucket.bucket, access, secret),
    )
