"""Host names by which other machines reach a server on this machine."""

from __future__ import annotations

import ipaddress
import socket


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


def _with_dots(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.lower() for name in names if "." in name))
