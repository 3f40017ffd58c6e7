"""What the exports for cron and systemd share: the pipeline, its schedule and the command that runs it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.config.pipeline.config import PipelineConfig, load_pipeline
from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.pipelines.commands import this_program

if TYPE_CHECKING:
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class ScheduledPipeline:
    """A pipeline that something else starts.

    Attributes:
        config: The pipeline.
        schedule: Its cron expression.
        command: The words that run it, whatever the folder and the variables.
        project: The project's folder.
        log: The file that gets what it writes; it is renewed when it is large.
    """

    config: PipelineConfig
    schedule: str
    command: tuple[str, ...]
    project: Path
    log: Path

    @property
    def line(self) -> str:
        """The command as a line of the shell."""
        return shlex.join(self.command)


def scheduled(project: ProjectFolder, file: Path, shown_as: str) -> ScheduledPipeline:
    """Return the pipeline of a file.

    Raises:
        UsageError: It cannot be read, has mistakes or no ``schedule``, or a path of it does not fit a line.
    """
    config = load_pipeline(file, project.root, shown_as)
    if config.schedule is None:
        raise UsageError(
            f"{shown_as}: pipeline {config.pipeline!r} has no `schedule`",
            'add one, such as `schedule: "0 3 * * *"`: every day at 3:00',
        )
    command = (*this_program(), "-C", str(project.root), "run", str(file))
    log = project.logs / f"pipeline-{config.pipeline}.log"
    if any(ord(sign) < 32 for word in (*command, str(log)) for sign in word):
        raise UsageError("a path of this project has a line break", "move the project to another folder")
    return ScheduledPipeline(config, config.schedule, command, project.root, log)
