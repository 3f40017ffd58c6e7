"""``mlpipes data prepare``: checks, cleans and splits the rows of a data set into a new version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.config.dataset.split import PARTS
from mlpipes_cli.lifecycle.datasets import stored
from mlpipes_cli.lifecycle.datasets.check import checked
from mlpipes_cli.lifecycle.datasets.step_code import StepCode
from mlpipes_cli.lifecycle.promotion import actor
from mlpipes_cli.ports.data_sets.dataset_work import Work

if TYPE_CHECKING:
    from mlpipes_cli.config.dataset.config import DatasetConfig
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.ports.data_sets.datasets import DatasetVersion
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class PreparedVersion:
    """A version of a data set.

    Attributes:
        dataset: The data set.
        version: Its number.
        load: The newest load that it was made from.
        fingerprint: SHA-256 of its rows and their parts.
        splits: Rows of each part.
        rows: Rows in all parts.
    """

    dataset: str
    version: int
    load: int
    fingerprint: str
    splits: Mapping[str, int]
    rows: int

    @property
    def told(self) -> str:
        """The result as a message."""
        parts = ", ".join(
            f"{rows} {part} ({100 * rows / self.rows:.1f} %)" for part, rows in self.splits.items()
        )
        return f"version {self.version} of {self.dataset!r}: {self.rows} rows: {parts}"


def prepare(project: ProjectFolder, file: Path, reporter: Reporter) -> PreparedVersion:
    """Check, clean and split the rows of a data set; make a version, unless the newest one has these rows.

    Args:
        project: The project.
        file: ``dataset.yaml``.
        reporter: Shows each step.

    Raises:
        UsageError: A file cannot be read.
        ConfigError: A file has mistakes, names unknown columns, or has wrong SQL.
        Refused: A check failed; the version before stays.
        MlpipesError: A step failed, nothing is loaded, or the stack is not running; the version before stays.
    """
    config, source = stored.read(project, file)
    code = StepCode(config, source, file.parent, project.root)
    settings = _settings(config, code)
    tables = stored.connect(project)
    notes: list[str] = []
    with tables.turn(config.dataset, reporter.info):

        def say(text: str) -> None:
            reporter.info(f"{config.dataset}: {text}")

        work = Work(config, source, code.texts, code.calls, settings, actor.user(), say, notes.append)
        tables.verify(work)
        say("checking")
        checked(tables, config, source, reporter).require("see `mlpipes data check`")
        found = tables.known(config, settings)
        if found is not None:
            return _known(found, reporter)
        with reporter.task(f"preparing {config.dataset}"):
            version, new, divided = tables.prepare(work)
    if not new:
        return _known(version, reporter)
    if divided != version.rows:
        notes.append(
            f"steps after the split changed the number of rows from {divided} to {version.rows}, so that the"
            " shares of the parts moved"
        )
    for note in notes:
        reporter.warn(note)
    return _result(version)


def _known(version: DatasetVersion, reporter: Reporter) -> PreparedVersion:
    reporter.info(f"version {version.version} of {version.dataset!r} has these rows already")
    return _result(version)


def _result(version: DatasetVersion) -> PreparedVersion:
    splits = {part: version.splits[part] for part in PARTS if part in version.splits}
    return PreparedVersion(
        version.dataset, version.version, version.load, version.fingerprint, splits, version.rows
    )


def _settings(config: DatasetConfig, code: StepCode) -> dict[str, Any]:
    """Return what a version depends on beside the rows, as it is kept with the version."""
    clean = [step.model_dump(mode="json", exclude_none=True) for step in config.clean]
    for position, text in code.texts.items():
        clean[position]["sql"] = text
    for position, digest in code.digests.items():
        clean[position]["code"] = digest
    return {
        "clean": clean,
        "split": config.split.model_dump(mode="json", exclude_none=True),
        "key": None if config.key is None else [config.stored_name(name) for name in config.key],
        "weights": config.weights,
    }
