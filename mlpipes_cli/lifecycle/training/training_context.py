"""What a training needs: the stack's addresses, environments, worker processes, a cluster."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.lifecycle.training.environments import EnvironmentBuilds, of_runs

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.training.plan import Experiment
    from mlpipes_cli.lifecycle.training.ray_cluster import RayCluster
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.project import ProjectFolder
    from mlpipes_cli.worker.pool import Pool


def endpoints(project: ProjectFolder) -> tuple[Any, str | None]:
    """Return the running stack's addresses, and its database's for the read-only role.

    Raises:
        MlpipesError: It is not running.
    """
    from mlpipes_cli.adapters.wiring import make_runtime

    found = make_runtime(project).endpoints()
    return found, found.reader_url


def environments_of(experiment: Experiment, only: Sequence[str], reporter: Reporter) -> EnvironmentBuilds:
    """Return the environments of the runs that do not use our own."""
    from mlpipes_cli.adapters.wiring import make_environments

    specs = of_runs(experiment.config.runs, only)
    return EnvironmentBuilds(make_environments(), specs, reporter.info)


@contextlib.contextmanager
def cluster_of(
    experiment: Experiment, project: ProjectFolder, reporter: Reporter
) -> Iterator[RayCluster | None]:
    """Return the Ray cluster that the experiment names; it is contacted before anything else is done."""
    if experiment.config.executor is None:
        yield None
        return
    from mlpipes_cli.adapters.wiring import make_environments
    from mlpipes_cli.lifecycle.training.ray_cluster import find

    with make_environments() as store:
        with reporter.task("reading the versions of the Ray cluster"):
            found = find(experiment, store, project.logs / "ray.log")
        yield found


@contextlib.contextmanager
def placed(
    pool: Pool, cluster: RayCluster | None, parallel: int | None, number: int, project: ProjectFolder
) -> Iterator[Pool]:
    """Return the pool that trains: the given one, or one whose jobs run on a cluster."""
    if cluster is None:
        pool.parallel = parallel or max(1, min(_cores(), number))
        yield pool
        return
    pool.close()  # the local pool has finished its checks; the cluster schedules its own resources
    with type(pool)(project.logs / "worker.log", parallel or max(1, number), cluster.command) as there:
        yield there


def workers(log: Path, experiment: Experiment, only: Sequence[str], environments: EnvironmentBuilds) -> Pool:
    """Return a pool of training processes, to be closed. The host of our own environment starts early."""
    from mlpipes_cli.worker.pool import Pool

    wanted = [run.name for run in experiment.config.runs if not only or run.name in only]
    return Pool(log, warm=any(name not in environments.specs for name in wanted))


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1
