"""Upgrade MLflow's tables to the schema that the installed MLflow needs, before its server starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mlpipes_cli.adapters.mlflow import schema
from mlpipes_cli.adapters.processes import log_files
from mlpipes_cli.errors import MlpipesError

_ADDRESS = "MLFLOW_BACKEND_STORE_URI"


def pending(revision: str | None) -> bool:
    """Return whether tables of that schema revision have to be upgraded.

    Args:
        revision: The revision in the database; None if MLflow has created no tables yet.

    Raises:
        MlpipesError: The tables are newer than the installed MLflow.
    """
    if revision is None or revision == schema.newest():
        return False
    if revision not in schema.revisions():
        raise MlpipesError(
            f"MLflow's tables come from a newer release (version {revision})",
            "install the mlpipes version that last ran here, or restore an earlier backup with "
            "`mlpipes restore`",
        )
    return True


def migrate(database: str, folder: Path, log: Path) -> None:
    """Upgrade the tables in a separate process, in one transaction.

    Args:
        database: SQLAlchemy's address; it holds the password and is passed in the environment.
        folder: The folder for temporary files.
        log: The log file that receives the output.

    Raises:
        MlpipesError: The upgrade failed; the tables are unchanged.
    """
    before = log_files.size(log)
    environment = os.environ | {_ADDRESS: database, "TMPDIR": str(folder), "MLFLOW_DISABLE_TELEMETRY": "true"}
    with log.open("ab") as output:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
        )
    if done.returncode != 0:
        raise MlpipesError(
            f"cannot upgrade MLflow's tables to this release's version: {log_files.evidence(log, before)}",
            "the tables are unchanged; install the mlpipes version that last ran here, or restore a backup",
        )


def main() -> None:
    """Run the upgrade, as the process that :func:`migrate` starts."""
    from mlflow.store.db.utils import _upgrade_db, create_sqlalchemy_engine

    engine = create_sqlalchemy_engine(os.environ[_ADDRESS])
    try:
        _upgrade_db(engine)
    except Exception as error:  # noqa: BLE001 (whatever it is, its first line is what a person needs)
        lines = str(getattr(error, "orig", error)).strip().splitlines()
        sys.stderr.write(f"{lines[0] if lines else type(error).__name__}\n")
        sys.exit(1)
    finally:
        engine.dispose()


if __name__ == "__main__":
    main()
