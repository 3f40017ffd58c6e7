"""A pytest plugin: httpx reads the machine's certificates once, and not again for each client.

That takes 20 ms of processor time, ten times what a request takes, also where nothing is encrypted: tests
that wait for a server to start would take half a core from it.
"""

from __future__ import annotations

import functools
import ssl
from typing import Any

from httpx._transports import default as transports

_make = transports.create_ssl_context


@functools.cache
def _usual() -> ssl.SSLContext:
    return _make(verify=True, trust_env=False)


def _context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
    usual = verify is True and cert is None and not trust_env
    return _usual() if usual else _make(verify=verify, cert=cert, trust_env=trust_env)


transports.create_ssl_context = _context
