"""Lock the packages of a model's image: exact versions, and the hashes of their files."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from mlpipes_cli.adapters.environments.pip_settings import uv_environment
from mlpipes_cli.adapters.environments.uv import Uv, UvFailed
from mlpipes_cli.errors import MlpipesError

_OPTIONS = (
    "--generate-hashes",
    "--no-header",
    "--no-annotate",
    "--no-emit-index-url",
    "--no-emit-find-links",
)
_MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}
_GLIBC = "manylinux_2_36"  # that of Debian 12, the base of the Python images


def hashed(
    wanted: Sequence[Path],
    *,
    folder: Path,
    python: str,
    machine: str,
    known: Path,
    constraints: Path | None = None,
    complete: bool = False,
) -> str:
    """Resolve requirements with uv; return each package's exact version with the hashes of its files.

    Args:
        wanted: Requirements files.
        folder: The folder in which uv runs.
        python: The image's Python version: ``3.11``.
        machine: The image's architecture: ``amd64``, ``arm64``; any other is treated as x86-64 Linux.
        known: A lock with hashes. For a version in it, its hashes are used, not those of the index.
        constraints: Versions of packages that the requirements do not pin.
        complete: Whether the files name all packages to install.

    Returns:
        A requirements file for ``pip install --require-hashes --no-deps``.

    Raises:
        MlpipesError: The requirements contradict each other, or the package index has no such version or
            cannot be reached.
    """
    platform = f"{_MACHINES[machine]}-{_GLIBC}" if machine in _MACHINES else "linux"
    command = ["pip", "compile", *_OPTIONS, "--python-version", python, "--python-platform", platform]
    command += ["--constraints", str(constraints)] if constraints else []
    command += ["--no-deps"] if complete else []
    try:
        found = Uv(uv_environment(os.environ), folder).run([*command, *map(str, wanted)], None)
    except UvFailed as error:
        hint = error.hint or "see the requirements.txt of the model"
        raise MlpipesError(f"cannot resolve the packages of the model: {error.reason}", hint) from None
    return trusting(known.read_text(encoding="utf-8"), found)


def trusting(known: str, lock: str) -> str:
    """Return the lock, with the hashes of the known lock for packages of the same version."""
    own = packages(known)
    return "".join(own.get(pin, lines) for pin, lines in packages(lock).items())


def packages(lock: str) -> dict[str, str]:
    """Return the lines of each package by ``name==version``: a line with the name, then the hashes.

    Environment markers (``; sys_platform == …``) are left out: the lock is for one platform.
    """
    found = {}
    for first, hashes in re.findall(r"^([^\s#-].*)\n((?:[ \t]+.*\n?)*)", lock, re.MULTILINE):
        pin = first.rstrip("\\ ").partition(" ;")[0].strip()
        found[pin] = f"{pin} \\\n{hashes}"
    return found
