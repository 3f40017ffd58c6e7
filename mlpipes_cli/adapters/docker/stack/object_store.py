"""Send signed requests to an S3 store directly: without the SDK's start-up time and without a proxy."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from mlpipes_cli import http_probe
from mlpipes_cli.adapters.docker.stack.addresses import in_url
from mlpipes_cli.errors import MlpipesError

_REGION = "us-east-1"


@dataclass(frozen=True)
class ObjectStoreClient:
    """Sends requests to one bucket of an object store.

    Attributes:
        address: The store's host.
        port: The store's port.
        bucket: The bucket's name.
    """

    address: str
    port: int
    bucket: str

    @property
    def url(self) -> str:
        """The store's endpoint."""
        return f"http://{in_url(self.address)}:{self.port}"

    def ask(self, method: str, path: str, keys: tuple[str, str], timeout: float = 5.0) -> int:
        """Send a signed request and return the response status, or 0 if there is no response."""
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        request = AWSRequest(method, f"{self.url}{path}", data=b"")
        request.context["payload_signing_enabled"] = True
        S3SigV4Auth(Credentials(*keys), "s3", _REGION).add_auth(request)
        signed = dict(request.headers.items())
        answer = http_probe.ask(
            self.address, self.port, path, method=method, body=b"", headers=signed, timeout=timeout
        )
        return answer.status if answer else 0

    def holds(self, keys: tuple[str, str]) -> int:
        """Return the status of a HEAD request for the bucket: 200, 403 (access denied), 404 (no bucket)…"""
        return self.ask("HEAD", f"/{quote(self.bucket)}", keys)

    def make_bucket(self, root: tuple[str, str]) -> None:
        """Create the bucket if there is none.

        Raises:
            MlpipesError: The store refuses.
        """
        if self.holds(root) == 200:
            return
        status = self.ask("PUT", f"/{quote(self.bucket)}", root, timeout=30.0)
        if status != 200 and self.holds(root) != 200:
            raise MlpipesError(
                f"the object store refused to create the bucket {self.bucket!r} (HTTP {status})",
                "see `mlpipes logs minio`; check the name in `stack: object_store: bucket`",
            )
