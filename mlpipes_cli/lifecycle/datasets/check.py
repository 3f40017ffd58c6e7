"""``mlpipes data check``: tells whether a raw table is what ``dataset.yaml`` expects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.errors import Refused
from mlpipes_cli.lifecycle.datasets import stored
from mlpipes_cli.lifecycle.promotion import actor

if TYPE_CHECKING:
    from mlpipes_cli.adapters.postgres.datasets.prepared import PreparedData
    from mlpipes_cli.config.dataset.config import DatasetConfig
    from mlpipes_cli.config.yaml_source import YamlSource
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.ports.data_sets.datasets import CheckResult, CheckRun
    from mlpipes_cli.project import ProjectFolder

_NAMED = 3


@dataclass(frozen=True)
class Checked:
    """What the checks of a raw table found.

    Attributes:
        ok: Whether the table is right.
        dataset: The data set.
        load: The newest load that the checks saw.
        checks: What each check found.
    """

    ok: bool
    dataset: str
    load: int
    checks: Sequence[CheckResult]

    def require(self, hint: str = "") -> None:
        """Raise an error if a check failed.

        Args:
            hint: What to do next.

        Raises:
            Refused: One did (exit code 3).
        """
        failed = [one for one in self.checks if not one.ok]
        if not failed:
            return
        named = "; ".join(f"{one.check} ({_rows(one.wrong)})" for one in failed[:_NAMED])
        more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        raise Refused(
            f"{len(failed)} of {len(self.checks)} checks of raw_data.{self.dataset} failed: {named}{more}",
            hint,
            self,
        )


def _rows(number: int) -> str:
    return f"{number} wrong"


def check(project: ProjectFolder, file: Path, reporter: Reporter) -> Checked:
    """Check the raw table of a data set, and keep the results.

    Args:
        project: The project.
        file: ``dataset.yaml``.
        reporter: Shows what is checked.

    Raises:
        UsageError: The file cannot be read.
        ConfigError: The file has mistakes, names unknown columns, or has wrong SQL.
        MlpipesError: Nothing is loaded, or the stack is not running.
    """
    config, source = stored.read(project, file)
    return checked(stored.connect(project), config, source, reporter)


def checked(tables: PreparedData, config: DatasetConfig, source: YamlSource, reporter: Reporter) -> Checked:
    """Check the raw table of a data set that is connected already."""
    with reporter.task(f"checking raw_data.{config.dataset}") as task:
        load, results = tables.check(config, source, actor.user(), task.note)
    return Checked(all(one.ok for one in results), config.dataset, load, results)


def history(project: ProjectFolder, file: Path, limit: int = 20) -> list[CheckRun]:
    """Return earlier runs of the checks, the newest first.

    Raises:
        UsageError: The file cannot be read.
        MlpipesError: The stack is not running.
    """
    config, _ = stored.read(project, file)
    return stored.connect(project).check_history(config.dataset, limit)
