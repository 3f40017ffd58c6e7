"""Provide the Docker SDK's client over ``ssh``; imported on demand only, since it imports the SDK."""

from __future__ import annotations

from typing import Any

import docker  # noqa: TID253
from docker.transport import UnixHTTPAdapter  # noqa: TID253
from docker.transport.unixconn import UnixHTTPConnectionPool  # noqa: TID253
from urllib3.connection import HTTPConnection

from mlpipes_cli.adapters.docker.engine.ssh import SshConnection, SshError


class _Connection(HTTPConnection):
    def __init__(self, url: str, timeout: int) -> None:
        super().__init__("localhost", timeout=timeout)
        self._url = url
        self._dialed: SshConnection | None = None

    def connect(self) -> None:
        """Start a process; an earlier one has got the end of its input and exits by itself."""
        if self._dialed is not None:
            self._dialed.release()
        try:
            self._dialed = SshConnection(self._url)
        except SshError as error:
            raise ConnectionError(str(error)) from None
        self.sock = self._dialed.sock
        self.sock.settimeout(self.timeout)

    def close(self) -> None:
        """Close this end; a response that is still being read keeps the socket, and so the process."""
        super().close()
        if self._dialed is not None:
            self._dialed.release()
            self._dialed = None


class _Pool(UnixHTTPConnectionPool):
    def __init__(self, url: str, timeout: int, size: int) -> None:
        super().__init__(url, url, timeout, maxsize=size)
        self._patience = timeout

    def _new_conn(self) -> _Connection:
        return _Connection(self.socket_path, self._patience)


class _Adapter(UnixHTTPAdapter):
    def __init__(self, url: str, timeout: int) -> None:
        super().__init__("http+unix:///", timeout=timeout)
        self._url = url

    def get_connection(self, url: Any, proxies: Any = None) -> Any:
        """Return the pool of connections to that machine."""
        with self.pools.lock:
            pool = self.pools.get(url)
            if pool is None:
                pool = _Pool(self._url, self.timeout, self.max_pool_size)
                self.pools[url] = pool
        return pool


class SshDockerClient(docker.DockerClient):
    """Connects to an engine with one ``ssh`` process for each connection.

    Args:
        url: ``ssh://[user@]host[:port]``.
        version: The API version to use.
        timeout: Read timeout of a connection, in seconds.
    """

    def __init__(self, url: str, version: str, timeout: int) -> None:
        super().__init__(base_url="unix:///dev/null", version=version, timeout=timeout)
        api: Any = self.api
        api._custom_adapter.close()
        api._custom_adapter = _Adapter(url, timeout)
        api.mount("http+docker://", api._custom_adapter)
