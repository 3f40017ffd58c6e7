"""How MLflow's REST API is reached: with the TLS settings and the proxies that MLflow's own client uses."""

from __future__ import annotations

import os
import ssl
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException

from mlpipes_cli import hostnames

FAULTS = (OSError, HTTPException)  # what an opener raises


def opener(url: str, told: Mapping[str, str]) -> urllib.request.OpenerDirector:
    """Return an opener for a tracking server; it raises one of ``FAULTS`` if there is no answer.

    Args:
        url: The server's address.
        told: MLflow's variables, which come before those of the environment.
    """
    proxies = urllib.request.ProxyHandler({} if hostnames.is_near(url) else None)
    handlers: list[urllib.request.BaseHandler] = [proxies]
    if url.startswith("https:"):
        handlers.append(urllib.request.HTTPSHandler(context=_context({**os.environ, **told})))
    return urllib.request.build_opener(*handlers)


def _context(told: Mapping[str, str]) -> ssl.SSLContext:
    """Return the context that MLFLOW_TRACKING_SERVER_CERT_PATH and MLFLOW_TRACKING_INSECURE_TLS describe."""
    context = ssl.create_default_context(cafile=told.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or None)
    if told.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def is_dropped(error: BaseException) -> bool:
    """Return whether the server closed the connection before it had answered."""
    return isinstance(error, (ConnectionResetError, HTTPException))


def cause(error: BaseException) -> BaseException:
    """Return the error of the connection inside one of urllib's."""
    found = getattr(error, "reason", error)
    return found if isinstance(found, BaseException) else error
