"""Data sets when a disk is full, the database stops, a table is gone, a process dies: nothing is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dataset_help
import pytest
from conftest import MINIMAL, Cli, Result
from waiting import until

pytestmark = pytest.mark.slow
ROWS = 3000
SLEEPS = "case when pg_sleep(0.05) is null then 1.0 else v end"
ASLEEP = "select 1 from pg_stat_activity where wait_event = 'PgSleep'"
COPYING = "select 1 from pg_stat_activity where query like 'copy \"raw_data\"%'"
STEPS = """
import pathlib, time
import pandas as pd
def slow(frame):
    pathlib.Path("reached").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.05)
    return frame
def two():
    return pd.DataFrame({"ID": [1, 2], "v": [1.0, 2.0]})
def rows():
    yield pd.DataFrame({"ID": [1], "v": [1.0]})
    pathlib.Path("reached").touch()
    time.sleep(60)
"""
# A process of the Python API that dies at once when it is told something: by then all is committed.
DIES = """
import os, signal, sys
from mlpipes_cli.api import Project
def told(event):
    if sys.argv[2] in event.text:
        os.kill(os.getpid(), signal.SIGKILL)
getattr(Project(".", on_event=told).data, sys.argv[1])("kept.yaml")
"""


@dataclass(frozen=True)
class Home:
    """A stack with a data set that has a version."""

    root: Path
    cli: Cli
    url: str
    superuser: str

    def rows(self, text: str) -> list[tuple[object, ...]]:
        return dataset_help.query(self.url, text)

    def file(self, text: str) -> None:
        (self.root / "kept.yaml").write_text(f"dataset: kept\nsource: kept.csv\n{text}\n")

    def source(self, count: int = ROWS, end: str = "") -> None:
        lines = "".join(f"{n},{n}.5\n" for n in range(count))
        (self.root / "kept.csv").write_text(f"ID,v\n{lines}{end}")

    def state(self) -> dict[str, object]:
        """All relations of both schemas with their rows, and the records."""
        found: dict[str, object] = {}
        names = self.rows(
            "select quote_ident(nspname) || '.' || quote_ident(relname) from pg_class c"
            " join pg_namespace n on n.oid = relnamespace"
            " where nspname in ('raw_data', 'clean_data') and relkind in ('r', 'v') order by 1"
        )
        for (name,) in names:
            if "_checks" not in str(name):
                found[str(name)] = self.rows(
                    f"select count(*), sum(('x' || left(md5(t::text), 8))::bit(32)::int) from {name} t"
                )
        return found

    def failed(self, done: Result, *words: str, code: int = 1) -> None:
        """Make sure that a command ended with one line of error."""
        assert done.code == code, done.err
        errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1 and "Traceback" not in done.out + done.err, done.err
        assert all(word in errors[0] for word in words), errors[0]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    base = tmp_path_factory.mktemp("faults")
    root = base / "project"
    root.mkdir()
    (root / "mlpipes.yaml").write_text(MINIMAL)
    (root / "fault_steps.py").write_text(STEPS)
    cli = Cli(base / "home", root)
    try:
        cli("up").ok()
        url = cli("env", "--json").ok().json["MLPIPES_DATABASE_URL"]
        password = cli("status", "--show-secrets", "--json").ok().json["secrets"]["POSTGRES_PASSWORD"]
        superuser = f"postgresql://postgres:{password}@{url.partition('@')[2]}"
        yield Home(root, cli, url, superuser)
    finally:
        cli("down", "--volumes", "--yes").ok()


@pytest.fixture
def home(stack: Home) -> Home:
    """The stack with a data set of one load and one version, whatever the test before left."""
    dataset_help.forget(stack.url)
    for name in ("reached", "go"):
        (stack.root / name).unlink(missing_ok=True)
    stack.source()
    stack.file("")
    stack.cli("data", "load", "kept.yaml").ok()
    stack.cli("data", "prepare", "kept.yaml").ok()
    return stack


def works_again(home: Home) -> None:
    """Make sure that the next load and preparation do all of their work."""
    home.source(ROWS + 10)
    home.file("clean: [{derive: {twice: v * 2}}]")
    assert home.cli("data", "load", "kept.yaml", "--json").ok().json["rows"] == ROWS + 10
    made = home.cli("data", "prepare", "kept.yaml", "--json").ok().json
    assert sum(made["splits"].values()) == ROWS + 10
    leftovers = [name for name in home.state() if name.endswith(('_new"', "_new"))]
    assert leftovers == []


def run(
    cli: Cli, *words: str, env: dict[str, str] | None = None
) -> tuple[subprocess.Popen[str], Callable[[], Result]]:
    """Start a command; return its process, and what waits for its end."""
    process = cli.start(*words, env=env)

    def ended() -> Result:
        out, err = process.communicate(timeout=120)
        return Result(process.returncode, out, err)

    return process, ended


@contextlib.contextmanager
def small_disk(home: Home, folder: Path, *settings: str) -> Iterator[None]:
    """Have PostgreSQL put new tables on a real file system of 2 MB."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        data = next((home.root / ".mlpipes").glob("postgres*/PG_VERSION"), None)
        owner = (data or home.root).stat()
        place = folder / "space"
        place.mkdir()
        os.chown(place, owner.st_uid, owner.st_gid)
        for part in (folder, *list(folder.parents)[:3]):
            part.chmod(part.stat().st_mode | 0o011)
        with contextlib.closing(dataset_help.psycopg2.connect(home.superuser)) as link:
            link.autocommit = True
            cursor = link.cursor()
            cursor.execute(f"create tablespace small location '{place}'")
            cursor.execute("grant create on tablespace small to mlpipes")
            for name in settings:
                cursor.execute(f"alter role mlpipes set {name} = 'small'")
            try:
                yield
            finally:
                for name in settings:
                    cursor.execute(f"alter role mlpipes reset {name}")
                cursor.execute("drop tablespace small")
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("mode", ["replace", "merge"])
def test_a_load_onto_a_full_disk(home: Home, tmp_path: Path, mode: str) -> None:
    before = home.state()
    home.source(60_000)
    home.file(f"load: {{mode: {mode}}}\nkey: ID")
    with small_disk(home, tmp_path / "small", "default_tablespace"):
        done = home.cli("data", "load", "kept.yaml")
        home.failed(done, "the database's disk is full", "No space left on device", "nothing was changed")
        assert home.state() == before
    works_again(home)


@pytest.mark.parametrize("setting", ["temp_tablespaces", "default_tablespace"])
def test_a_preparation_on_a_full_disk(home: Home, tmp_path: Path, setting: str) -> None:
    """The rows between steps need space first, then the version's table does."""
    home.source(60_000)
    home.cli("data", "load", "kept.yaml").ok()
    before = home.state()
    home.file("clean: [{fill: {v: median}}]\nsplit: {seed: 2}")
    with small_disk(home, tmp_path / "small", setting):
        home.failed(home.cli("data", "prepare", "kept.yaml"), "No space left on device")
        assert home.state() == before
    works_again(home)


def test_a_database_that_stops_during_the_work(home: Home) -> None:
    before = home.state()
    home.source(2_000_000)
    process, ended = run(home.cli, "data", "load", "kept.yaml")
    until(lambda: bool(home.rows(COPYING)), 60)
    home.cli("stop", "postgres").ok()
    home.failed(ended(), "the connection to the database was lost", "nothing was changed")
    home.cli("start", "postgres").ok()
    assert home.state() == before
    home.file(f'clean: [{{derive: {{w: "{SLEEPS}"}}}}]')
    process, ended = run(home.cli, "data", "prepare", "kept.yaml")
    until(lambda: bool(home.rows(ASLEEP)), 60)
    home.cli("stop", "postgres").ok()
    home.failed(ended(), "database")
    assert process.returncode == 1
    home.cli("start", "postgres").ok()
    assert home.state() == before
    works_again(home)


COMMANDS = (
    ("check", "kept.yaml"), ("check", "kept.yaml", "--history"), ("prepare", "kept.yaml"),
    ("profile", "kept.yaml", "--output", "p.html"), ("versions",), ("versions", "kept"),
    ("diff", "kept", "1", "2"),
    ("versions", "kept", "--prune", "1", "--yes"),
    ("load", "kept.yaml"),
)  # fmt: skip


def test_every_command_without_its_database(home: Home) -> None:
    before = home.state()
    home.cli("stop", "postgres").ok()
    try:
        for command in COMMANDS:
            home.failed(home.cli("data", *command), "postgres")
    finally:
        home.cli("start", "postgres").ok()
    assert home.state() == before


# Which commands cannot do their work without a table.
GONE = {
    "raw_data.kept": {"check", "prepare", "profile"},
    "raw_data._checks": {"check", "check --history", "prepare"},
    "raw_data._loads": {"check", "prepare", "profile", "load"},
    "clean_data._kept_1": {"diff"},
    "clean_data._versions": {"prepare", "profile", "versions", "versions --prune", "diff"},
}


@pytest.mark.parametrize("table", GONE)
def test_every_command_without_a_table(home: Home, table: str) -> None:
    home.source(ROWS + 1)
    home.cli("data", "load", "kept.yaml").ok()
    home.file("split: {seed: 3}")
    home.cli("data", "prepare", "kept.yaml").ok()
    home.source(ROWS + 2)
    schema, _, name = table.partition(".")
    home.rows(f"alter table {table} rename to {name}_away")
    failed = set()
    try:
        for command in COMMANDS:
            done = home.cli("data", *command)
            if done.code != 0:
                home.failed(done, code=done.code)
                failed.add(
                    " ".join([command[0], *(one for one in command if one in ("--history", "--prune"))])
                )
    finally:
        home.rows(f"drop table if exists {table} cascade")
        home.rows(f"alter table {schema}.{name}_away rename to {name}")
    assert failed == GONE[table]


@pytest.mark.parametrize("stage", ["reading", "merging", "before the commit"])
def test_a_load_that_is_killed(home: Home, tmp_path: Path, stage: str) -> None:
    before = home.state()
    if stage == "reading":
        (home.root / "kept.yaml").write_text("dataset: kept\nsource: {function: 'fault_steps:rows'}\n")
    else:
        home.source(ROWS + 5)
        home.file("load: {mode: merge}\nkey: ID")
    held = {
        "reading": "select 1",
        "merging": "lock table raw_data.kept in access exclusive mode",
        "before the commit": "lock table raw_data._loads in share mode",
    }[stage]
    blocked = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'mlpipes'"
    with contextlib.closing(dataset_help.psycopg2.connect(home.url)) as link, link.cursor() as cursor:
        cursor.execute(held)
        process, _ = run(home.cli, "data", "load", "kept.yaml", env={"TMPDIR": str(tmp_path)})
        try:
            until(lambda: (home.root / "reached").exists() if stage == "reading" else home.rows(blocked), 60)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    until(lambda: not home.rows(f"{blocked} and pid <> pg_backend_pid()"), 60)
    assert home.state() == before
    if stage == "reading":
        assert len(list(tmp_path.glob("mlpipes-rows-*"))) == 1
        (home.root / "kept.yaml").write_text("dataset: kept\nsource: {function: 'fault_steps:two'}\n")
        done = home.cli("data", "load", "kept.yaml", "--json", env={"TMPDIR": str(tmp_path)}).ok()
        assert done.json["rows"] == 2
        assert list(tmp_path.glob("mlpipes-rows-*")) == []
    works_again(home)


def test_a_schema_that_was_removed_is_named(home: Home) -> None:
    home.rows("alter schema clean_data rename to clean_data_away")
    try:
        status = home.cli("status").ok()
        assert "postgres: the schema clean_data was removed from the database" in status.out
        home.failed(home.cli("data", "versions"), "clean_data._versions", "restore a backup")
    finally:
        home.rows("alter schema clean_data_away rename to clean_data")
    assert "was removed" not in home.cli("status").ok().out


def dies(home: Home, verb: str, word: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DIES, verb, word], cwd=home.root, env=home.cli.environment, check=False
    )
    assert done.returncode == -signal.SIGKILL


def test_a_process_that_is_killed_between_the_commit_and_its_answer(home: Home) -> None:
    """All of it is there; the same command again adds nothing."""
    home.source(ROWS + 7)
    home.file("load: {mode: append}")
    dies(home, "load", "separator")
    assert home.rows("select count(*) from raw_data.kept") == [(2 * ROWS + 7,)]
    again = home.cli("data", "load", "kept.yaml", "--json").ok().json
    assert (again["added"], again["unchanged"], again["rows"]) == (0, ROWS + 7, 2 * ROWS + 7)
    home.file("clean:\n  - {fill: {v: median}}\n  - {where: 'v > 10'}")
    dies(home, "prepare", "steps after the split")
    assert home.rows("select max(version) from clean_data._versions") == [(2,)]
    state = home.state()
    assert home.cli("data", "prepare", "kept.yaml", "--json").ok().json["version"] == 2
    assert home.state() == state


def test_a_load_during_a_preparation_waits_for_it(home: Home) -> None:
    home.file("clean: [{function: 'fault_steps:slow'}]\nsplit: {seed: 9}")
    _, prepared = run(home.cli, "data", "prepare", "kept.yaml", "--json")
    until((home.root / "reached").exists, 60)
    home.source(ROWS + 3)
    process, loaded = run(home.cli, "data", "load", "kept.yaml", "--json")
    assert process.stderr is not None
    assert "waiting until it has ended" in process.stderr.readline()
    (home.root / "go").touch()
    first, second = prepared().ok(), loaded().ok()
    assert sum(first.json["splits"].values()) == ROWS and second.json["rows"] == ROWS + 3
    assert first.json["load"] < second.json["load"]
    assert home.rows("select count(*) from clean_data.kept") == [(ROWS,)]
    works_again(home)


def test_a_bad_row_at_the_end_and_functions_that_end_the_process(home: Home) -> None:
    before = home.state()
    home.source(100_000, "x,y\n")
    home.file("columns: {ID: {type: integer}, v: {type: number}}")
    home.failed(home.cli("data", "load", "kept.yaml"), "kept.csv:100002: column 'ID': 'x' is not", code=2)
    (home.root / "fault_ends.py").write_text(
        "import os\ndef rows():\n    os._exit(0)\ndef step(frame):\n    os._exit(0)\n"
    )
    (home.root / "ends.yaml").write_text("dataset: kept\nsource: {function: 'fault_ends:rows'}\n")
    for mode in (True, False):  # also as the binary, whose exit code a shell sees
        home.cli.__class__.warm = mode
        try:
            home.failed(home.cli("data", "load", "ends.yaml"), "ends.yaml:2", "os._exit(0)")
        finally:
            home.cli.__class__.warm = True
    home.file("clean: [{function: 'fault_ends:step'}]")
    home.failed(home.cli("data", "prepare", "kept.yaml"), "kept.yaml:3", "os._exit(0)")
    assert home.state() == before
