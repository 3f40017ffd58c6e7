"""Databases copied and replaced: every kind of object, older servers, failures that leave all as it was."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
from conftest import RunningStack
from psycopg2 import sql
from waiting import until

from mlpipes_cli.adapters.dump.databases import PostgresDatabases
from mlpipes_cli.adapters.dump.script import adapted
from mlpipes_cli.adapters.embedded.account import find_account
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import env_file
from mlpipes_cli.ports.dumps import Holding

pytestmark = pytest.mark.slow
PASSWORD = "p:/@ ä%'\\"
THINGS = """
    create schema raw_data; create schema "Odd ""one";
    create type public.mood as enum ('ok', 'bad');
    create domain public.positive as integer check (value > 0);
    create type public.pair as (a integer, b text);
    create table public.parent (id serial primary key, mood public.mood not null, n public.positive);
    create table public.child (id bigint generated always as identity primary key,
        parent integer references public.parent on delete cascade, pair public.pair, doc jsonb);
    create table raw_data.parts (day date not null, v double precision) partition by range (day);
    create table raw_data.parts_2025 partition of raw_data.parts
        for values from ('2025-01-01') to ('2026-01-01');
    create table "Odd ""one"."Table; drop" ("col""umn" text, b bytea, a text[]);
    create view public.seen as select id, mood from public.parent;
    create materialized view public.counted as select count(*) as n from public.parent;
    create sequence public.lonely start 41;
    create function public.twice(i integer) returns integer language sql immutable as 'select 2 * i';
    create function public.touch() returns trigger language plpgsql as
        $$ begin new.n := 1; return new; end $$;
    create procedure public.nothing() language sql as 'select 1';
    create aggregate public.total(integer) (sfunc = int4pl, stype = integer);
    create trigger touched before insert on public.parent for each row execute function public.touch();
    create index on public.parent (public.twice(id));
    insert into public.parent (mood) select 'ok' from generate_series(1, 1000);
    insert into public.child (parent, pair, doc) values (1, (1, 'x'), '{"a": [1, null, "\\\\"]}');
    insert into raw_data.parts values ('2025-05-05', 'NaN'), ('2025-05-06', 0.1);
    insert into "Odd ""one"."Table; drop" values
        (e'\\\\.\\nnew\\tline\\\\', '\\x00ff'::bytea, '{a,NULL,"b c"}'),
        (e'\\\\unrestrict x', null, null), ('SET transaction_timeout = 0;', null, null), (null, null, null);
    refresh materialized view public.counted; select nextval('public.lonely');
"""


@contextlib.contextmanager
def cursor(url: str) -> Iterator[psycopg2.extensions.cursor]:
    with contextlib.closing(psycopg2.connect(url)) as link:
        link.autocommit = True
        with link.cursor() as found:
            yield found


_ROWS = {
    **dict.fromkeys("rpm", "select t::text from {} t order by 1"),
    "S": "select last_value, is_called from {}",
}


class Server:
    """Makes databases on a server, each with an owner of its own."""

    def __init__(self, port: int, password: str) -> None:
        self.port = port
        self.root = f"postgresql://postgres:{quote(password, safe='')}@127.0.0.1:{port}/postgres"

    @contextlib.contextmanager
    def database(self, name: str) -> Iterator[str]:
        with cursor(self.root) as root:
            root.execute(f"drop database if exists {name} with (force)")
            root.execute(f"drop role if exists {name}")
            root.execute(f"create role {name} login password %s", (PASSWORD,))
            root.execute(f"create database {name} owner {name}")
            root.execute(f"revoke all on database {name} from public")
            try:
                yield f"postgresql://{name}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{name}"
            finally:
                root.execute(f"drop database {name} with (force)")
                root.execute(f"drop role {name}")


@pytest.fixture(scope="module")
def ours(running_stack: RunningStack) -> Server:
    url = running_stack.environment["MLPIPES_DATABASE_URL"]
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    return Server(port, env_file.read(running_stack.root / ".env")["POSTGRES_PASSWORD"])


def _older() -> Path | None:
    """An older PostgreSQL of this machine."""
    for path in sorted(Path("/usr/lib/postgresql").glob("1[3-7]/bin/postgres")):
        return path.parent
    return None


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    programs = _older()
    if programs is None:
        pytest.skip("needs an older PostgreSQL in /usr/lib/postgresql (Debian's package postgresql)")
    base = tmp_path_factory.mktemp("older")
    account = find_account(programs / "postgres", base)
    data, secret = base / "data", base / "secret"
    data.mkdir(mode=0o700)
    secret.write_text("x\n")
    for path in (data, secret):
        account.own(path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    make = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", f"--pwfile={secret}"]
    make += ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C"]
    subprocess.run(account.command(make), env=environment, cwd="/", check=True, capture_output=True)
    serve = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-c", "unix_socket_directories="]
    server = subprocess.Popen(
        account.command(serve), env=environment, cwd="/", stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        found = Server(port, "x")
        until(lambda: _answers(found.root), 90)
        yield found
    finally:
        server.send_signal(2)
        server.wait(30)
        shutil.rmtree(base)


def _answers(url: str) -> bool:
    with contextlib.suppress(psycopg2.OperationalError), cursor(url):
        return True
    return False


def everything(url: str) -> dict[str, object]:
    """All rows of all tables, and the names of all other objects."""
    with cursor(url) as link:
        link.execute(
            "select n.nspname, c.relname, c.relkind from pg_class c"
            " join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1, 2"
        )
        found: dict[str, object] = {"objects": link.fetchall()}
        for schema, name, kind in found["objects"]:  # type: ignore[attr-defined]
            if kind in _ROWS:
                table = sql.Identifier(schema, name)
                link.execute(sql.SQL(_ROWS[kind]).format(table))
                found[f"{schema}.{name}"] = link.fetchall()
        link.execute(
            "select p.oid::regprocedure::text, r.rolname from pg_proc p join pg_roles r on r.oid = p.proowner"
            " where pronamespace = 'public'::regnamespace order by 1"
        )
        found["functions"] = link.fetchall()
        link.execute("select count(*), count(distinct relowner) from pg_class where relowner <> 10")
        found["owners"] = link.fetchall()
        return found


def dump(url: str, path: Path) -> bytes:
    databases = PostgresDatabases()
    with databases.snapshot(url) as snapshot:
        snapshot.dump(path)
    assert path.stat().st_mode & 0o777 == 0o600
    return path.read_bytes()


def load(url: str, script: bytes, *, commit: bool = True) -> None:
    with PostgresDatabases().loading(url) as loading:
        loading.load(io.BytesIO(script))
        if commit:
            loading.commit()


def test_everything_comes_back_and_on_an_older_server(ours: Server, older: Server, tmp_path: Path) -> None:
    with (
        ours.database("copy_a") as source,
        older.database("copy_b") as there,
        ours.database("copy_c") as back,
    ):
        with cursor(source) as link:
            link.execute(THINGS)
        wanted = everything(source)
        script = dump(source, tmp_path / "a.sql")
        for _ in range(2):  # the second time there is something to drop
            load(there, script)
            assert _unowned(everything(there)) == _unowned(wanted)
        load(back, dump(there, tmp_path / "b.sql"))
        assert _unowned(everything(back)) == _unowned(wanted)
        load(source, script)
        assert everything(source) == wanted
        facts = PostgresDatabases()
        assert facts.facts(source).rows == facts.facts(there).rows
        assert facts.facts(source).rows["raw_data.parts"] == 2
        assert facts.facts(source).revision is None


def _unowned(found: dict[str, object]) -> dict[str, object]:
    functions = [name for name, _ in found["functions"]]  # type: ignore[attr-defined]
    return {**found, "functions": functions}


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text + b"\nselect no_such_function();\n",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace(b"CREATE TABLE public.child", b"CREATE TABEL public.child"),
        lambda text: text + b"\n\\! touch /tmp/never\n",
        lambda text: b"\\! touch /tmp/never\n" + text,
        lambda text: text + b"\ncommit;\nselect no_such_function();\n",
        lambda text: text.replace(b"\nCREATE SCHEMA", b"\ncommit; begin;\nCREATE SCHEMA", 1),
        lambda text: text.replace(b"\nCREATE SCHEMA", b"\nrollback; truncate public.child;\n-- ", 1),
        lambda text: text.replace(b"COPY public.child", b"select 'a COPY public.child"),
        lambda text: text.replace(b"COPY public.child", b"select (1; COPY public.child"),
        lambda text: text.replace(b"\n\\.\n", b"\n"),
        lambda text: text.replace(b"$$", b"$"),
    ],
)  # fmt: skip
def test_a_script_that_fails_changes_nothing(
    ours: Server, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    with ours.database("copy_d") as url:
        with cursor(url) as link:
            link.execute(THINGS)
        script = dump(url, tmp_path / "d.sql")
        assert damage(script) != script
        with cursor(url) as link:
            link.execute("insert into raw_data.parts values ('2025-05-07', 1)")
        before, identity = everything(url), PostgresDatabases().identity(url)
        with pytest.raises(MlpipesError) as caught:
            load(url, damage(script))
        (line,) = caught.value.lines()
        assert "database copy_d at 127.0.0.1" in line or "the database script is damaged" in line
        assert "p:/" not in line
        assert everything(url) == before
        assert PostgresDatabases().identity(url) == identity
        assert not Path("/tmp/never").exists()


def tables(url: str) -> list[Any]:
    """The numbers of the tables; one that is made again has another."""
    with cursor(url) as link:
        link.execute("select oid from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace")
        return list(link.fetchall())


def test_nothing_is_seen_before_the_commit(ours: Server, tmp_path: Path) -> None:
    with ours.database("copy_e") as url:
        with cursor(url) as link:
            link.execute("create table public.t (n integer); insert into public.t values (1)")
        script = dump(url, tmp_path / "e.sql")
        with cursor(url) as link:
            link.execute("insert into public.t values (2)")
        load(url, script, commit=False)
        assert len(everything(url)["public.t"]) == 2  # type: ignore[arg-type]
        before, known = PostgresDatabases().identity(url), tables(url)
        with PostgresDatabases().loading(url) as loading:
            loading.load(io.BytesIO(script))
            assert loading.holds() == Holding({"public.t": 1}, None)
            assert tables(url) == known  # others see the table of before; its rows they would wait for
            loading.commit()
        assert PostgresDatabases().identity(url) != before
        assert len(everything(url)["public.t"]) == 1  # type: ignore[arg-type]


def test_a_snapshot_is_one_moment(ours: Server, tmp_path: Path) -> None:
    with ours.database("copy_f") as url:
        with cursor(url) as link:
            link.execute("create table public.t (n integer); insert into public.t values (1)")
        with PostgresDatabases().snapshot(url) as snapshot:
            with cursor(url) as link:
                link.execute("insert into public.t values (2)")
            snapshot.dump(tmp_path / "f.sql")
            assert snapshot.facts.rows == {"public.t": 1}
        load(url, (tmp_path / "f.sql").read_bytes())
        assert len(everything(url)["public.t"]) == 1  # type: ignore[arg-type]


def test_tables_in_use_and_a_disk_that_is_full(
    ours: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpipes_cli.adapters.dump import script as module

    monkeypatch.setattr(module, "DROP", module.DROP.replace("60s", "200ms"))
    with ours.database("copy_g") as url, contextlib.closing(psycopg2.connect(url)) as user:
        user.cursor().execute("create table public.t (n integer)")
        user.commit()
        text = dump(url, tmp_path / "g.sql")
        user.cursor().execute("select * from public.t")  # and holds its lock
        with pytest.raises(MlpipesError, match="lock timeout") as caught:
            load(url, text)
        assert "close notebooks" in caught.value.hint
        user.rollback()
        user.cursor().execute("insert into public.t select generate_series(1, 100000)")
        user.commit()
        if Path("/dev/full").exists():
            full = pytest.raises(MlpipesError, match="No space left")
            with PostgresDatabases().snapshot(url) as snapshot, full:
                snapshot.dump(Path("/dev/full"))


def test_no_password_shows_in_the_process_list(ours: Server, tmp_path: Path) -> None:
    import psutil

    with ours.database("copy_h") as url, PostgresDatabases().loading(url) as loading:
        loading.load(io.BytesIO(b"select 1;\n-- PostgreSQL database dump complete\n"))
        lines = []
        for one in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):  # some other test's, that ended meanwhile
                lines.append(" ".join(one.cmdline()))
        assert any("psql" in line and "copy_h" in line for line in lines)
        assert not any(quote(PASSWORD, safe="") in line or PASSWORD in line for line in lines)


def test_settings_that_a_server_does_not_know_are_left_out() -> None:
    end = b"-- PostgreSQL database dump complete\n"
    script = b"--\n\n\\restrict abc\nSET a = 1;\nSET transaction_timeout = 0;\nCREATE TABLE t;\nSET b = 1;\n"
    found = b"".join(adapted(io.BytesIO(script + end + b"\\unrestrict abc\n"), {"a"}))
    assert found == b"--\n\nSET a = 1;\nCREATE TABLE t;\nSET b = 1;\n" + end
    long = b"-- a line\n" * 300_000
    assert b"".join(adapted(io.BytesIO(long + end), set())) == long + end
    for unfinished in (b"", script, long):
        with pytest.raises(MlpipesError, match="incomplete"):
            b"".join(adapted(io.BytesIO(unfinished), set()))


@pytest.mark.parametrize("piece", [81, 97, 113, 1 << 20])
def test_options_that_only_one_server_knows_are_left_out(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pg_dump 18.4 writes them of a server 17.12; rows may hold the very same text."""
    from mlpipes_cli.adapters.dump import script as module

    monkeypatch.setattr(module, "_CHUNK", piece)
    monkeypatch.setattr(module, "_TAIL", 80)
    own = b"ALTER TABLE ONLY public.a ALTER COLUMN n SET (pg_attver=22123328);\n"
    both = b"ALTER TABLE ONLY public.a ALTER COLUMN m SET (n_distinct=5, pg_attver=7);\n"
    other = b"ALTER TABLE ONLY public.a ALTER COLUMN m SET (n_distinct=5);\n"
    rows = b"COPY public.a (n) FROM stdin;\n" + own + both + b"\\.\n"
    empty = b"COPY public.b (n) FROM stdin;\n\\.\n"
    filler = b"-- a line\n" * 20  # more than what is held back for the end
    end = b"\n-- PostgreSQL database dump complete\n"
    written = b"CREATE TABLE public.a (n int, m int);\n" + own + both + filler + empty + own + rows + own
    wanted = b"CREATE TABLE public.a (n int, m int);\n" + other + filler + empty + rows
    assert b"".join(adapted(io.BytesIO(written + end), set())) == wanted + end
    assert b"".join(adapted(io.BytesIO(written + filler + end), set())) == wanted + filler + end
