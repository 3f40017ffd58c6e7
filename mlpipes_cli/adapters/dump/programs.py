"""Chooses the `pg_dump` and `psql` to run.

The programs that are installed with mlpipes read and write every supported server, but lack TLS.
If the connection is encrypted, those of the machine are used, if they are new enough.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.embedded import cluster
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def choose(name: str, connection: Connection) -> Path:
    """Return the program of that name that fits the server of a connection.

    Raises:
        MlpipesError: No installed program fits.
    """
    if not connection.info.ssl_in_use:
        return cluster.program(name)
    wanted = connection.info.server_version // 10000
    found = shutil.which(name)
    have = _version(found) if found else 0
    if found is None or have < wanted:
        what = f"the {name} on this machine has version {have}" if found else f"there is no {name} on PATH"
        raise MlpipesError(
            f"the database server has version {wanted} and uses TLS, but {what}",
            f"install PostgreSQL's client programs, version {wanted} or newer",
        )
    return Path(found)


def _version(program: str) -> int:
    output = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+)(\.|devel|beta|rc|\s|$)", output)
    return int(found[1]) if found else 0
