"""The environments that trainers need: their requirements, and the tested versions.

``environment.in`` beside a trainer's definition has the requirements, and in its first line the version of
Python; ``environment.lock`` has the versions.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from mlpipes_cli import trainer_registry
from mlpipes_cli.trainer_registry import BrokenTrainer, RegisteredTrainer

WANTED, LOCKED = "environment.in", "environment.lock"
_BASE = Path(__file__).parent / "base.in"


@dataclass(frozen=True)
class PinnedEnvironment:
    """The environment of a trainer.

    Attributes:
        python: The Python version that it was locked for; None if the trainer runs in the current environment
            and has these requirements only if a run names another one.
        requirements: The requirements, beside the base.
        lock: Pins, with markers where platforms differ; empty if it has not been locked yet.
    """

    python: str | None
    requirements: tuple[str, ...]
    lock: tuple[str, ...]


def carried(trainer: str) -> PinnedEnvironment | None:
    """Return the environment of a trainer; None if it requires nothing.

    A trainer of another package requires that package in the version that is installed here.

    Raises:
        BrokenTrainer: The first line of its ``environment.in`` is not a version of Python.
    """
    found = trainer_registry.find(trainer)
    if found is None:
        return None
    package = _package(found)
    wanted = None if found.folder is None else found.folder / WANTED
    if wanted is None or not wanted.is_file():
        return PinnedEnvironment(None, package, ()) if package else None
    text = wanted.read_text(encoding="utf-8")
    python = re.match(r"# python: (3\.\d+|our own)$", text.partition("\n")[0])
    if python is None:
        raise BrokenTrainer(
            f"{wanted}:1: the first line must be like `# python: 3.11` or `# python: our own`"
        )
    lock = wanted.with_name(LOCKED)
    pins = _lines(lock.read_text(encoding="utf-8")) if lock.is_file() else ()
    version = None if python[1] == "our own" else python[1]
    return PinnedEnvironment(version, (*package, *_lines(text)), pins)


def base() -> tuple[str, ...]:
    """Return the requirements of every environment that runs code of mlpipes."""
    return _lines(_BASE.read_text(encoding="utf-8"))


def check_installable(trainer: str) -> None:
    """Check that another environment can get the package that adds a trainer.

    Raises:
        BrokenTrainer: The package requires mlpipes, which is not installed into environments of runs.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found = trainer_registry.find(trainer)
    if found is None or found.distribution is None:
        return
    for wanted in map(Requirement, found.distribution.requires or ()):
        always = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        if always and canonicalize_name(wanted.name) == "mlpipes":
            raise BrokenTrainer(
                f"the package {found.package!r} of the trainer {trainer!r} requires mlpipes, which is not "
                "installed into the environments of runs",
                "remove mlpipes from the package's `dependencies`; it can be imported there anyway",
            )


def _package(trainer: RegisteredTrainer) -> tuple[str, ...]:
    """Return the requirement by which another environment gets the package that adds a trainer.

    A package that was installed from a file, a folder or a repository is taken from there again (PEP 610).
    """
    distribution = trainer.distribution
    if distribution is None:
        return ()
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if "url" not in origin:
        return (f"{trainer.package}=={distribution.version}",)
    source = origin["url"]
    if "vcs_info" in origin:
        source = f"{origin['vcs_info']['vcs']}+{source}@{origin['vcs_info']['commit_id']}"
    if "subdirectory" in origin:
        source = f"{source}#subdirectory={origin['subdirectory']}"
    return (f"{trainer.package} @ {source}",)


def _lines(text: str) -> tuple[str, ...]:
    lines = (re.split(r"(?:^|\s)#", line)[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)
