"""Postgres slow, gone, silent, full and restarted, while several processes ask, in both modes.

``MLPIPES_AWAY_SECONDS`` says for how long each fault lasts.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import reliability_help
import serving_help
from reliability_help import Behind, Load, Server, Stack, Truth

pytestmark = pytest.mark.slow
AWAY = float(os.environ.get("MLPIPES_AWAY_SECONDS", "3"))
SECONDS = 3.0  # serving -> limits -> seconds
BOUND = SECONDS + 20  # what a busy machine adds; far less than a long fault lasts
MODES = ["refuse", "spool"]
Fault = tuple[Callable[[Behind], None], Callable[[Behind], None]]
FAULTS: dict[str, Fault] = {
    "away": (lambda project: project.proxy.refuse(), lambda project: project.proxy.refuse(False)),
    "silent": (lambda project: project.proxy.blackhole(), lambda project: project.proxy.blackhole(False)),
    "slow": (
        lambda project: setattr(project.proxy, "seconds", 0.2),
        lambda project: setattr(project.proxy, "seconds", 0.0),
    ),
}


@pytest.fixture
def project(stack: Stack, tmp_path: Path) -> Iterator[Behind]:
    with reliability_help.behind(stack, tmp_path) as made:
        yield made


@contextlib.contextmanager
def serving(project: Stack, mode: str) -> Iterator[Server]:
    project.settings(f"  on_log_failure: {mode}\n  limits: {{seconds: {SECONDS}}}\n")
    server = Server(project.cli)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def hurt(server: Server, load: Load, mode: str, begin: Callable[[], Any], end: Callable[[], Any]) -> None:
    """Have the fault for a while, and look at what the clients see of it."""
    load.after(40)
    begin()
    try:
        began, before = time.monotonic(), len(load.answers())
        serving_help.until(
            lambda: len(load.answers()) >= before + 12 and time.monotonic() - began > AWAY,
            60 + AWAY,
            "answers",
        )
        assert httpx.get(f"{server.url}/health", trust_env=False, timeout=30).status_code == 200
        if mode == "spool":
            load.after(20)
    finally:
        end()
    load.after(40)
    load.stop()
    if mode == "spool":
        server.drained()


def check(project: Stack, server: Server, load: Load, truth: Truth, mode: str) -> None:
    statuses = load.statuses()
    print(f"{mode}: {len(load.told())} predictions told, {statuses}, slowest {load.slowest():.2f} s")
    assert set(statuses) <= ({200} if mode == "spool" else {200, 503})
    assert load.slowest() < BOUND
    assert all(int(retry or 0) >= 1 for status, _, _, retry in load.answers() if status == 503)
    assert server.stop() == 0
    project.check(load.told(), truth)
    if mode == "spool":
        stored = {row[0] for row in load.stored_by(project.stored())}
        assert stored == {one.prediction_id for one in load.told()}


def in_order(project: Behind, load: Load) -> bool:
    """Whether what each client was told is there in that order; a request may span two transactions."""
    from contextlib import closing

    import psycopg2

    sql = (
        "select split_part(caller_id, '-', 2), xmin::text::bigint, "
        "min(split_part(caller_id, '-', 3)::int), max(split_part(caller_id, '-', 3)::int) "
        "from serving.predictions where caller_id like %s group by 1, 2 order by 1, 2"
    )
    with closing(psycopg2.connect(project.database)) as link, link.cursor() as cursor:
        cursor.execute(sql, (f"{load.tag}-%",))
        found = cursor.fetchall()
    return all(one[0] != other[0] or one[3] <= other[2] for one, other in itertools.pairwise(found))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fault", FAULTS)
def test_between_the_api_and_postgres(
    project: Behind, truth: Truth, tmp_path: Path, fault: str, mode: str
) -> None:
    begin, end = FAULTS[fault]
    with serving(project, mode) as server, Load(server.url, tmp_path / "load") as load:
        hurt(server, load, mode, lambda: begin(project), lambda: end(project))
        told = load.statuses()
        if fault == "slow":
            assert set(told) == {200}
        elif mode == "refuse":
            assert told[503] >= 4
        check(project, server, load, truth, mode)
        if mode == "spool":
            assert in_order(project, load)


@pytest.mark.parametrize("mode", MODES)
def test_an_answer_to_commit_that_is_lost(project: Behind, truth: Truth, tmp_path: Path, mode: str) -> None:
    """The COMMIT succeeded and nobody heard of it, again and again: no refusal, and no row twice."""
    with serving(project, mode) as server, Load(server.url, tmp_path / "load") as load:
        for _ in range(5):
            load.after(10)
            project.proxy.forget_answers(lambda said: b"COPY " in said)
            project.proxy.wait_forgotten()
        load.after(20)
        load.stop()
        if mode == "spool":
            server.drained()
        assert set(load.statuses()) == {200}
        check(project, server, load, truth, mode)


@pytest.mark.parametrize("mode", MODES)
def test_postgres_is_restarted(stack: Stack, truth: Truth, tmp_path: Path, mode: str) -> None:
    with serving(stack, mode) as server, Load(server.url, tmp_path / "load") as load:
        hurt(server, load, mode, lambda: stack.cli("restart", "postgres").ok(), lambda: None)
        check(stack, server, load, truth, mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_stop_while_postgres_says_nothing(project: Behind, truth: Truth, tmp_path: Path, mode: str) -> None:
    with serving(project, mode) as server, Load(server.url, tmp_path / "load") as load:
        load.after(20)
        project.proxy.blackhole()
        before = len(load.answers())
        serving_help.until(lambda: len(load.answers()) >= before + 8, 60, "answers")
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 50  # it gives the database up
        project.proxy.blackhole(False)
        load.stop()
    told = load.told()
    project.cli("predictions", "replay").ok()
    assert set(load.statuses()) <= ({0, 200} if mode == "spool" else {0, 200, 503})
    project.check(told, truth)


@contextlib.contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """A file system of that size, for any account."""
    with tempfile.TemporaryDirectory(prefix="mlpipes-small-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        place = Path(folder) / "disk"
        place.mkdir()
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs", place], capture_output=True
        )
        if made.returncode != 0:
            pytest.skip("no small file system can be mounted here")
        try:
            yield place
        finally:
            subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def crowded(stack: Stack, tmp_path: Path, postgres: serving_help.Postgres) -> Iterator[tuple[Behind, Path]]:
    """A project whose predictions lie on a small disk of their own."""
    with small_disk("8m") as disk:
        postgres.query("drop schema if exists serving, raw_data, clean_data, monitoring, pipelines cascade")
        postgres.query("drop table if exists public.mlpipes_migrations")
        if owner := postgres._owner().get("user"):
            shutil.chown(disk, owner)
        admin = f"{postgres.url.rsplit('/', 1)[0]}/template1"
        postgres_at(admin, f"create tablespace small location '{disk}'")
        postgres_at(admin, "alter database postgres set default_tablespace = small")
        try:
            with reliability_help.behind(stack, tmp_path, postgres.url) as made:
                yield made, disk
        finally:
            postgres_at(admin, "alter database postgres reset default_tablespace")
            postgres.query("drop schema serving, raw_data, clean_data, monitoring, pipelines cascade")
            postgres.query("drop table public.mlpipes_migrations")
            postgres_at(admin, "drop tablespace small")


def postgres_at(url: str, sql: str) -> None:
    from contextlib import closing

    import psycopg2

    with closing(psycopg2.connect(url)) as link:
        link.autocommit = True
        with link.cursor() as cursor:
            cursor.execute(sql)


@pytest.mark.parametrize("mode", MODES)
def test_the_disk_of_postgres_is_full(
    crowded: tuple[Behind, Path], truth: Truth, tmp_path: Path, mode: str
) -> None:
    project, disk = crowded
    ballast = disk / "ballast"

    def fill() -> None:
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        refused = (
            (lambda: 503 in load.statuses()) if mode == "refuse" else (lambda: server.ready()["spooled"] > 0)
        )
        serving_help.until(refused, 60, "a full disk")

    with serving(project, mode) as server, Load(server.url, tmp_path / "load") as load:
        hurt(server, load, mode, fill, ballast.unlink)
        check(project, server, load, truth, mode)
