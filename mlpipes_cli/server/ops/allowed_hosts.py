"""Host names under which the API may be called.

An attacker's web page may let its own host name resolve to this machine ("DNS rebinding"); its requests then
have the same origin. This works only with names that the attacker owns: never with an address, nor with a
name that cannot be registered.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Iterable

from mlpipes_cli.server.http.api_error import ApiError, bad_request

_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{0,5})?")
# RFC 6761 and 6762, ICANN's resolution of 29 July 2024, RFC 8375; `svc` as in Kubernetes' NAME.NAMESPACE.svc.
_NOBODYS = (".localhost", ".local", ".internal", ".home.arpa", ".svc")
_KEPT = 1024  # number of different Host headers whose result is cached


class AllowedHosts:
    """Checks host names.

    Args:
        names: Further names: ``api.example.com``, ``*.example.com`` for all subdomains, ``*`` for every name.
    """

    def __init__(self, names: Iterable[str]) -> None:
        given = {name.lower().rstrip(".") for name in names}
        self._every = "*" in given
        self._exact = {name for name in given if not name.startswith("*")}
        self._below = tuple(name[1:] for name in given if name.startswith("*."))
        self.refusal = functools.lru_cache(_KEPT)(self._refusal)

    def _refusal(self, given: bytes) -> ApiError | None:
        """Return why a request with this ``Host`` header is rejected, or None if it is allowed."""
        found = _HOST.fullmatch(given)
        if found is None:
            return bad_request("the Host header is not a valid host name or address")
        name = found[1].decode("ascii").lower().removesuffix(".")
        if self._every or self._ours(name):
            return None
        setting = f"`serving: {{allowed_hosts: [{name}]}}`"
        message = f"{name!r} is not an allowed host name; to allow it, set {setting} in mlpipes.yaml"
        return ApiError(403, "PERMISSION_DENIED", message)

    def _ours(self, name: str) -> bool:
        if "." not in name and ":" not in name:  # a single label: only a local resolver knows it
            return True
        if name in self._exact or name.endswith(_NOBODYS) or (self._below and name.endswith(self._below)):
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True
