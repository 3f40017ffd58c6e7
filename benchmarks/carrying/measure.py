"""Backup and restore against the plain programs that they are made of.

    python benchmarks/carrying/measure.py [--megabytes 600] [--rows 300000]

Beside `backup` stand `pg_dump` of both databases and `tar` of the artifacts; beside the part of
`restore` in which services are stopped stand `psql --single-transaction` and `cp -r`. Both get the
same content, in turns, each file to the same disk, with a `sync` at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2

from mlpipes_cli.adapters import wiring
from mlpipes_cli.adapters.dump.address import parse
from mlpipes_cli.adapters.embedded.cluster import program
from mlpipes_cli.adapters.postgres.database import migrate
from mlpipes_cli.lifecycle.transfer.archive_reader import check
from mlpipes_cli.lifecycle.transfer.copy import copy
from mlpipes_cli.lifecycle.transfer.replace import replace
from mlpipes_cli.lifecycle.transfer.transfer_context import journal
from mlpipes_cli.project import ProjectFolder, find_project


class Silent:
    """A reporter that says nothing."""

    def info(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def detail(self, text: str) -> None: ...
    def note(self, text: str) -> None: ...
    def advance(self, steps: float = 1.0) -> None: ...
    def confirm(self, question: str) -> bool:
        return False

    @contextlib.contextmanager
    def task(self, title: str, total: float | None = None, *, every: float | None = None) -> Any:
        yield self


def mlpipes(root: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "mlpipes_cli", *words], cwd=root, check=True, capture_output=True)


def fill(root: Path, url: str, megabytes: int, rows: int) -> None:
    """Large and small files, and predictions."""
    random.seed(1)
    for number in range(megabytes // 10):
        folder = root / ".mlpipes" / "artifacts" / "1" / f"run{number}" / "artifacts"
        folder.mkdir(parents=True)
        (folder / "model.pkl").write_bytes(random.randbytes(10_000_000))
        for small in range(20):
            (folder / f"{small}.json").write_bytes(random.randbytes(2000))
    migrate(url)
    with contextlib.closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
        cursor.execute(
            "insert into serving.predictions (prediction_id, caller_id, made_at, model_name, model_version,"
            " model_alias, inputs, prediction, scores, latency_ms)"
            " select gen_random_uuid(), n::text, now(), 'm', 1, 'production',"
            " jsonb_build_object('a', random(), 'b', random(), 'c', n), '1', '0.5', 1.5"
            " from generate_series(1, %s) n",
            (rows,),
        )


def timed(work: Callable[[], object]) -> float:
    os.sync()
    began = time.perf_counter()
    work()
    os.sync()
    return time.perf_counter() - began


def plain_backup(project: ProjectFolder, urls: dict[str, str], place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name, url in urls.items():
        address = parse(url)
        command = [
            str(program("pg_dump")),
            "--no-owner",
            f"--dbname={address.url}",
            f"--file={place / name}.sql",
        ]
        subprocess.run(command, env=address.environment(), check=True)
    subprocess.run(["tar", "cf", place / "artifacts.tar", "-C", project.state, "artifacts"], check=True)


def plain_restore(project: ProjectFolder, urls: dict[str, str], place: Path) -> None:
    for name, url in urls.items():
        address = parse(url)
        clean = "drop schema public cascade; create schema public;" + (
            "drop schema raw_data, clean_data, serving cascade;" if name == "mlpipes" else ""
        )
        command = [
            str(program("psql")),
            "-Xq1",
            "-o",
            "/dev/null",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            address.url,
        ]
        command += ["-c", clean, "-f", str(place / f"{name}.sql")]
        subprocess.run(command, env=address.environment(), check=True, stderr=subprocess.DEVNULL)
    shutil.rmtree(project.state / "artifacts")
    subprocess.run(["tar", "xf", place / "artifacts.tar", "-C", project.state], check=True)


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--megabytes", type=int, default=600)
    words.add_argument("--rows", type=int, default=300_000)
    words.add_argument("--rounds", type=int, default=3)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlpipes-carrying-") as base:
        root = Path(base) / "project"
        root.mkdir()
        (root / "mlpipes.yaml").write_text("project: carrying\nruntime: embedded\n")
        mlpipes(root, "up")
        try:
            measure(find_project(root), Path(base), asked)
        finally:
            mlpipes(root, "down", "--volumes", "--yes")


def measure(project: ProjectFolder, base: Path, asked: argparse.Namespace) -> None:
    runtime, databases, silent = wiring.make_runtime(project), wiring.make_databases(), Silent()
    fill(project.root, runtime.storage().databases["mlpipes"], asked.megabytes, asked.rows)
    ours, theirs = base / "ours.tar", base / "plain"
    found: dict[str, list[float]] = {}

    def note(name: str, work: Callable[[], object]) -> None:
        found.setdefault(name, []).append(timed(work))

    with runtime.paused(silent):
        storage = runtime.storage()
        urls = dict(storage.databases)
        for _ in range(asked.rounds):
            note("backup", lambda: copy(storage, databases, ours, silent, project="x", runtime="embedded"))
            note("plain backup", lambda: plain_backup(project, urls, theirs))
            manifest = check(ours)
            note("check", lambda: check(ours))
            shutil.rmtree(project.state / "artifacts")
            again = functools.partial(replace, storage, databases, ours, manifest)
            note("restore", functools.partial(again, journal(project, runtime), silent))
            note("plain restore", lambda: plain_restore(project, urls, theirs))
    report(found, ours.stat().st_size / 1e6)


def report(found: dict[str, list[float]], size: float) -> None:
    best = {name: min(values) for name, values in found.items()}
    for name, values in found.items():
        print(f"{name:14} {size / best[name]:7.0f} MB/s   " + "  ".join(f"{one:.2f} s" for one in values))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{size:.0f} MB; backup {best['backup'] / best['plain backup']:.2f} times plain,", end=" ")
    print(f"restore {best['restore'] / best['plain restore']:.2f} times plain; peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main()
