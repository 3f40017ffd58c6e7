"""The files of runs in ``.mlpipes/pipelines``: their state, which outlives a lost database, and logs."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import atomic_files, private_files
from mlpipes_cli.ports.automation.pipeline_runs import PipelineRun, StepRun

if TYPE_CHECKING:
    from mlpipes_cli.project import ProjectFolder

_STATE, _STORED = "run.json", "stored"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOMENTS = ("started_at", "ended_at")
LOG_BYTES = 2_000_000  # of a log file; the one before it is kept too


class Journal:
    """The runs of a project's pipelines, a folder each.

    Args:
        project: The project.
    """

    def __init__(self, project: ProjectFolder) -> None:
        self._root = project.state / "pipelines"
        self._state = project.state

    def lock_file(self, pipeline: str) -> Path:
        """Return the file that the one run of a pipeline on this machine locks; its folder is made.

        Raises:
            MlpipesError: The folder cannot be made.
        """
        try:
            private_files.passage(self._state)
            private_files.folder(self._root)
        except OSError as error:
            raise _unwritable(self._root, error) from None
        return self._root / f"{pipeline}.lock"

    def folder(self, run: str) -> Path:
        """Return the folder of a run."""
        return self._root / run

    def log(self, run: str, step: str) -> Path:
        """Return the log of a step; an older part of it ends in ``.old``."""
        return self.folder(run) / f"{step}.log"

    def write(self, run: PipelineRun) -> None:
        """Replace the state of a run, in one step.

        Raises:
            MlpipesError: It cannot be written.
        """
        try:
            folder = private_files.folder(self.folder(run.id))
            atomic_files.write_text(folder / _STATE, json.dumps(_plain(run), ensure_ascii=False) + "\n")
        except OSError as error:
            raise _unwritable(self.folder(run.id), error) from None

    def mark_stored(self, run: PipelineRun) -> None:
        """Note that the database has this state of a run; without the note it is stored again."""
        with suppress(OSError):
            (self.folder(run.id) / _STORED).write_text(f"{run.change}\n")

    def is_stored(self, run: PipelineRun) -> bool:
        """Return whether the database has the present state of a run."""
        try:
            return int((self.folder(run.id) / _STORED).read_text()) >= run.change
        except (OSError, ValueError):
            return False

    def runs(self, pipeline: str | None = None) -> list[PipelineRun]:
        """Return all runs, newest first; a file that is damaged is left out."""
        try:
            ids = sorted(
                (path.name for path in self._root.iterdir() if _ID.fullmatch(path.name)), reverse=True
            )
        except OSError:
            return []
        found = [run for run in map(self._read, ids) if run is not None]
        return [run for run in found if pipeline is None or run.pipeline == pipeline]

    def remove(self, run: str) -> None:
        """Remove the files of a run."""
        shutil.rmtree(self.folder(run), ignore_errors=True)

    def tail(self, run: str, step: str, lines: int) -> list[str]:
        """Return the last lines of a step's log."""
        found: list[str] = []
        path = self.log(run, step)
        for part in (path, path.with_suffix(".log.old")):
            if len(found) < lines:
                with suppress(OSError):
                    found = [*part.read_text(encoding="utf-8", errors="replace").splitlines(), *found]
        return found[-lines:] if lines else []

    def _read(self, run: str) -> PipelineRun | None:
        try:
            return _run(json.loads((self.folder(run) / _STATE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, KeyError):
            return None


def _plain(run: PipelineRun) -> dict[str, Any]:
    return _texts(vars(run)) | {"steps": [_texts(vars(step)) for step in run.steps]}


def _texts(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: v.isoformat() if isinstance(v, datetime) else v for name, v in values.items()}


def _run(values: dict[str, Any]) -> PipelineRun:
    steps = tuple(StepRun(**_moments(step)) for step in values.pop("steps"))
    return PipelineRun(**_moments(values) | {"only": tuple(values["only"]), "steps": steps})


def _moments(values: Mapping[str, Any]) -> dict[str, Any]:
    read = {name: datetime.fromisoformat(values[name]) for name in _MOMENTS if values[name] is not None}
    return {**values, **read}


def newest_first(runs: Sequence[PipelineRun]) -> list[PipelineRun]:
    """Return each run once, in its newest state, newest first."""
    found: dict[str, PipelineRun] = {}
    for run in runs:
        if run.id not in found or found[run.id].change < run.change:
            found[run.id] = run
    return [found[run] for run in sorted(found, reverse=True)]


def _unwritable(path: Path, error: OSError) -> MlpipesError:
    return MlpipesError(
        f"{path}: cannot be written ({error.strerror})",
        "check the folder's owner, permissions and free space",
    )
