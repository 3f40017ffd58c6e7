"""Parse the short forms of a Compose file: durations, ports, volumes, commands.

Each function takes a value of the file and raises ValueError with the expected form.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from typing import Any

from mlpipes_cli.compose.model import Mount, PublishedPort

_UNITS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = r"\d+(?:\.\d+)?(?:us|µs|ms|s|m|h)"
_VOLUME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", re.ASCII)


def duration(value: Any) -> float:
    """Return the seconds of ``1m30s``."""
    text = value if isinstance(value, str) else ""
    if not re.fullmatch(f"(?:{_PART})+", text, re.ASCII):
        raise ValueError(f"expected a duration such as 10s or 1m30s, got {value!r}")
    parts = re.findall(r"(\d+(?:\.\d+)?)(us|µs|ms|s|m|h)", text)
    return float(sum(float(number) * _UNITS[unit] for number, unit in parts))


def words(value: Any) -> tuple[str, ...]:
    """Parse a command: a list of words, or a line that is split as a shell does."""
    if isinstance(value, str):
        try:
            return tuple(shlex.split(value))
        except ValueError as error:
            raise ValueError(f"{value!r} cannot be parsed as a command line ({error})") from None
    return texts(value)


def texts(value: Any) -> tuple[str, ...]:
    """Parse a list of texts; numbers become their digits."""
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"expected a list, got {value!r}")
    return tuple(text(item) for item in value)


def text(value: Any) -> str:
    """Return a text as it is, or a number as its digits."""
    if isinstance(value, bool) or value is None:
        shown = "null" if value is None else str(value).lower()
        raise ValueError(f"{shown} is not a string; put it in quotes")
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError(f"expected a string, got {value!r}")


def pairs(value: Any) -> dict[str, str]:
    """Parse ``{NAME: value}`` or ``[NAME=value]``."""
    if isinstance(value, (list, tuple)):
        return dict(_pair(text(item)) for item in value)
    if not isinstance(value, dict):
        raise ValueError(f"expected `NAME: value` lines or a list of NAME=value, got {value!r}")
    return {str(name): _given(name, item) for name, item in value.items()}


def _pair(line: str) -> tuple[str, str]:
    name, sign, value = line.partition("=")
    if not sign or not name:
        raise ValueError(f"expected NAME=value, got {line!r}")
    return name, value


def _given(name: Any, value: Any) -> str:
    try:
        return text(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def port(value: Any) -> PublishedPort:
    """Parse ``[address:]host_port:port``; the default address is 127.0.0.1, never all interfaces."""
    if not isinstance(value, str):
        raise ValueError(f'expected a string such as "127.0.0.1:8080:80" in quotes, got {value!r}')
    found = re.fullmatch(r"(?:(\[[^\]]+\]|[^:\[\]]+):)?(\d+):(\d+)(?:/(\w+))?", value, re.ASCII)
    if not found:
        raise ValueError(f"expected address:host_port:port, got {value!r}")
    address, outside, inside, protocol = found.groups()
    if protocol not in (None, "tcp"):
        raise ValueError(f"{value!r}: only TCP ports are published")
    return PublishedPort(
        _address(address or "127.0.0.1", value), _number(outside, value), _number(inside, value)
    )


def _address(found: str, value: str) -> str:
    try:
        return str(ipaddress.ip_address(found.strip("[]")))
    except ValueError:
        raise ValueError(f"{value!r}: {found!r} is not a valid IP address") from None


def _number(digits: str, value: str) -> int:
    if not 1 <= int(digits) <= 65535:
        raise ValueError(f"{value!r}: {digits} is not a port from 1 to 65535")
    return int(digits)


def mount(value: Any) -> Mount:
    """Parse ``volume:/path`` or ``volume:/path:ro``, with a named volume."""
    parts = value.split(":") if isinstance(value, str) else []
    if len(parts) not in (2, 3) or (len(parts) == 3 and parts[2] not in ("ro", "rw")):
        raise ValueError(f"expected volume:/path or volume:/path:ro, got {value!r}")
    if not _VOLUME.fullmatch(parts[0]):
        raise ValueError(f"{value!r}: {parts[0]!r} is not a named volume; host folders cannot be mounted")
    if not parts[1].startswith("/"):
        raise ValueError(f"{value!r}: {parts[1]!r} must begin with /")
    return Mount(parts[0], parts[1].rstrip("/") or "/", parts[2:] == ["ro"])


def tmpfs(value: Any) -> dict[str, str]:
    """Parse ``/path`` or ``/path:options``, or a list of such; return the options by path."""
    found: dict[str, str] = {}
    for line in (value,) if isinstance(value, str) else texts(value):
        path, _, options = line.partition(":")
        if not path.startswith("/"):
            raise ValueError(f"{line!r}: a path must begin with /")
        found[path] = options
    return found


def mode(value: Any) -> int:
    """Parse a file's permissions: ``0444`` (YAML reads that as octal) or ``"0444"``."""
    if isinstance(value, str) and re.fullmatch(r"0?o?[0-7]{3,4}", value):
        return int(value.replace("o", ""), 8)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0o7777:
        return value
    raise ValueError(f"expected permissions such as 0444, got {value!r}")


def network_mode(value: Any) -> str:
    """Parse ``none``, or ``service:NAME`` for the network of another service."""
    if isinstance(value, str) and re.fullmatch(r"none|service:[a-zA-Z0-9._-]+", value):
        return value
    raise ValueError(f"expected none or service:NAME, got {value!r}")


def test(value: Any) -> tuple[str, ...]:
    """Parse a health check's command: a line for the shell, or a list from CMD, CMD-SHELL or NONE on."""
    if isinstance(value, str):
        return ("CMD-SHELL", value)
    found = texts(value)
    right = {"CMD": len(found) > 1, "CMD-SHELL": len(found) == 2, "NONE": len(found) == 1}
    if not found or not right.get(found[0], False):
        raise ValueError(
            f'expected ["CMD", program, …], ["CMD-SHELL", line], ["NONE"] or a line, got {value!r}'
        )
    return found
