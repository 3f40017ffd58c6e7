"""Names and addresses of this machine."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit


def names_of(address: str) -> tuple[str, ...]:
    """Return the names that contain a dot.

    Args:
        address: The address that the server listens on, or a name that resolves to it. For the address of all
            interfaces, the names are this machine's own.
    """
    try:
        listening = ipaddress.ip_address(address)
    except ValueError:
        return _with_dots(address)
    return _with_dots(socket.gethostname(), socket.getfqdn()) if listening.is_unspecified else ()


def is_near(url: str) -> bool:
    """Return whether an address is on this machine, so that no proxy is used."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _with_dots(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.lower() for name in names if "." in name))
