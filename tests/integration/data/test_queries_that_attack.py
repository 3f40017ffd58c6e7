"""Users' SQL changes nothing: neither as the project's reader, nor by the URL of a database's owner."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg2
import pytest
from conftest import RunningStack

from mlpipes_cli import package_files
from mlpipes_cli.adapters.embedded import cluster
from mlpipes_cli.adapters.postgres import roles
from mlpipes_cli.adapters.wiring import make_databases, make_runtime
from mlpipes_cli.compose.load import load as load_compose
from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data.origins import select_only
from mlpipes_cli.data.origins.sources import load
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import env_file
from mlpipes_cli.project import find_project

pytestmark = pytest.mark.slow
SOURCE = parse_yaml("experiment: x\ndata:\n  source: postgres\n  target: y\n", "e.yaml")
AT = "e.yaml:3: data -> source: "
ONE = "the query must be one statement that returns rows, such as a select; it was not run"
ROWS = 3


def query(address: str, statement: str) -> list[Any]:
    with closing(psycopg2.connect(address)) as link, link, link.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def owner(running_stack: RunningStack) -> Iterator[str]:
    address = running_stack.environment["MLPIPES_DATABASE_URL"]
    query(
        address, "create table raw_data.attacked as select n as id, n % 2 as y from generate_series(1, 3) n"
    )
    query(address, "create sequence raw_data.counted")
    query(
        address,
        "create function public.sweep() returns int language sql security definer"
        " as 'delete from raw_data.attacked returning 1'",
    )
    yield address
    query(
        address,
        "drop table raw_data.attacked; drop sequence raw_data.counted; drop function public.sweep()",
    )


@pytest.fixture(scope="module")
def reader(running_stack: RunningStack, owner: str) -> str:
    found = make_runtime(find_project(running_stack.root)).endpoints().reader_url
    assert found
    assert "//mlpipes_reader:" in found
    return found


def read(reader: str | None, source: Any, environ: dict[str, str] | None = None) -> pd.DataFrame:
    data = Data.model_validate({"source": source, "target": "y"})
    return load(data, Path(), SOURCE, database_url=reader, environ=environ or {})


def said_of(reader: str, source: Any, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(MlpipesError) as caught:
        read(reader, source, environ)
    (line,) = caught.value.lines()
    return line


# The text, and what is said of it, be it to an owner or to the reader.
ATTACKS: dict[str, tuple[str, str | tuple[str, ...]]] = {
    "commit": ("commit; delete from raw_data.attacked; select 1 as y", ONE),
    "rollback": ("rollback; begin read write; delete from raw_data.attacked; commit; select 1 as y", ONE),
    "second": ("select 1 as y; delete from raw_data.attacked", ONE),
    "behind a comment": ("select 1 as y -- ;\n; delete from raw_data.attacked", ONE),
    "behind a quote": ("select 'a;' as y; commit; delete from raw_data.attacked returning 1", ONE),
    "out of our own quotes": (
        "select 1 as y; end $mlpipes$; commit; delete from raw_data.attacked",
        "unterminated",
    ),
    "delete": ("delete from raw_data.attacked", ONE),
    "returning": ("delete from raw_data.attacked returning y", "cannot execute DELETE in a read-only"),
    "cte": (
        "with gone as (delete from raw_data.attacked returning y) select * from gone",
        "in a read-only transaction",
    ),
    "definer": ("select public.sweep() as y", "cannot execute DELETE in a read-only"),
    "into": ("select 1 as y into raw_data.made", ONE),
    "truncate": ("truncate raw_data.attacked", ONE),
    "role": ("set role mlpipes", ONE),
    "reset": ("reset role", ONE),
    "do": ("do $$ begin delete from raw_data.attacked; end $$", ONE),
    "copy": ("copy (select 1) to program 'id'", ONE),
    "read-write": (
        "select set_config('transaction_read_only', 'off', true) as y, public.sweep()",
        "read-write mode must be set before any query",
    ),
    "nested": (
        "select query_to_xml('delete from raw_data.attacked returning 1', true, true, '') as y",
        "DELETE is not allowed",
    ),
    "sequence": ("select nextval('raw_data.counted') as y", ("in a read-only", "permission denied")),
    "explain": ("explain analyze delete from raw_data.attacked", "in a read-only transaction"),
    "file": ("select pg_read_file('/etc/passwd') as y", "permission denied for function pg_read_file"),
    "passwords": ("select rolpassword as y from pg_authid", "permission denied for table pg_authid"),
    "nothing": (" -- nothing", ONE),
    "zero": ("select 1 as y\0; delete from raw_data.attacked", ONE),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_say_one_line_and_leave_all_rows(owner: str, reader: str, name: str) -> None:
    statement, expected = ATTACKS[name]
    words = (expected,) if isinstance(expected, str) else expected
    for address in (owner, reader):
        line = said_of(reader, {"query": statement, "url": "$DB"}, {"DB": address})
        assert line.startswith(AT)
        assert any(word in line for word in words)
    assert said_of(reader, {"query": statement}) == line
    assert query(owner, "select count(*) from raw_data.attacked") == [(ROWS,)]
    assert query(owner, "select is_called from raw_data.counted") == [(False,)]
    assert query(owner, "select to_regclass('raw_data.made')") == [(None,)]


def test_the_reader_has_no_hold_on_others(owner: str, reader: str) -> None:
    with closing(psycopg2.connect(owner)) as other, other.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        (pid,) = cursor.fetchone()
        assert "permission denied to terminate process" in said_of(
            reader, {"query": f"select pg_terminate_backend({pid}) as y"}
        )
        assert "permission denied to set role" in said_of(
            reader, {"query": "select set_config('role', 'mlpipes', true) as y"}
        )
        cursor.execute("select 1")
        assert cursor.fetchone() == (1,)
    for statement in (
        "delete from raw_data.attacked", "create table raw_data.made ()", "create temp table made ()",
        "set role mlpipes", "set session authorization mlpipes",
    ):  # fmt: skip
        with pytest.raises(psycopg2.Error, match=r"permission denied|read-only"):
            query(reader, f"set transaction read write; {statement}")
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        psycopg2.connect(reader.removesuffix("mlpipes") + "mlflow")


def test_what_a_read_only_transaction_lets_pass_is_undone(owner: str, reader: str) -> None:
    found = read(reader, {"query": "select 1 as y, pg_advisory_lock(77), pg_notify('a', 'b')"})
    assert found["y"].tolist() == [1]
    assert query(owner, "select count(*) from pg_locks where locktype = 'advisory' and objid = 77") == [(0,)]


def test_waiting_has_an_end(owner: str, reader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select_only, "_SETTINGS", select_only._SETTINGS.replace("'1800s'", "'1s'"))
    line = said_of(reader, {"query": "select 1 as y, pg_sleep(60)"})
    assert "the query took longer than 30 minutes" in line
    monkeypatch.setattr(select_only, "_SETTINGS", select_only._SETTINGS.replace("'60s'", "'100ms'"))
    with closing(psycopg2.connect(owner)) as other, other.cursor() as cursor:
        cursor.execute("lock table raw_data.attacked in access exclusive mode")
        assert "another client holds a lock" in said_of(reader, "postgres:raw_data.attacked")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("with a as (select y from raw_data.attacked) select y from a order by y", [0, 1, 1]),
        ("select y from raw_data.attacked order by y;", [0, 1, 1]),
        ("select y from raw_data.attacked order by y ; -- the end; really\n ;; /* ; */", [0, 1, 1]),
        ("/* first; */ select count(*) as y from raw_data.attacked -- ; last", [3]),
        ("select $q$50% of; $$ 'it'$q$ || '%s %(a)s' as y", ["50% of; $$ 'it'%s %(a)s"]),
        ("select $mlpipes$;$mlpipes$ as y", [";"]),
        ("values (7)", [7]),
        ("table raw_data.attacked order by id", [1, 0, 1]),
        ("(select 'größe' as y)", ["größe"]),
        ("select y % 2 as y from raw_data.attacked where id::text like '%2'", [0]),
    ],
)
def test_queries_go_on_working(reader: str, statement: str, expected: list[Any]) -> None:
    frame = read(reader, {"query": statement})
    assert (frame["y"] if "y" in frame else frame.iloc[:, 0]).tolist() == expected


def test_what_is_made_later_can_be_read(owner: str, reader: str) -> None:
    query(
        owner,
        "create schema later; create table later.a as select 5 as y; create view later.b as table later.a",
    )
    try:
        assert read(reader, "postgres:later.a")["y"].tolist() == [5]
        assert read(reader, "postgres:later.b")["y"].tolist() == [5]
        assert "did you mean 'later.a'?" in said_of(reader, "postgres:later.aa")
    finally:
        query(owner, "drop schema later cascade")


@pytest.fixture
def superuser(running_stack: RunningStack, owner: str) -> str:
    password = env_file.read(running_stack.root / ".env")["POSTGRES_PASSWORD"]
    return owner.replace(owner.partition("@")[0], f"postgresql://postgres:{password}")


def rights(superuser: str) -> list[Any]:
    """All that the reader has been given."""
    return [
        *query(superuser, "select defaclobjtype, defaclacl::text from pg_default_acl order by 1"),
        *query(
            superuser,
            "select rolconfig, rolsuper, rolcanlogin from pg_roles where rolname = 'mlpipes_reader'",
        ),
        *query(superuser, "select datacl::text from pg_database where datname = 'mlpipes'"),
        *query(
            superuser, "select nspname, nspacl::text from pg_namespace where nspname !~ '^pg_' order by 1"
        ),
        *query(
            superuser, "select relname, relacl::text from pg_class where relacl::text ~ 'reader' order by 1"
        ),
    ]


def test_a_stack_of_an_earlier_release_gets_its_reader_by_up(
    running_stack: RunningStack, owner: str, superuser: str, tmp_path: Path
) -> None:
    """It has neither the role nor a password for it; all else works. Compose's step makes the same of it."""
    root, project = running_stack.root, find_project(running_stack.root)
    drop, given = "drop owned by mlpipes_reader; drop role mlpipes_reader", rights(superuser)
    assert len(given) > 6
    query(superuser, drop)
    text = (root / ".env").read_text()
    kept = [line for line in text.splitlines() if not line.startswith(roles.READER_SECRET)]
    (root / ".env").write_text("\n".join(kept) + "\n")

    found = make_runtime(project).endpoints()
    assert found.reader_url is None
    assert said_of(found.reader_url, "postgres:raw_data.attacked") == (
        f"{AT}the project's database has no read-only role yet; `mlpipes up` creates it"
    )
    assert make_runtime(project).status().running("postgres")
    assert make_databases().facts(make_runtime(project).storage().databases["mlpipes"]).rows

    running_stack.cli("up").ok()
    made = make_runtime(project).endpoints().reader_url
    assert made
    assert len(read(made, "postgres:raw_data.attacked")) == ROWS
    assert rights(superuser) == given

    query(superuser, drop)
    step = load_compose(package_files.compose() / "compose.yaml", env_file.read(root / ".env")).services[
        "databases"
    ]
    (passwords,) = step.files
    (tmp_path / "passwords").write_text(passwords.content)
    assert step.command is not None and step.entrypoint is not None
    command = [*step.entrypoint, step.command[0].replace(passwords.target, str(tmp_path / "passwords"))]
    programs = cluster.program("psql").parent
    surroundings = {
        "PATH": f"{programs}:/usr/bin:/bin",
        "PGHOST": "127.0.0.1",
        "PGPORT": owner.rsplit(":", 1)[1].partition("/")[0],
        "PGUSER": "postgres",
    }
    subprocess.run(command, env=surroundings, check=True)
    assert len(read(made, "postgres:raw_data.attacked")) == ROWS
    assert rights(superuser) == given
