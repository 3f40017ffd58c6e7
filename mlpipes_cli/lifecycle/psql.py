"""A session of `psql` with the project's database."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

from mlpipes_cli.project import ProjectFolder


def command(project: ProjectFolder, arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """What to run, and its environment, which holds the password; the command line does not.

    The machine's own ``psql`` comes first, since it edits lines; ours does not.

    Args:
        project: Whose database.
        arguments: For ``psql`` itself, such as ``-c "select 1"``.

    Raises:
        MlpipesError: The stack is not running, or no ``psql`` fits the server.
    """
    from mlpipes_cli.adapters import wiring

    address = wiring.database_address(wiring.make_runtime(project).endpoints().database_url)
    program = shutil.which("psql") or str(wiring.database_program("psql", address))
    kept = {name: os.environ[name] for name in ("LC_ALL", "LANG") if name in os.environ}
    environment = {name: value for name, value in address.environment().items() if name != "LC_ALL"}
    return [program, address.url, *arguments], environment | kept
