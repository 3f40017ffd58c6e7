"""Finds a Python for an environment: our own, one of the machine's, or one that uv downloads."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from mlpipes_cli.adapters.environments.uv import Uv, UvFailed
from mlpipes_cli.errors import MlpipesError

_NO_DOWNLOADS = {"never", "manual", "false"}


class Interpreters:
    """The Python interpreters of this machine.

    Args:
        uv: Searches for interpreters.
        environ: The environment variables.
        folder: Holds downloaded interpreters.
    """

    def __init__(self, uv: Uv, environ: Mapping[str, str], folder: Path) -> None:
        self._uv, self._environ, self._folder = uv, environ, folder

    def find(self, version: str) -> Path | None:
        """Return an interpreter of this machine, or None."""
        if f"{sys.version_info[0]}.{sys.version_info[1]}" == version:
            ours = Path(getattr(sys, "_base_executable", None) or sys.executable)
            if ours.exists():
                return ours
        return self._fetched(version) or self._by_uv(version) or self._of_pyenv(version)

    def get(self, version: str, log: Path | None) -> Path:
        """Return an interpreter of this machine, else download one.

        Raises:
            MlpipesError: None is available; the text says what to install.
        """
        if found := self.find(version):
            return found
        why = "UV_PYTHON_DOWNLOADS forbids uv to download one"
        if self._environ.get("UV_PYTHON_DOWNLOADS", "").lower() not in _NO_DOWNLOADS:
            try:
                command = ["python", "install", version, "--install-dir", str(self._folder), "--no-bin"]
                self._uv.run(command, log, UV_HTTP_RETRIES="1")
            except UvFailed as error:
                if self._uv.stopped:
                    raise
                why = f"uv could not download it: {error.reason}"
            if found := self._fetched(version):
                return found
        raise MlpipesError(
            f"there is no Python {version} on this machine, and {why}",
            f"install it: on Debian and Ubuntu the packages python{version} and python{version}-venv, "
            f"with Homebrew python@{version}, or `pyenv install {version}`",
        )

    def _by_uv(self, version: str) -> Path | None:
        try:
            command = ["python", "find", version, "--system", "--no-python-downloads", "--no-project"]
            said = self._uv.run(command, None)
        except UvFailed:
            return None
        found = Path(said.strip())
        return found if found.exists() else None

    def _of_pyenv(self, version: str) -> Path | None:
        """Find one of pyenv's versions: its shims on PATH work only for the versions that are activated."""
        home = Path(self._environ.get("HOME") or "~").expanduser()
        root = Path(self._environ.get("PYENV_ROOT") or home / ".pyenv")
        return _newest(root / "versions", "", version)

    def _fetched(self, version: str) -> Path | None:
        return _newest(self._folder, "cpython-", version)


def _newest(folder: Path, prefix: str, version: str) -> Path | None:
    """Return the newest patch level below a folder whose entries are named by their versions."""
    found = []
    for path in folder.glob(f"{prefix}{version}*"):
        number = path.name.removeprefix(prefix).partition("-")[0]
        parts = number.split(".")
        fits = number == version or number.startswith(f"{version}.")
        if fits and all(part.isdigit() for part in parts) and os.access(path / "bin" / "python3", os.X_OK):
            found.append(([int(part) for part in parts], path / "bin" / "python3"))
    return max(found)[1] if found else None
