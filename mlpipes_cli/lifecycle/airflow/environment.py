"""The environment of Airflow, whose packages do not fit ours."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mlpipes_cli import package_files
from mlpipes_cli.ports.environments import EnvironmentSpec

if TYPE_CHECKING:
    from mlpipes_cli.ports.environments import BuiltEnvironment, Environments, Say

DOWNLOAD = "about 200 MB"


def spec() -> EnvironmentSpec:
    """Return the environment: of exact versions, for the Python that runs mlpipes."""
    lock = (package_files.compose() / "airflow" / "environment.lock").read_text(encoding="utf-8")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    lines = (line.removesuffix(" \\") for line in lock.splitlines() if not line.startswith((" ", "#")))
    return EnvironmentSpec(python, lock=tuple(line for line in lines if line), purpose="Airflow")


def ensure(environments: Environments, say: Say) -> BuiltEnvironment:
    """Return the environment; build it if it does not exist, and say that this downloads much.

    Raises:
        MlpipesError: It cannot be built.
    """
    wanted = spec()
    found = environments.find(wanted)
    if found is None:
        say(f"Airflow gets an environment of its own: {DOWNLOAD} are downloaded once")
        found = environments.ensure(wanted, say=say)
    return found
