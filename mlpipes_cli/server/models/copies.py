"""Folders for copies of models, named by process id, so that remains of a killed server are found."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from mlpipes_cli.local_files import private_files

_NAME = re.compile(r"mlpipes-model-(\d+)-.+")


class Copies:
    """Makes folders in one place; folders of processes that no longer run are removed first.

    Args:
        place: Created if missing; None is the system's temporary folder, where nothing is removed.
    """

    def __init__(self, parent: Path | None) -> None:
        self._parent = parent
        if parent is not None:
            private_files.folder(parent)
            for folder in parent.iterdir():
                found = _NAME.fullmatch(folder.name)
                if found is not None and not _lives(int(found[1])):
                    shutil.rmtree(folder, ignore_errors=True)

    def new(self) -> Path:
        """Make an empty folder of this process."""
        return Path(tempfile.mkdtemp(prefix=f"mlpipes-model-{os.getpid()}-", dir=self._parent))


def _lives(pid: int) -> bool:
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
