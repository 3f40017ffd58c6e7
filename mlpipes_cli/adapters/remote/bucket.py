"""Checks that the bucket exists and allows listing, writing, reading and deleting."""

from __future__ import annotations

import io
import uuid

from mlpipes_cli.adapters.artifacts.s3 import S3ArtifactStore
from mlpipes_cli.adapters.remote.addresses import BucketAddress
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Check

NAME = "object store"
_CONTENT = b"mlpipes looks whether it can write here; this file may be removed\n"


def store(bucket: BucketAddress) -> S3ArtifactStore:
    """Return the artifact store of the bucket."""
    key, secret = bucket.keys
    return S3ArtifactStore(bucket.endpoint, bucket.name, key, secret, bucket.region, bucket.prefix)


def examine(bucket: BucketAddress) -> list[Check]:
    """Check the bucket; a file is written, read and removed again."""
    try:
        _try(store(bucket))
    except MlpipesError as error:
        return [Check(NAME, "fault", error.reason, error.hint)]
    return [Check(NAME, "ok", f"{bucket.shown} can be listed, read and written, and objects can be deleted")]


def answers(bucket: BucketAddress) -> bool:
    """Return whether the bucket can be listed."""
    try:
        next(store(bucket).entries(), None)
        return True
    except MlpipesError:
        return False


def _try(files: S3ArtifactStore) -> None:
    next(files.entries(), None)
    key = f".mlpipes-probe-{uuid.uuid4().hex}"
    try:
        files.write(key, io.BytesIO(_CONTENT), len(_CONTENT))
        with files.read(key) as content:
            if content.read() != _CONTENT:
                raise MlpipesError(
                    "an object read back differs from what was written",
                    "check whether a proxy alters requests",
                )
    finally:
        files.remove([key])
