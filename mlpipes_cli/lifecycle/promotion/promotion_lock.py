"""Serializes the promotions and rollbacks of a project."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import file_locks, private_files
from mlpipes_cli.ports import Reporter

_PATIENCE = 300.0  # seconds; scoring a champion on a large holdout takes a while


@contextlib.contextmanager
def one_at_a_time(state: Path, reporter: Reporter, patience: float = _PATIENCE) -> Iterator[None]:
    """Wait for the project's registry lock and hold it; the system frees it when the process ends.

    Args:
        state: The project's ``.mlpipes`` folder.
        reporter: Receives a message about the wait.
        patience: Seconds to wait.

    Raises:
        MlpipesError: Another process held it all that time, or the file cannot be made.
    """
    path = state / "registry.lock"
    try:
        private_files.passage(state)
        descriptor = _acquire(path, reporter, patience)
    except OSError as error:
        raise MlpipesError(f"{path}: {error.strerror}", "check the folder's permissions") from None
    try:
        yield
    finally:
        os.close(descriptor)


def _acquire(path: Path, reporter: Reporter, patience: float) -> int:
    deadline, told = time.monotonic() + patience, False
    while (descriptor := file_locks.take(path)) is None:
        if time.monotonic() >= deadline:
            raise MlpipesError(
                f"another promote or rollback has held {path} for {patience:g} s",
                "wait for it to finish, or stop it",
            )
        if not told:
            reporter.info("another promote or rollback is running in this project; waiting for it to finish")
            told = True
        time.sleep(0.1)
    return descriptor
