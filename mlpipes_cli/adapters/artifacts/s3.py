"""Stores artifacts in a bucket of AWS, MinIO, RustFS or another S3 server."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from mlpipes_cli import hostnames
from mlpipes_cli.adapters.artifacts.keys import checked
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Artifact

if TYPE_CHECKING:
    from collections.abc import Sequence

_BATCH = 1000  # the most keys that one request may delete
_PART = 16 << 20
_HINTS = {
    "NoSuchBucket": "create the bucket, or name another one in mlpipes.yaml",
    "AccessDenied": "the account needs permission to list, read, write and delete in this bucket",
    "403": "the account needs permission to list, read, write and delete in this bucket",
    "InvalidAccessKeyId": "check the access key",
    "SignatureDoesNotMatch": "check the secret key",
    "RequestTimeTooSkewed": "correct this machine's clock",
    "XMinioStorageFull": "the object store's disk is full",
    "SlowDown": "the object store is overloaded; try again later",
}


class S3ArtifactStore:
    """Implements :class:`mlpipes_cli.ports.ArtifactStore`.

    Uploads are signed together with their content, so that the server refuses damaged data, and the
    size of a written file is checked afterwards.

    Args:
        endpoint_url: The server's address; None is AWS.
        bucket: The bucket, which must exist.
        access_key: With None, both keys come from the AWS tools' usual sources.
        secret_key: The secret key that belongs to ``access_key``.
        region: The bucket's region; self-hosted servers ignore it.
        prefix: All keys are below it: ``folder/`` of ``s3://bucket/folder``.
    """

    def __init__(
        self,
        endpoint_url: str | None,
        bucket: str,
        access_key: str | None,
        secret_key: str | None,
        region: str = "us-east-1",
        prefix: str = "",
    ) -> None:
        self.endpoint_url, self.bucket, self.region = endpoint_url, bucket, region
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._keys = (access_key, secret_key)
        self._made: Any = None

    def __repr__(self) -> str:
        return f"S3ArtifactStore({self.endpoint_url or 'AWS'}, {self.bucket}/{self.prefix})"

    @property
    def _client(self) -> Any:
        if self._made is None:
            self._made = _connect(self.endpoint_url, self._keys, self.region)
        return self._made

    def entries(self) -> Iterator[Artifact]:
        with self._explained("list"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix
            )
            for page in pages:
                for row in page.get("Contents", ()):
                    if not row["Key"].endswith("/"):  # some programs make such an object in place of a folder
                        yield Artifact(row["Key"].removeprefix(self.prefix), int(row["Size"]))

    @contextlib.contextmanager
    def read(self, key: str) -> Iterator[BinaryIO]:
        with self._explained("read", key):
            body = self._client.get_object(Bucket=self.bucket, Key=self.prefix + checked(key))["Body"]
            with contextlib.closing(body):
                yield cast(BinaryIO, body)

    def write(self, key: str, content: BinaryIO, size: int) -> None:
        from boto3.s3.transfer import TransferConfig

        name = self.prefix + checked(key)
        part = max(_PART, -(-size // 9000))  # S3 allows at most 10 000 parts
        settings = TransferConfig(multipart_threshold=2 * _PART, multipart_chunksize=part, max_concurrency=4)
        with self._explained("write", key):
            self._client.upload_fileobj(_Forward(content), self.bucket, name, Config=settings)
            there = self._client.head_object(Bucket=self.bucket, Key=name)["ContentLength"]
        if there != size:
            self.remove([key])
            raise MlpipesError(
                f"artifact {self._url(key)}: {there} bytes arrived instead of {size}", "try again"
            )

    def remove(self, keys: Iterable[str]) -> None:
        rest = iter(keys)
        while batch := list(itertools.islice(rest, _BATCH)):
            with self._explained("remove"):
                self._remove([self.prefix + checked(key) for key in batch])

    def _remove(self, names: Sequence[str]) -> None:
        """Delete in one request, or one by one if the server does not support our kind of checksum."""
        from botocore.exceptions import ClientError

        try:
            wanted = {"Objects": [{"Key": name} for name in names], "Quiet": True}
            answer = self._client.delete_objects(Bucket=self.bucket, Delete=wanted)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("AccessDenied", "NoSuchBucket"):
                raise
            for name in names:
                self._client.delete_object(Bucket=self.bucket, Key=name)
            return
        left = [row for row in answer.get("Errors", ()) if row.get("Code") != "NoSuchKey"]
        if left:
            raise MlpipesError(
                f"{len(left)} artifacts in bucket {self.bucket} cannot be removed: "
                f"{left[0].get('Key')}: {left[0].get('Message')}",
                _HINTS.get(str(left[0].get("Code")), ""),
            )

    def _url(self, key: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}{key}"

    @contextlib.contextmanager
    def _explained(self, verb: str, key: str = "") -> Iterator[None]:
        """Turn boto's errors into one-line errors of mlpipes."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        doing = f"cannot {verb} {self._url(key)} at {self.endpoint_url or f'AWS ({self.region})'}"
        try:
            yield
        except ClientError as error:
            details = error.response.get("Error", {})
            code, message = str(details.get("Code", "")), str(details.get("Message", "")) or str(error)
            if code in ("NoSuchKey", "404") and key:
                raise MlpipesError(
                    f"{doing}: the object does not exist",
                    "check whether something else removes objects from this bucket",
                ) from None
            raise MlpipesError(f"{doing}: {code}: {message}", _HINTS.get(code, "")) from None
        except (BotoCoreError, Boto3Error) as error:
            raise MlpipesError(
                f"{doing}: {error}", "check with `mlpipes status` whether the object store is running"
            ) from None


class _Forward:
    """A read-only file without seek: the transfer then reads ahead part by part, whatever it is given."""

    def __init__(self, content: BinaryIO) -> None:
        self._content = content

    def read(self, size: int = -1) -> bytes:
        return self._content.read(size)


def _connect(endpoint: str | None, keys: tuple[str | None, str | None], region: str) -> Any:
    import boto3
    from botocore.config import Config

    settings = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path", "payload_signing_enabled": True},
        request_checksum_calculation="when_required",  # older servers do not support newer checksums
        response_checksum_validation="when_required",
        retries={"max_attempts": 4, "mode": "standard"},
        connect_timeout=5,
        read_timeout=60,
        proxies={} if endpoint and hostnames.is_near(endpoint) else None,
    )
    session = boto3.session.Session(
        aws_access_key_id=keys[0], aws_secret_access_key=keys[1], region_name=region
    )
    return session.client("s3", endpoint_url=endpoint, config=settings)
