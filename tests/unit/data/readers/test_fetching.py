# ruff: noqa: E501 - tables of cases
"""Sources that are no files here: databases, functions, downloads, folders and catalogs."""

from __future__ import annotations

import gzip
import http.server
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from dataset_reading_help import read

from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.origins import one_read
from mlpipes_cli.data.readers import downloads, resolve
from mlpipes_cli.errors import ConfigError, MlpipesError

AT = "dataset.yaml:2: source"


def refused(folder: Path, settings: str, kind: type[MlpipesError] = ConfigError) -> str:
    with pytest.raises(kind) as caught:
        read(folder, settings)
    return caught.value.lines()[0]


@pytest.fixture
def database(tmp_path: Path) -> str:
    connection = sqlite3.connect(tmp_path / "t.db")
    connection.execute("create table t (a integer, b text, c real)")
    connection.executemany("insert into t values (?, ?, ?)", [(1, "x", 0.5), (2, None, None)])
    connection.commit()
    connection.close()
    return f"sqlite:///{tmp_path}/t.db"


def query(url: str, text: str) -> str:
    return f'source: {{query: "{text}", url: "{url}"}}\n'


def test_a_query_of_any_database(tmp_path: Path, database: str) -> None:
    found, _ = read(tmp_path, query(database, "select * from t order by a"))
    assert found == {"a": [1, 2], "b": ["x", None], "c": [0.5, None]}
    table, _ = read(tmp_path, f"source: {{table: t, url: '{database}'}}\n")
    assert table == found


def test_many_rows_come_in_parts_of_one_type(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpipes_cli.data.readers.kinds.queries._ROWS", 2)
    text = (
        "select 1 as a, null as b union all select 2, null union all select 2.5, 7 union all select null, 8"
    )
    found, _ = read(tmp_path, query(database, text))
    assert found == {"a": [1.0, 2.0, 2.5, None], "b": [None, None, 7, 8]}


WRITES = [
    "delete from t", "drop table t", "insert into t values (3, 'z', 1)", "select 1; drop table t",
    "insert into t values (7, 'q', 1) returning a", "with one as (select 1) delete from t returning a",
    "(with one as (select 1) insert into t select 9, 'z', 1 returning a)", "pragma query_only = off",
    "pragma user_version = 5", "pragma journal_mode = wal", "attach 'x.db' as x", "vacuum into 'x.db'", "",
    "/* a select */ delete from t", "begin", "select load_extension('x')", "explain select 1",
]  # fmt: skip


@pytest.mark.parametrize("text", WRITES)
def test_a_query_can_only_read(tmp_path: Path, database: str, text: str) -> None:
    before = (tmp_path / "t.db").read_bytes()
    assert refused(tmp_path, query(database, text)).startswith(AT)
    assert (tmp_path / "t.db").read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["dataset.yaml", "t.db"]


@pytest.mark.parametrize(
    "text",
    [
        "select a from t where b is not 'x; delete from t' order by a -- drop it\n",
        "/* drop */ with few as (select a from t) select a from few where a > 1;",
        "values (2)",
    ],
)
def test_words_in_quotes_and_comments_are_no_statements(tmp_path: Path, database: str, text: str) -> None:
    found, _ = read(tmp_path, query(database, text.replace("\n", "\\n")))
    assert [values[-1] for values in found.values()] == [2]


def test_a_database_file_is_found_from_the_folder_of_the_file(tmp_path: Path, database: str) -> None:
    assert read(tmp_path, query("sqlite:///t.db", "select max(a) as a from t"))[0] == {"a": [2]}
    assert refused(tmp_path, query("sqlite:///none.db", "select 1")).startswith(
        f"{AT}: the database does not"
    )
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(
    ("dialect", "text", "expected"),
    [
        ("mysql", r"select 'it\'s; drop', \"a; b\" from `a;b`", True),
        ("mysql", r"select '\\'; drop table t", False),
        ("mysql", "select /*! 1 */ a into outfile 'x' from t", False),
        ("mysql", "select 1 /*!; drop table t */", False),
        ("mysql", "select replace(a, 'b', 'c') from t", True),
        ("mysql", "call f()", False),
        ("mssql", "select * into copy from t", False),
        ("mssql", "exec f", False),
        ("duckdb", "from t select a", True),
        ("duckdb", "copy t to 'x.csv'", False),
        ("oracle", "select $q$; drop$q$ from dual", True),
        ("oracle", "values (1)", True),
    ],
)
def test_one_statement_that_reads_in_any_dialect(dialect: str, text: str, expected: bool) -> None:
    assert one_read.reads(text, dialect) is expected


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("$NOT_SET_HERE", f"{AT} -> url: the environment variable NOT_SET_HERE is not set"),
        ("oracle9://x", f"{AT}: SQLAlchemy has no driver for 'oracle9'"),
        ("nothing", f"{AT}: the URL is not one that SQLAlchemy takes"),
        ("sqlite:////nowhere/at/all.db", f"{AT}: the database does not answer"),
    ],
)
def test_a_wrong_address_of_a_database(tmp_path: Path, url: str, said: str) -> None:
    assert refused(tmp_path, query(url, "select 1")).startswith(said)


def test_a_failing_query(tmp_path: Path, database: str) -> None:
    assert refused(tmp_path, query(database, "select 1 as y, 2 as y")) == (
        f"{AT}: the query of the database: duplicate column names: 'y'; rename them"
    )
    assert refused(tmp_path, query(database, "select absent from t")).startswith(
        f"{AT}: the query failed: no such column"
    )


def module(folder: Path, name: str, text: str) -> str:
    (folder / f"{name}.py").write_text(f"import pandas as pd\n{text}\n")
    return f"source: {{function: '{name}:rows'}}\n"


def test_a_function_returns_a_frame_or_yields_frames(tmp_path: Path) -> None:
    one = module(
        tmp_path, "returns_one", "def rows():\n    return pd.DataFrame({'a': [1, None], 'b': ['x', 5]})"
    )
    assert read(tmp_path, one)[0] == {"a": [1.0, None], "b": ["x", "5"]}
    parts = "def rows():\n    for at in range(3):\n        yield pd.DataFrame({'a': [at], 'b': [pd.Timestamp('2024-05-31')]})"
    found, _ = read(tmp_path, module(tmp_path, "yields_some", parts))
    assert found["a"] == [0, 1, 2] and found["b"] == [pd.Timestamp("2024-05-31").to_pydatetime()] * 3


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("f_none", "def rows():\n    return 5", "f_none:rows returned int, not a frame"),
        ("f_text", "def rows():\n    yield 'x'", "f_text:rows yielded str, not a pandas frame"),
        ("f_other", "def row():\n    pass", "f_other has no function 'rows'; did you mean 'row'?"),
        ("f_raises", "def rows():\n    return 1 / 0", "f_raises:rows raised ZeroDivisionError at f_raises.py:3: division"),
        ("f_exits", "def rows():\n    raise SystemExit(0)", "f_exits:rows raised SystemExit at f_exits.py:3: 0"),
        ("f_ends", "import os\ndef rows():\n    os._exit(0)", "f_ends:rows raised ExitCalled at f_ends.py:4: os._exit(0)"),
        ("f_late", "def rows():\n    yield pd.DataFrame({'a': [1]})\n    raise SystemExit", "f_late:rows raised SystemExit at f_late.py:4"),
        ("f_leaves", "raise SystemExit(0)", "f_leaves:rows raised SystemExit at f_leaves.py:2"),
        ("f_twice", "def rows():\n    return pd.DataFrame([[1, 2]], columns=['a', 'a'])", "f_twice:rows: two columns have the name 'a'"),
        ("f_import", "import not_there_at_all\n", "f_import:rows raised ModuleNotFoundError at f_import.py:2"),
        ("f_parts", "def rows():\n    yield pd.DataFrame({'a': [1]})\n    yield pd.DataFrame({'b': [1]})",
         "f_parts:rows: part 2 has other columns: b"),
    ],
)  # fmt: skip
def test_a_function_that_fails(tmp_path: Path, name: str, text: str, said: str) -> None:
    assert said in refused(tmp_path, module(tmp_path, name, text), MlpipesError)


def test_what_a_function_prints_is_no_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "print('import')\ndef rows():\n    print('before')\n    yield pd.DataFrame({'a': [1]})\n    print('after')"
    assert read(tmp_path, module(tmp_path, "f_prints", text))[0] == {"a": [1]}
    assert tuple(capsys.readouterr()) == ("", "import\nbefore\nafter\n")


def test_a_module_that_is_not_there(tmp_path: Path) -> None:
    assert "no module 'absent_module' in" in refused(tmp_path, "source: {function: 'absent_module:rows'}\n")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        content = b"a,b\n1,x\n2,y\n"
        name = self.path.split("?")[0]
        self.send_response(404 if name == "/none.csv" else 302 if name == "/moved" else 200)
        if name == "/moved":
            self.send_header("location", "/t.csv")
        if name == "/typed":
            self.send_header("content-type", "text/csv; charset=utf-8")
        if name == "/login.csv":
            content = b"<html>sign in</html>"
            self.send_header("content-type", "text/html; charset=utf-8")
        if name == "/packed.csv":
            content = gzip.compress(content)
            self.send_header("content-encoding", "gzip")
        if name == "/parts.csv":  # an answer in parts whose last part does not come
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"4\r\na,b\n\r\n")
            self.close_connection = True
            return
        broken = 100 if name == "/broken.csv" else 0
        self.send_header(
            "content-length", str(0 if name in ("/moved", "/none.csv") else len(content) + broken)
        )
        self.end_headers()
        if name not in ("/moved", "/none.csv"):
            self.wfile.write(content)
        self.close_connection = bool(broken)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()
    thread.join()


def test_a_download(tmp_path: Path, server: str) -> None:
    for path in ("/t.csv?token=secret", "/typed", "/packed.csv"):
        found, reading = read(tmp_path, f"source: {server}{path}\n")
        assert found == {"a": [1, 2], "b": ["x", "y"]}
        assert "secret" not in reading.inputs[0].shown


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/none.csv", ": the server answered 404"),
        ("/untyped", ": unknown kind of file (no type)"),
        ("/broken.csv", ": cannot be downloaded (peer closed connection"),
        ("/parts.csv", ": cannot be downloaded (peer closed connection"),
        ("/login.csv", ": the server answered with a web page, such as one to log in"),
    ],
)
def test_a_download_that_fails(tmp_path: Path, server: str, path: str, said: str) -> None:
    assert refused(tmp_path, f"source: {server}{path}\n", MlpipesError).startswith(
        f"{AT}: {server}{path}{said}"
    )


def test_a_redirect_ends_at_a_file(tmp_path: Path, server: str) -> None:
    assert ": unknown kind of file" in refused(tmp_path, f"source: {server}/moved\n")


def test_a_download_has_a_limit(tmp_path: Path, server: str) -> None:
    with pytest.raises(ConfigError) as caught:
        downloads.download(
            f"{server}/t.csv", tmp_path, parse_yaml("source: x\n", "d.yaml"), ("source",), most=5
        )
    assert "the limit is 0 MB" in caught.value.lines()[0]


def test_no_server(tmp_path: Path) -> None:
    assert "cannot be downloaded" in refused(tmp_path, "source: http://127.0.0.1:9/t.csv\n", MlpipesError)


def test_several_files_globs_and_folders(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,a\n")
    (tmp_path / "b.csv").write_text("y;x\nb;2,5\n")  # another order, and another way of writing
    assert read(tmp_path, "source: '*.csv'\n")[0] == {"x": [1.0, 2.5], "y": ["a", "b"]}
    assert read(tmp_path, "source: [b.csv, a.csv]\n")[0] == {"y": ["b", "a"], "x": [2.5, 1.0]}
    folder = tmp_path / "parts"
    folder.mkdir()
    for at in range(3):
        pd.DataFrame({"x": [at]}).to_parquet(folder / f"{at}.parquet")
    assert read(tmp_path, "source: parts\n")[0] == {"x": [0, 1, 2]}
    assert refused(tmp_path, "source: '*.tsv'\n") == f"{AT}: *.tsv: no file matches"
    assert refused(tmp_path, "source: c.csv\n").startswith(f"{AT}: c.csv: no such file")
    assert "are files of different kinds" in refused(tmp_path, "source: [a.csv, parts]\n")
    for twice in ("[a.csv, ./a.csv]", "['*.csv', b.csv]"):
        assert "is named twice, and its rows would be loaded twice" in refused(tmp_path, f"source: {twice}\n")
    (tmp_path / "c.csv").write_text("x,z\n1,a\n")
    assert refused(tmp_path, "source: '*.csv'\n").startswith(f"{AT}: c.csv: other columns than a.csv")


def test_catalogs_and_unknown_schemes(tmp_path: Path) -> None:
    found, _ = read(tmp_path, "source: sklearn:iris\n")
    assert len(found["target"]) == 150
    assert "did you mean 'iris'" in refused(tmp_path, "source: sklearn:irsi\n")
    assert refused(tmp_path, "source: ftp://x/y.csv\n").startswith(f"{AT}: unknown kind of source 'ftp'")
    assert "write s3://bucket" in refused(tmp_path, "source: s3://bucket\n")


def test_a_file_that_is_gone_after_it_was_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    found = resolve.open_file(path, "a.csv", Formats())
    path.unlink()
    assert found.size == 4
