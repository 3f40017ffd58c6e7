"""``mlpipes export systemd``: a service that runs a pipeline, and the timer that starts it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli import output_files
from mlpipes_cli.config.schedule.cron_fields import CronFields, fields
from mlpipes_cli.lifecycle.export.schedules.scheduled import ScheduledPipeline, scheduled

if TYPE_CHECKING:
    from mlpipes_cli.project import ProjectFolder

_MARK = "# mlpipes export systemd"
_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


@dataclass(frozen=True)
class SystemdExport:
    """The units of a pipeline.

    Attributes:
        pipeline: The pipeline's name.
        calendar: When the timer elapses, as ``systemd-analyze calendar`` reads it.
        service: The path of the service.
        timer: The path of its timer.
    """

    pipeline: str
    calendar: tuple[str, ...]
    service: str
    timer: str


def export(
    project: ProjectFolder, file: Path, shown_as: str, output: Path, *, force: bool = False
) -> SystemdExport:
    """Write a service and a timer of the user's or the system's systemd.

    Args:
        project: The project.
        file: The pipeline's file.
        shown_as: How messages call it.
        output: The folder of the units, made if its parent exists; units of this command are replaced.
        force: Replace any regular files.

    Raises:
        UsageError: The pipeline's file is wrong or has no schedule, or an output is another file.
        MlpipesError: A unit cannot be written.
    """
    found = scheduled(project, file, shown_as)
    output_files.make_folder(output)
    name = f"mlpipes-{project.config.project}-{found.config.pipeline}"
    calendar = tuple(calendars(fields(found.schedule), found.config.timezone))
    units = {
        output / f"{name}.service": _service(project, found),
        output / f"{name}.timer": _timer(found, calendar),
    }
    for path in units:
        output_files.check(path, _MARK, f"a unit of `{_MARK[2:]}`", force=force)
    for path, text in units.items():
        output_files.write(path, text)
    service, timer = map(str, units)
    return SystemdExport(found.config.pipeline, calendar, service, timer)


def calendars(moments: CronFields, timezone: str | None) -> list[str]:
    """Return the calendar events of a cron expression: two where either kind of day is enough."""
    time = f"{_numbers(moments, 'hours')}:{_numbers(moments, 'minutes')}:00"
    zone = "" if timezone is None else f" {timezone}"
    months, days = _numbers(moments, "months"), _numbers(moments, "days")
    names = ",".join(_WEEKDAYS[day] for day in moments.weekdays)
    weekdays = "" if moments.every("weekdays") else f"{names} "
    if moments.either_day and weekdays and not moments.every("days"):
        return [f"*-{months}-{days} {time}{zone}", f"{weekdays}*-{months}-* {time}{zone}"]
    return [f"{weekdays}*-{months}-{days} {time}{zone}"]


def _numbers(moments: CronFields, field: str) -> str:
    if moments.every(field):
        return "*"
    return ",".join(f"{number:02d}" for number in getattr(moments, field))


def _service(project: ProjectFolder, found: ScheduledPipeline) -> str:
    return f"""\
{_MARK}: pipeline {found.config.pipeline}
[Unit]
Description=mlpipes: pipeline {found.config.pipeline} of project {project.config.project}

[Service]
Type=oneshot
WorkingDirectory={_path(found.project)}
ExecStart={" ".join(map(_word, found.command))}
# The steps get SIGTERM from mlpipes, which waits for them; `mlpipes run --resume` continues.
KillMode=mixed
TimeoutStopSec=60
"""


def _timer(found: ScheduledPipeline, calendar: tuple[str, ...]) -> str:
    lines = "\n".join(f"OnCalendar={one}" for one in calendar)
    return f"""\
{_MARK}: pipeline {found.config.pipeline}
[Unit]
Description=mlpipes: when pipeline {found.config.pipeline} runs

[Timer]
{lines}
# A run that was missed while the machine was off is made up for.
Persistent=true

[Install]
WantedBy=timers.target
"""


def _word(word: str) -> str:
    """Return a word of ``ExecStart``: quoted, without specifiers and variables."""
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{text}"' if not text or any(sign in text for sign in " '\"\\;") else text


def _path(path: Path) -> str:
    return os.fspath(path).replace("%", "%%")
