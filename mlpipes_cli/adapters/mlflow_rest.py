"""MLflow's REST interface with the standard library alone.

Importing MLflow takes seconds; the registry's calls are small JSON documents and need none of it.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlpipes_cli.errors import MlpipesError

_API = "/api/2.0/mlflow/"
_TIMEOUT = 60.0
_GONE = (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected)


class ApiError(MlpipesError):
    """The server answered with an error.

    Attributes:
        code: MLflow's error code, such as RESOURCE_DOES_NOT_EXIST, or ``HTTP 502``.
    """

    def __init__(self, code: str, message: str, what: str) -> None:
        super().__init__(f"MLflow refused {what}: {message.strip().rstrip('.')} ({code})")
        self.code = code


class MlflowRest:
    """One server; every call is a request of its own, so threads may share it.

    Args:
        uri: The server's ``http(s)://`` address.
        environ: Holds MLflow's own ``MLFLOW_TRACKING_USERNAME``, ``_PASSWORD`` or ``_TOKEN``, if any.
    """

    def __init__(self, uri: str, environ: Mapping[str, str] = os.environ) -> None:
        self.uri = uri.rstrip("/")
        self._headers = _authorization(environ)

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Read from ``/api/2.0/mlflow/<path>``; tried twice where the connection breaks."""
        return self._json(f"{path}?{urllib.parse.urlencode(query)}", "GET", None)

    def search(self, path: str, key: str, body: Mapping[str, Any], method: str = "POST") -> Iterator[Any]:
        """All items of all pages of a search."""
        page: dict[str, Any] = dict(body)
        while True:
            if method == "POST":
                answer = self._json(path, "POST", page)
            else:
                answer = self._json(f"{path}?{urllib.parse.urlencode(page, doseq=True)}", "GET", None)
            yield from answer.get(key, [])
            if not answer.get("next_page_token"):
                return
            page["page_token"] = answer["next_page_token"]

    def send(self, path: str, body: Mapping[str, Any], method: str = "POST") -> dict[str, Any]:
        """Write; never tried again, since a lost answer does not mean that nothing was done."""
        return self._json(path, method, body, attempts=1)

    def upload(self, file: Path, target: str) -> None:
        """Store a file under a path of the server's own artifact store (``mlflow-artifacts:/<path>``)."""
        address = f"{self.uri}/api/2.0/mlflow-artifacts/artifacts/{urllib.parse.quote(target)}"
        headers = {"Content-Type": "application/octet-stream", **self._headers}
        headers["Content-Length"] = str(file.stat().st_size)
        with file.open("rb") as body:
            request = urllib.request.Request(address, body, headers, method="PUT")  # noqa: S310
            with self._open(request, f"the artifact {file.name}", 1) as answer:
                answer.read()

    def download(self, run_id: str, path: str, target: Path) -> bool:
        """Fetch a run's artifact to a file, whole or not at all; False if the run has none of that name."""
        query = urllib.parse.urlencode({"run_id": run_id, "path": path})
        request = urllib.request.Request(f"{self.uri}/get-artifact?{query}", headers=self._headers)  # noqa: S310
        what = f"the artifact {path} of run {run_id}"
        try:
            with self._open(request, what, 2) as answer:
                content = answer.read()  # whole: a connection that breaks early raises
        except ApiError as error:
            if error.code in {"HTTP 404", "RESOURCE_DOES_NOT_EXIST"}:
                return False
            raise
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            part.write_bytes(content)
            part.replace(target)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise MlpipesError(f"{what} cannot be written to {target}: {error.strerror}") from None
        return True

    def _json(
        self, path: str, method: str, body: Mapping[str, Any] | None, attempts: int = 2
    ) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **self._headers}
        request = urllib.request.Request(f"{self.uri}{_API}{path}", data, headers, method=method)  # noqa: S310
        what = path.split("?")[0]
        with self._open(request, what, attempts) as answer:
            text = answer.read()
        try:
            return dict(json.loads(text or b"{}"))
        except ValueError:
            raise MlpipesError(f"{self.uri} does not answer as MLflow does", "check its address") from None

    def _open(self, request: urllib.request.Request, what: str, attempts: int) -> Any:
        for left in reversed(range(attempts)):
            try:
                return urllib.request.urlopen(request, timeout=_TIMEOUT)  # noqa: S310
            except urllib.error.HTTPError as error:
                raise _api_error(error, what) from None
            except (OSError, http.client.HTTPException) as error:
                cause = error.reason if isinstance(error, urllib.error.URLError) else error
                if left and isinstance(cause, _GONE):
                    continue
                raise self._unreachable(cause) from None
        raise AssertionError("unreachable")

    def _unreachable(self, cause: object) -> MlpipesError:
        told = "timed out" if isinstance(cause, (TimeoutError, socket.timeout)) else str(cause)
        return MlpipesError(
            f"MLflow does not answer at {self.uri} ({told})",
            "see `mlpipes status`, start it with `mlpipes up`",
        )


def _authorization(environ: Mapping[str, str]) -> dict[str, str]:
    if token := environ.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    if user := environ.get("MLFLOW_TRACKING_USERNAME"):
        pair = f"{user}:{environ.get('MLFLOW_TRACKING_PASSWORD', '')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def _api_error(error: urllib.error.HTTPError, what: str) -> ApiError:
    code, message = f"HTTP {error.code}", str(error.reason)
    try:
        answer = json.loads(error.read())
        code, message = str(answer.get("error_code", code)), str(answer.get("message", message))
    except (ValueError, AttributeError, OSError, http.client.HTTPException):
        pass
    return ApiError(code, message.split("\n")[0][:300], what)
