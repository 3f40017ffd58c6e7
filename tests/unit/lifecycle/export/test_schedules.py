"""``export cron`` and ``export systemd``: the moments of the schedule, and a command that cron can run."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from conftest import Cli
from cronsim import CronSim

from mlpipes_cli.config.schedule.cron_fields import fields
from mlpipes_cli.lifecycle.export.schedules.systemd import calendars

PIPELINE = "pipeline: nightly\nschedule: '{}'\nsteps: [{{name: a, run: 'true'}}]\n"
EXPRESSIONS = {
    "0 3 * * *": ["*-*-* 03:00:00"],
    "*/20 9-17/4 * * mon-fri": ["Mon,Tue,Wed,Thu,Fri *-*-* 09,13,17:00,20,40:00"],
    "5 4 1,15 jul 7": ["*-07-01,15 04:05:00", "Sun *-07-* 04:05:00"],
    "5 4 */10 * 0": ["Sun *-*-01,11,21,31 04:05:00"],
    "* * * * *": ["*-*-* *:*:00"],
}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_calendar_of_systemd_is_that_of_cron(expression: str) -> None:
    assert calendars(fields(expression), None) == EXPRESSIONS[expression]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
@pytest.mark.parametrize("expression", [one for one in EXPRESSIONS if one != "5 4 1,15 jul 7"])
def test_systemd_elapses_when_cron_does(expression: str) -> None:
    """Systemd's own calendar, from now on, in a zone that is not the machine's."""
    zone = ZoneInfo("Asia/Tokyo")
    (calendar,) = calendars(fields(expression), "Asia/Tokyo")
    told = subprocess.run(
        ["systemd-analyze", "calendar", "--iterations=4", calendar],
        capture_output=True, text=True, check=True, env={"TZ": "UTC", "LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    ).stdout  # fmt: skip
    found = [
        datetime.strptime(line.split(": ", 1)[1].strip()[4:], "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
        for line in told.splitlines()
        if "Next elapse" in line or "Iter. #" in line or "Iteration" in line
    ]
    assert len(found) == 4
    moments = CronSim(expression, (found[0] - timedelta(seconds=1)).astimezone(zone))
    assert [next(moments).astimezone(UTC) for _ in range(4)] == found


def test_the_units_are_valid(cli: Cli, project_dir: Path) -> None:
    (project_dir / "pipeline.yaml").write_text(PIPELINE.format("0 3 1 * mon") + "timezone: Europe/Berlin\n")
    found = cli("export", "systemd", "--json").ok().json
    assert found == {
        "pipeline": "nightly",
        "calendar": ["*-*-01 03:00:00 Europe/Berlin", "Mon *-*-* 03:00:00 Europe/Berlin"],
        "service": "mlpipes-tests-nightly.service",
        "timer": "mlpipes-tests-nightly.timer",
    }
    if (analyze := shutil.which("systemd-analyze")) is not None:
        units = [str(project_dir / found[name]) for name in ("service", "timer")]
        checked = subprocess.run([analyze, "verify", *units], capture_output=True, text=True)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_an_output_that_is_something_else_stays(cli: Cli, project_dir: Path) -> None:
    (project_dir / "pipeline.yaml").write_text(PIPELINE.format("0 3 * * *"))
    (project_dir / "mine").write_text("MAILTO=me\n")
    refused = cli("export", "cron", "--output", "mine")
    assert (
        refused.code == 2 and "exists already, and is not a crontab of `mlpipes export cron`" in refused.err
    )
    assert (project_dir / "mine").read_text() == "MAILTO=me\n"
    for _ in range(2):
        assert cli("export", "cron", "--output", "tab").ok().out == "wrote tab\n"
    assert cli("export", "cron").ok().out == (project_dir / "tab").read_text()


def test_a_pipeline_without_a_schedule(cli: Cli, project_dir: Path) -> None:
    (project_dir / "pipeline.yaml").write_text("pipeline: p\nsteps: [{name: a, run: 'true'}]\n")
    for kind in ("cron", "systemd"):
        refused = cli("export", kind)
        assert refused.code == 2 and "pipeline.yaml: pipeline 'p' has no `schedule`; add one" in refused.err


def test_the_line_runs_as_cron_runs_it(cli: Cli, tmp_path: Path) -> None:
    """In a folder with blanks, quotes and ``%``, with the few variables of cron; the stack is down."""
    root = tmp_path / "a 50% 'folder'"
    root.mkdir()
    (root / "mlpipes.yaml").write_text("project: tests\nruntime: embedded\n")
    (root / "pipeline.yaml").write_text(PIPELINE.format("30 2 * * 1-5") + "timezone: Europe/Berlin\n")
    told = cli("export", "cron", "--json", cwd=root).ok()
    assert "`timezone` is CRON_TZ in the crontab" in told.err
    comment, zone, line = json.loads(told.out)["crontab"].splitlines()
    assert (comment, zone) == ("# mlpipes export cron: pipeline nightly", "CRON_TZ=Europe/Berlin")
    assert line.startswith("30 2 * * 1-5 ")
    done = run_as_cron(line, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    log = root / ".mlpipes" / "logs" / "pipeline-nightly.log"
    assert log.read_text() == "error: the stack is not running; start it with `mlpipes up`\n"


def run_as_cron(line: str, home: Path) -> subprocess.CompletedProcess[str]:
    """What cron does with a line: ``\\%`` is a percent sign, a bare one would end the command."""
    command = line.split(None, 5)[5]
    assert "%" not in command.replace("\\%", "")
    environment = {"HOME": str(home), "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin", "LOGNAME": "root"}
    return subprocess.run(
        ["/bin/sh", "-c", command.replace("\\%", "%")],
        env=environment, cwd=home, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
