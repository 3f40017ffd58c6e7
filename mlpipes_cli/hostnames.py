"""The names by which other machines know what listens here."""

from __future__ import annotations

import ipaddress
import socket


def names_of(address: str) -> tuple[str, ...]:
    """Those that are more than one word.

    Args:
        address: Where it listens, or a name that leads there. The address of every interface has the
            names that this machine gives itself.
    """
    try:
        listening = ipaddress.ip_address(address)
    except ValueError:
        return _with_dots(address)
    return _with_dots(socket.gethostname(), socket.getfqdn()) if listening.is_unspecified else ()


def _with_dots(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.lower() for name in names if "." in name))
