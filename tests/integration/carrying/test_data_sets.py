"""Data sets in backups: rows, versions, records, rights; and projects from before they existed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import carried_data_help
import psycopg2
import pytest
from carrying_help import difference, error, forged, manifest, picture, storage
from conftest import MINIMAL, Cli

pytestmark = pytest.mark.slow
TABLES = {
    "raw_data._loads": 2, "raw_data._bad_rows": 1, "raw_data.carried": 60, "clean_data._versions": 2,
    "clean_data._carried_1": 41, "clean_data._carried_2": 60, "raw_data._checks": 4,
    "monitoring.checks": 1, "monitoring.deliveries": 1, "monitoring.retrainings": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Home:
    """A stack with a data set."""

    root: Path
    cli: Cli
    backup: Path
    seen: dict[str, Any]

    def execute(self, statement: str) -> None:
        with contextlib.closing(psycopg2.connect(storage(self.root).databases["mlpipes"])) as link, link:
            link.cursor().execute(statement)

    def before_data_sets(self) -> None:
        """Bring the database to migration 0004, as a release without data sets left it."""
        drop = "drop schema raw_data cascade; drop schema clean_data cascade; drop schema monitoring cascade"
        drop += "; drop schema pipelines cascade; drop table serving.deployments"
        self.execute(f"{drop}; create schema raw_data; create schema clean_data")
        self.execute("delete from public.mlpipes_migrations where name >= '0005'")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    base = tmp_path_factory.mktemp("data-sets")
    root = base / "project"
    root.mkdir()
    (root / "mlpipes.yaml").write_text(MINIMAL)
    cli = Cli(base / "home", root)
    try:
        cli("up").ok()
        carried_data_help.make(cli, root)
        cli("backup", base / "b.tar").ok()
        yield Home(root, cli, base / "b.tar", picture(root))
    finally:
        cli("down", "--volumes", "--yes").ok()


def test_a_backup_names_the_tables_and_counts_what_they_hold(home: Home, tmp_path: Path) -> None:
    rows = manifest(home.backup)["rows"]["mlpipes"]
    assert {name: number for name, number in rows.items() if name in TABLES} == TABLES
    done = home.cli("backup", tmp_path / "again.tar", "--json").ok()
    counted = {"loads": 2, "data set versions": 2, "data rows": 60 + 41 + 60}
    counted |= {"checks": 1, "alerts": 1, "retrainings": 1}
    assert {name: done.json["content"][name] for name in counted} == counted
    assert "2 loads, 2 data set versions, 161 data rows, 1 check, 1 alert, 1 retraining" in done.err


def test_a_restore_brings_all_of_it_back(home: Home) -> None:
    home.execute(
        "drop view clean_data.carried; drop table clean_data._carried_1; delete from raw_data._bad_rows;"
        " update raw_data.carried set amount = 0; delete from clean_data._versions"
    )
    home.cli("restore", home.backup, "--yes").ok()
    assert difference(picture(home.root), home.seen) == []
    carried_data_help.verify(home.cli, home.root)


def test_a_backup_that_lacks_rows_of_a_version_is_refused(home: Home, tmp_path: Path) -> None:
    before = picture(home.root)

    def change(files: dict[str, bytes], row: dict[str, Any]) -> None:
        mark = b"--\n-- PostgreSQL database dump complete"
        text = b'delete from clean_data._carried_1 where "ID" = 3;\n'
        files["databases/mlpipes.sql"] = files["databases/mlpipes.sql"].replace(mark, text + mark)

    refused = home.cli("restore", forged(home.backup, tmp_path / "b.tar", change), "--yes")
    assert refused.code == 1
    said = "table clean_data._carried_1 of database mlpipes has 40 rows, but 41 in the manifest"
    assert said in error(refused.err)
    assert difference(picture(home.root), before) == []


def test_projects_from_before_data_sets(home: Home, tmp_path: Path) -> None:
    """A backup at migration 0004 is made, restored over data sets, upgraded, and takes data sets."""
    home.before_data_sets()
    home.cli("backup", tmp_path / "older.tar").ok()
    older = manifest(tmp_path / "older.tar")["rows"]["mlpipes"]
    assert not [name for name in older if name.startswith(("raw_data.", "clean_data.", "monitoring."))]
    home.cli("restore", home.backup, "--yes").ok()
    carried_data_help.verify(home.cli, home.root)
    home.cli("restore", tmp_path / "older.tar", "--yes").ok()
    assert "raw_data.carried" not in str(picture(home.root).keys())
    home.cli("upgrade").ok()
    carried_data_help.make(home.cli, home.root)
    carried_data_help.verify(home.cli, home.root)
