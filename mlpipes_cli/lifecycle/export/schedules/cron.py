"""``mlpipes export cron``: the line of a crontab that runs a pipeline."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli import output_files
from mlpipes_cli.lifecycle.export.schedules.scheduled import ScheduledPipeline, scheduled

if TYPE_CHECKING:
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.project import ProjectFolder

_MARK = "# mlpipes export cron"


@dataclass(frozen=True)
class CronExport:
    """The lines of a crontab.

    Attributes:
        pipeline: The pipeline's name.
        schedule: Its cron expression.
        command: What the shell of cron gets, before cron reads ``%``.
        crontab: The lines.
        path: The file that was written, or None.
    """

    pipeline: str
    schedule: str
    command: str
    crontab: str
    path: str | None


def export(
    project: ProjectFolder,
    file: Path,
    shown_as: str,
    reporter: Reporter,
    *,
    output: Path | None = None,
    force: bool = False,
) -> CronExport:
    """Return the crontab of a pipeline, and write it to a file if one is given.

    Args:
        project: The project.
        file: The pipeline's file.
        shown_as: How messages call it.
        reporter: Gets a warning if not every cron keeps to the time zone.
        output: A file; one that this command wrote is replaced.
        force: Replace any regular file.

    Raises:
        UsageError: The pipeline's file is wrong or has no schedule, or the output is another file.
        MlpipesError: The output cannot be written.
    """
    found = scheduled(project, file, shown_as)
    command = command_line(found)
    lines = [f"{_MARK}: pipeline {found.config.pipeline}"]
    if found.config.timezone is not None:
        lines.append(f"CRON_TZ={found.config.timezone}")
        reporter.warn(
            "`timezone` is CRON_TZ in the crontab, which cronie knows and Debian's cron does not: there, use "
            "`mlpipes export systemd`"
        )
    lines.append(f"{found.schedule} {escaped(command)}")
    text = "\n".join(lines) + "\n"
    if output is not None:
        output_files.check(output, _MARK, f"a crontab of `{_MARK[2:]}`", force=force)
        output_files.write(output, text)
    path = None if output is None else str(output)
    return CronExport(found.config.pipeline, found.schedule, command, text, path)


def command_line(found: ScheduledPipeline) -> str:
    """Return the command for cron's shell, with absolute paths: cron has few variables and no folder."""
    log = shlex.quote(str(found.log))
    folder = shlex.quote(str(found.log.parent))
    return f"mkdir -p {folder} && {found.line} >> {log} 2>&1"


def escaped(command: str) -> str:
    """Return a command as a crontab has it: a bare ``%`` would be a line break."""
    return command.replace("%", "\\%")
