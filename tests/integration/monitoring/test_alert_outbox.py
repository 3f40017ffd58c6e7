"""The outbox in a real database: one alert for one alarm, one deliverer for one alert, tries that wait."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
from reporter_help import Told
from waiting import until

from mlpipes_cli.adapters.postgres.checks import PostgresCheckStore
from mlpipes_cli.adapters.postgres.deliveries import LOST, PostgresOutbox
from mlpipes_cli.lifecycle.monitoring import alerts
from mlpipes_cli.ports.alerts import NewAlert
from mlpipes_cli.ports.monitoring import NewCheck
from mlpipes_cli.project import ProjectFolder, find_project
from mlpipes_cli.server.predictions.uuid7 import uuid7

START, DAY = datetime(2026, 3, 1, 12, tzinfo=UTC), timedelta(days=1)


def add(url: str, day: float, what: str, *channels: str, version: int = 3, alias: str | None = None) -> str:
    """Store a check that found an ``alarm``, ``calm``, or too ``few`` rows; the identifier."""
    made = NewCheck(
        id=UUID(str(uuid7())), checked_at=START + day * DAY, model="loans", version=version, alias=alias,
        since=None, until=START + day * DAY, rows=500, alarm=what == "alarm", enough=what != "few",
        alpha=0.05, cause="manual", actor="ana@desk", seconds=1.0, result={},
    )  # fmt: skip
    message = {"kind": what, "model": "loans", "version": version, "checked_at": made.checked_at.isoformat()}
    message["alias"] = alias
    alert = NewAlert(channels or ("team",), message | {"text": f"{what} on day {day}"})
    PostgresCheckStore(url).add(made, timedelta(days=3650), alert)
    return str(made.id)


def sql(url: str, statement: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def events(url: str) -> list[tuple[str, str]]:
    return [(one.event, one.channel) for one in reversed(PostgresOutbox(url).deliveries(100))]


def project(folder: Path, *entries: str) -> ProjectFolder:
    listed = "".join(f"  - {entry}\n" for entry in entries)
    (folder / "mlpipes.yaml").write_text(f"project: tests\nmonitoring:\n  alerts:\n{listed}")
    return find_project(folder)


def test_one_event_when_an_alarm_begins_and_one_when_it_ends(url: str) -> None:
    add(url, 0, "calm")
    first = add(url, 1, "alarm")
    for day, what in ((2, "few"), (3, "alarm"), (0.5, "alarm")):  # the last began earlier and was stored late
        add(url, day, what)
    add(url, 3.5, "calm", version=4)
    assert events(url) == [(f"alarm:{first}", "team")]
    add(url, 4, "calm")
    add(url, 5, "calm")
    assert events(url) == [(f"alarm:{first}", "team"), (f"calm:{first}", "team")]
    second = add(url, 6, "alarm")
    add(url, 5.5, "calm")  # older than the alarm that is known
    assert events(url)[2:] == [(f"alarm:{second}", "team")]


def test_the_version_that_takes_the_alias_ends_the_alarm(url: str) -> None:
    """And the alarm of a version to which the alias goes back is a new one."""
    first = add(url, 1, "alarm", alias="production")
    add(url, 2, "calm", version=4, alias="staging")
    add(url, 3, "few", version=4, alias="production")
    assert events(url) == [(f"alarm:{first}", "team")]
    for day in (4, 5):
        add(url, day, "calm", version=4, alias="production")
    assert events(url)[1:] == [(f"calm:{first}", "team")]
    second = add(url, 6, "alarm", alias="production")
    assert events(url)[2:] == [(f"alarm:{second}", "team")]


def test_checks_at_once_begin_one_alarm(url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda day: add(url, day, "alarm"), range(24)))
    assert len(events(url)) == 1


def test_a_channel_that_is_new_hears_of_the_alarm_that_lasts_but_of_no_other(url: str) -> None:
    first = add(url, 1, "alarm")
    add(url, 2, "alarm", "team", "mail")
    assert sorted(events(url)) == [(f"alarm:{first}", "mail"), (f"alarm:{first}", "team")]
    add(url, 3, "calm", "mail", "late")
    assert events(url)[2:] == [(f"calm:{first}", "mail")]


def test_a_try_that_fails_waits_longer_each_time_and_is_dropped_after_days(url: str) -> None:
    outbox = PostgresOutbox(url)
    add(url, 1, "alarm")
    add(url, 2, "calm")
    waits = []
    for _ in range(12):
        claimed = outbox.claim(["team"])
        assert claimed is not None and claimed.event.startswith("alarm:")
        assert outbox.claim(["team"]) is None  # the calm waits for its alarm
        assert outbox.failed(claimed, "the webhook answered HTTP 500")
        assert outbox.claim(["team"]) is None
        ((wait,),) = sql(
            url,
            "select round(extract(epoch from next_try - clock_timestamp()) / 60) from monitoring.deliveries"
            " where event like 'alarm:%'",
        )
        waits.append(int(wait))
        sql(url, "update monitoring.deliveries set next_try = clock_timestamp() where event like 'alarm:%'")
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360]
    sql(url, "update monitoring.deliveries set created_at = clock_timestamp() - interval '80 hours'")
    claimed = outbox.claim(["team"])
    assert claimed is not None and not outbox.failed(claimed, "no answer")
    one = next(one for one in outbox.deliveries(9) if one.event.startswith("alarm:"))
    assert (one.state, one.attempts, one.last_error, one.next_try) == ("dropped", 13, "no answer", None)


def test_a_failure_does_not_stop_the_others_and_is_repeated(url: str, tmp_path: Path) -> None:
    """The first command fails until its file is there."""
    here = project(
        tmp_path,
        "{name: bad, command: 'sh -c \"test -e ok && cat >> got\"'}",
        "{name: good, command: 'tee good'}",
    )
    add(url, 1, "alarm", "bad", "good")
    said = Told()
    assert alerts.deliver(here, said, url) == 1
    assert said.warnings == ["alert to 'bad' failed: the command exited with code 1; it is tried again"]
    (tmp_path / "ok").touch()
    assert alerts.deliver(here, said, url) == 0  # not due
    sql(url, "update monitoring.deliveries set next_try = clock_timestamp() where state = 'waiting'")
    assert (alerts.deliver(here, said, url), alerts.deliver(here, said, url)) == (1, 0)
    assert "alarm on day 1" in (tmp_path / "got").read_text()
    assert {one.state for one in PostgresOutbox(url).deliveries(9)} == {"sent"}


_DELIVER = """
import sys
from pathlib import Path
from mlpipes_cli.lifecycle.monitoring import alerts
from mlpipes_cli.project import find_project
from mlpipes_cli.cli.console import Console
print(alerts.deliver(find_project(Path(sys.argv[1])), Console(), sys.argv[2]))
"""


def _deliverer(folder: Path, url: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", _DELIVER, str(folder), url]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_deliverers_send_each_alert_once(url: str, tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(8)]
    project(tmp_path, *(f"{{name: {name}, command: 'tee -a {name}.got'}}" for name in names))
    ids = [add(url, 1, "alarm", *names, version=version) for version in (3, 4, 5)]
    both = [_deliverer(tmp_path, url) for _ in range(2)]
    counts = [int(process.communicate(timeout=120)[0]) for process in both]
    assert sum(counts) == len(names) * len(ids)
    for name in names:
        text = (tmp_path / f"{name}.got").read_text()
        assert [text.count(f"alarm:{id}") for id in ids] == [1, 1, 1]


def test_a_deliverer_that_is_killed_while_it_sends_is_not_repeated(url: str, tmp_path: Path) -> None:
    here = project(tmp_path, "{name: team, command: 'sh -c \"cat >> got; echo $$ > pid; sleep 60\"'}")
    add(url, 1, "alarm")
    process = _deliverer(tmp_path, url)
    number = until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    os.killpg(int(number), signal.SIGKILL)
    said = Told()
    assert alerts.deliver(here, said, url) == 0 and said.warnings == []  # it may still be sending
    sql(url, "update monitoring.deliveries set next_try = clock_timestamp() - interval '1 second'")
    assert alerts.deliver(here, said, url) == 0
    (warning,) = said.warnings
    assert warning.endswith(f"to 'team' is dropped: {LOST}")
    assert (tmp_path / "got").read_text().count("alarm on day 1") == 1
