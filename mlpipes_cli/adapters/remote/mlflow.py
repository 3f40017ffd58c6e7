"""Checks that the remote MLflow answers, accepts the login, and serves artifacts itself."""

from __future__ import annotations

import importlib.metadata
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from mlpipes_cli.adapters.mlflow import basic_auth, rest
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Check
from mlpipes_cli.services import catalog

NAME = catalog.MLFLOW
_TIMEOUT = 15.0
_LOGIN = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (or MLFLOW_TRACKING_TOKEN)"
_SERVED = "start that server with --serve-artifacts and without --default-artifact-root"


class _Refused(Exception):
    """The server answered, but not as expected."""

    def __init__(self, check: Check) -> None:
        super().__init__(check.found)
        self.check = check


def examine(url: str, login: Mapping[str, str]) -> list[Check]:
    """Check the server; nothing is changed."""
    try:
        found = [_version(url, login)]
        experiments = _ask(url, login, "POST", "/api/2.0/mlflow/experiments/search", {"max_results": 1})
        rows = experiments.get("experiments")
        if not isinstance(rows, list):
            return [_stranger(url)]
        return [*found, _artifacts(url, login, rows)]
    except _Refused as error:
        return [error.check]


def answers(url: str, login: Mapping[str, str]) -> bool:
    """Return whether the server answers a query."""
    try:
        _ask(url, login, "POST", "/api/2.0/mlflow/experiments/search", {"max_results": 1})
        return True
    except _Refused:
        return False


def version(url: str, login: Mapping[str, str]) -> str:
    """Return the server's version.

    Raises:
        MlpipesError: The server does not report it.
    """
    try:
        return _text(url, login, "GET", "/version").strip()
    except _Refused as error:
        raise MlpipesError(f"{NAME}: {error.check.found}", error.check.fix) from None


def _version(url: str, login: Mapping[str, str]) -> Check:
    theirs, ours = _text(url, login, "GET", "/version").strip(), importlib.metadata.version("mlflow")
    if not theirs[:1].isdigit() or len(theirs) > 40:
        raise _Refused(_stranger(url))
    if theirs.split(".")[0] != ours.split(".")[0]:
        fix = f"use an MLflow {ours.split('.')[0]}.x there"
        return Check(NAME, "fault", f"MLflow {theirs} and our client {ours} are not compatible", fix)
    if theirs.split(".")[:2] != ours.split(".")[:2]:
        fix = f"features that one of them lacks will fail; version {ours} on the server is fully compatible"
        return Check(NAME, "warning", f"MLflow {theirs} answers; our client is {ours}", fix)
    return Check(NAME, "ok", f"MLflow {theirs} answers")


def _artifacts(url: str, login: Mapping[str, str], rows: list[Any]) -> Check:
    """Check whether the server itself serves artifacts to clients."""
    name = f"{NAME} artifacts"
    location = str(rows[0].get("artifact_location", "")) if rows else "mlflow-artifacts:/"
    if not location.startswith("mlflow-artifacts:"):
        kind = location.partition(":")[0]
        return Check(name, "fault", f"clients would need direct access to {kind}:", _SERVED)
    try:
        _ask(url, login, "GET", "/api/2.0/mlflow-artifacts/artifacts", None)
    except _Refused as error:
        return Check(name, "fault", f"the server does not serve them ({error.check.found})", _SERVED)
    return Check(name, "ok", "the server serves them")


def _stranger(url: str) -> Check:
    return Check(NAME, "fault", f"the server at {url} is not MLflow", "check stack -> mlflow -> url")


def _ask(url: str, login: Mapping[str, str], method: str, path: str, body: Any) -> dict[str, Any]:
    try:
        answer = json.loads(_text(url, login, method, path, body))
    except ValueError:
        raise _Refused(_stranger(url)) from None
    return answer if isinstance(answer, dict) else {}


def _text(url: str, login: Mapping[str, str], method: str, path: str, body: Any = None) -> str:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **basic_auth.headers(login)}
    request = urllib.request.Request(url + path, data, headers, method=method)  # noqa: S310
    try:
        with rest.opener(url, login).open(request, timeout=_TIMEOUT) as answer:
            content: bytes = answer.read(1 << 20)
    except urllib.error.HTTPError as error:
        raise _Refused(_status(url, error.code)) from None
    except rest.FAULTS as error:
        raise _Refused(_silent(url, rest.cause(error))) from None
    return content.decode(errors="replace")


def _status(url: str, code: int) -> Check:
    if code == 401:
        return Check(NAME, "fault", "it rejected our credentials (401)", _LOGIN)
    if code == 403:
        fix = "use an account with more rights; or the server's --allowed-hosts lacks this address"
        return Check(NAME, "fault", "it denied access (403)", fix)
    if code == 404:
        return _stranger(url)
    return Check(NAME, "fault", f"it returned HTTP {code}", "see the server's log")


def _silent(url: str, reason: object) -> Check:
    if isinstance(reason, ssl.SSLError):
        fix = "set MLFLOW_TRACKING_SERVER_CERT_PATH to the certificate of its issuer"
        return Check(NAME, "fault", f"the TLS certificate of {url} is not trusted ({_line(reason)})", fix)
    what = getattr(reason, "strerror", None) or _line(reason) or "the connection broke"
    return Check(
        NAME, "fault", f"{url} does not answer ({what})", "check stack -> mlflow -> url and the network"
    )


def _line(text: object) -> str:
    return " ".join(str(text).split())
