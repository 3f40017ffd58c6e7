"""Query a Ray cluster for its versions: ``python entry.py mlpipes_cli.clusters.ray_probe ADDRESS``.

Prints JSON: ``ray`` and ``python`` (versions of the cluster), or ``error``. Any version of Ray can query: Ray
answers a client of another version with the versions that would fit.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any


def probe(address: str) -> dict[str, Any]:
    """Return the cluster's versions, or the error why they are not available."""
    from mlpipes_cli.clusters.ray_host import connect

    try:
        ray = connect(address)
    except Exception as error:  # noqa: BLE001 (the core reports every exception of Ray)
        return versions(str(error)) or {"error": " ".join(str(error).split())[:500] or type(error).__name__}
    found = {"ray": ray.__version__, "python": ".".join(map(str, sys.version_info[:3]))}
    ray.shutdown()
    return found


def versions(text: str) -> dict[str, Any] | None:
    """Return the cluster's versions from Ray's message about mismatched versions, or None."""
    ray = re.search(r"Ray: (\d[\w.]*)", text)
    python = re.search(r"Python: (\d[\w.]*)", text)
    return {"ray": ray[1], "python": python[1]} if ray and python else None


if __name__ == "__main__":
    answers = os.dup(1)
    os.dup2(2, 1)
    os.write(answers, json.dumps(probe(sys.argv[1])).encode())
