"""Starts a `psql` session with the project's database."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

from mlpipes_cli.project import ProjectFolder


def command(project: ProjectFolder, arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the command line, and its environment, which holds the password.

    The machine's own ``psql`` is preferred, since it supports line editing; ours does not.

    Args:
        project: The project whose database is opened.
        arguments: Arguments of ``psql``, such as ``-c "select 1"``.

    Raises:
        MlpipesError: The stack is not running, or no ``psql`` fits the server.
    """
    from mlpipes_cli.adapters import wiring

    address = wiring.database_address(wiring.make_runtime(project).endpoints().database_url)
    program = shutil.which("psql") or str(wiring.database_program("psql", address))
    kept = {name: os.environ[name] for name in ("LC_ALL", "LANG") if name in os.environ}
    environment = {name: value for name, value in address.environment().items() if name != "LC_ALL"}
    return [program, address.url, *arguments], environment | kept
