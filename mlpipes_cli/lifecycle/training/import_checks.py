"""Checks by import, in one process for each environment, the runs whose source code is not conclusive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.errors import ConfigError, MlpipesError
from mlpipes_cli.lifecycle.training.environments import EnvironmentBuilds
from mlpipes_cli.lifecycle.training.plan import Experiment
from mlpipes_cli.lifecycle.training.spec import resolved
from mlpipes_cli.worker import protocol

if TYPE_CHECKING:
    from mlpipes_cli.worker.pool import Pool


class ImportChecks:
    """Checks that run while the data is read; those of missing environments come later.

    Args:
        experiment: The experiment whose unclear runs are checked.
        environments: The environments of the runs.
        only: Names of the runs to check; all if empty.
        folder: Gets a folder for each check.
        pool: Runs them; it has no other jobs before ``finish``.
    """

    def __init__(
        self,
        experiment: Experiment,
        environments: EnvironmentBuilds,
        only: Sequence[str],
        folder: Path,
        pool: Pool,
    ) -> None:
        self._experiment, self._pool = experiment, pool
        self._jobs: list[tuple[Path, list[str]]] = []
        groups: dict[Path | None, list[int]] = {}
        for position in experiment.unclear:
            run = experiment.config.runs[position]
            built = environments.built.get(run.name)
            if run.name in environments.missing or (only and run.name not in only):
                continue
            groups.setdefault(built.python if built else None, []).append(position)
        pool.parallel = max(1, min(2, len(groups)))
        for number, (python, positions) in enumerate(groups.items()):
            self._submit(folder / f"check-{number}", python, positions)

    def finish(self) -> None:
        """Wait for the results.

        Raises:
            ConfigError: With one line for each mistake.
            MlpipesError: A checking process crashed.
        """
        while self._pool.busy:
            for _ in self._pool.events():
                pass
        source, problems = self._experiment.source, []
        for folder, names in self._jobs:
            result = protocol.read(folder / protocol.RESULT)
            if result is None or result["status"] != "ok":
                why = f": {result['error']}" if result else " (its process crashed)"
                raise MlpipesError(f"{source.name}: the runs {', '.join(names)} cannot be imported{why}")
            problems += [
                source.problem(("runs", run, *location), text) for run, location, text in result["problems"]
            ]
        if problems:
            raise ConfigError(problems)

    def _submit(self, job: Path, python: Path | None, positions: Sequence[int]) -> None:
        from mlpipes_cli.worker.pool import CandidateJob

        job.mkdir(parents=True, exist_ok=True)
        runs = self._experiment.config.runs
        content = {
            "kind": "check",
            "runs": [[position, resolved(runs[position], self._experiment.config)] for position in positions],
            "folders": list(self._experiment.folders),
        }
        protocol.write(job / protocol.JOB, content)
        self._jobs.append((job, [runs[position].name for position in positions]))
        self._pool.submit(CandidateJob(job.name, job, python))
