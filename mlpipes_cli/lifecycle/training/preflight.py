"""Checks, before anything starts, that the machine meets the needs of an experiment's runs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli import trainer_registry
from mlpipes_cli.errors import Several
from mlpipes_cli.lifecycle.training.environments import EnvironmentBuilds
from mlpipes_cli.sizes import size

if TYPE_CHECKING:
    from mlpipes_cli.config.runs import Run
    from mlpipes_cli.lifecycle.training.plan import Experiment
    from mlpipes_cli.ports.environments import EnvironmentSpec

_GIB = 2**30


def check(
    experiment: Experiment, environments: EnvironmentBuilds, only: Sequence[str], warn: Callable[[str], None]
) -> None:
    """Compare the machine with the needs of the runs.

    Args:
        experiment: The experiment with the runs.
        environments: The existing and missing environments of the runs.
        only: Names of the runs to check; all if empty.
        warn: Receives warnings about what may go wrong but need not.

    Raises:
        Several: With one line for each thing that is missing, and how to get it.
    """
    runs = [(p, run) for p, run in enumerate(experiment.config.runs) if not only or run.name in only]
    problems: list[str] = []
    local = experiment.config.executor is None
    for position, run in runs:
        here = ("runs", position)
        machine = [*_memory(run), *_gpu(run)] if local else []
        for location, text in [*machine, *_python(run, environments)]:
            problems.append(experiment.source.problem((*here, *location), text))
    if lack := _disk([run for _, run in runs], environments):
        problems.append(f"{experiment.source.name}: {lack}")
    if problems:
        raise Several(problems)
    for run_name, wanted, free in _tight([run for _, run in runs] if local else []):
        warn(
            f"{run_name} needs about {wanted:.1f} GiB of memory, and {free:.1f} GiB are free; close other "
            "programs, or train it alone with --only"
        )


Found = list[tuple[tuple[str, ...], str]]


def _memory(run: Run) -> Found:
    """Check a run's memory limit against the machine's total; free memory changes from minute to minute."""
    found: Found = []
    for location, text in run.memory_limits():
        try:
            asked = size(text)
        except ValueError:  # the trainer reports what is wrong with it
            continue
        if asked > _total():
            there = f"{_total() / _GIB:.1f} GiB"
            found.append((location, f"{text} is more memory than this machine has ({there}); request less"))
    return found


def _gpu(run: Run) -> Found:
    from mlpipes_cli.worker import hardware

    asked = (run.resources.gpu if run.resources is not None else None) or 0
    if asked <= len(hardware.gpus() if asked else ()):
        return []
    there = f"{len(hardware.gpus())} (counted by nvidia-smi)"
    return [(("resources", "gpu"), f"{asked:g} is more GPUs than this machine has, {there}; request fewer")]


def _python(run: Run, environments: EnvironmentBuilds) -> Found:
    """Check that there is a Python for each environment to build, if uv may not download one."""
    spec = environments.missing.get(run.name)
    never = os.environ.get("UV_PYTHON_DOWNLOADS", "").lower() in {"never", "manual", "false"}
    if spec is None or not never or _same(spec) or environments.interpreter(spec.python) is not None:
        return []
    text = (
        f"there is no Python {spec.python} on this machine, and UV_PYTHON_DOWNLOADS forbids downloading it; "
        f"install it, for example with `pyenv install {spec.python}`"
    )
    return [(("environment", "python") if run.environment else ("trainer",), text)]


def _same(spec: EnvironmentSpec) -> bool:
    return spec.python == f"{sys.version_info[0]}.{sys.version_info[1]}"


def _disk(runs: Sequence[Run], environments: EnvironmentBuilds) -> str | None:
    """Check the disk space for the environments that have to be built."""
    wanted: dict[EnvironmentSpec, float] = {}
    for run in runs:
        if (spec := environments.missing.get(run.name)) is not None:
            wanted[spec] = trainer_registry.definition(run.trainer).disk * _GIB
    if not wanted:
        return None
    folder = _existing(environments.folder)
    free = shutil.disk_usage(folder).free
    if free >= sum(wanted.values()):
        return None
    names = ", ".join(spec.purpose for spec in wanted)
    return (
        f"the environments to be built ({names}) need about {sum(wanted.values()) / _GIB:.1f} GiB, "
        f"and {folder} has {free / _GIB:.1f} GiB free; free space, remove others with `mlpipes environments "
        "prune`, or set MLPIPES_CACHE to a folder on another disk"
    )


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _tight(runs: Sequence[Run]) -> list[tuple[str, float, float]]:
    needy = [(run.name, gib) for run in runs if (gib := trainer_registry.definition(run.trainer).memory)]
    if not needy:
        return []
    import psutil

    free = psutil.virtual_memory().available / _GIB
    return [(name, wanted, free) for name, wanted in needy if wanted > free]


def _total() -> float:
    import psutil

    return float(psutil.virtual_memory().total)
