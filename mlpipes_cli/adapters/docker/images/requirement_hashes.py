"""The packages of an image with a model inside: exact versions, and the hashes of their files."""

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
_GLIBC = "manylinux_2_36"  # that of Debian 12, on which the images of Python stand


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
    """Resolve requirements as uv does, and give each package's exact version with the hashes of its files.

    Args:
        wanted: Requirements files.
        folder: Where uv runs.
        python: The image's version of Python: ``3.11``.
        machine: The image's: ``amd64``, ``arm64``; another one is taken for a Linux of Intel's.
        known: A lock with hashes. Where it has a version, its hashes count, not those that the index says.
        constraints: Versions of what the requirements leave open.
        complete: The files name all that is to be installed.

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
    """The lock, with the hashes that a known one has for the same version."""
    own = _packages(known)
    return "".join(own.get(pin, lines) for pin, lines in _packages(lock).items())


def _packages(lock: str) -> dict[str, str]:
    """The lines of each package by ``name==version``; those of a package begin with it, and hashes follow.

    What the package depends on (``; sys_platform == …``) is left out: the lock is for one platform.
    """
    found = {}
    for first, hashes in re.findall(r"^([^\s#-].*)\n((?:[ \t]+.*\n?)*)", lock, re.MULTILINE):
        pin = first.rstrip("\\ ").partition(" ;")[0].strip()
        found[pin] = f"{pin} \\\n{hashes}"
    return found
