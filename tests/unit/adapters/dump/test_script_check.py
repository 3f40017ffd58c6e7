"""Scripts of databases that are not whole, or that end the transaction in which they are run."""

from __future__ import annotations

import io
import time

import pytest

from mlpipes_cli.adapters.dump import script_check
from mlpipes_cli.adapters.dump.script_check import ScriptCheck
from mlpipes_cli.errors import MlpipesError

END = b"--\n-- PostgreSQL database dump complete\n--\n\n"
GOOD = [
    b"",
    b"\\restrict abc\nSET standard_conforming_strings = on;\nselect 1;\n",
    b"select 'it''s; commit;', \"a\"\"b;\", E'a\\';commit;', e'\\\\', 'C:\\';\n",
    b"select $$commit;$$, $a$ $$;\ncommit; $a$;\n",
    b"select E'a'\n 'b\\'; commit; --' ;\n",
    b"/* a /* b */ ; commit; */ select 1; -- commit;\n",
    b"create function f() returns int language sql begin atomic select case when true then 1 end; end;\n",
    b"create or replace procedure p() begin atomic; select 1; end;\n",
    b"create function b.g() returns trigger language plpgsql as $_$ begin return new; end $_$;\n",
    b'COPY public.a (n, "x;y") FROM stdin;\n1\tcommit;\n\'\n\\.\nselect 1;\n',
    b"COPY public.a (n) FROM stdin;\n\\.\n\nCOPY public.b (n) FROM stdin;\n" + b"x" * 999 + b"\\.\n\\.\n",
    b"COPY public.a (n) FROM stdin;\r\n1\r\n\\.\r\n",
    b'COPY public."a\nb;" (n) FROM stdin;\n1\n\\.\n',
    b"create table t (a int check (a > (1)), b$c text);\nalter table t add column ende int;\n",
    "comment on table ü is 'ß; commit;';\n".encode(),
    b"select lowrite(0, '\\x00ff');\n",
]
BAD = {
    b"select 'a;\n": "incomplete",
    b'select "a;\n': "incomplete",
    b"select $a$ a;\n": "incomplete",
    b"select (1;\n": "incomplete",
    b"select 1\n": "incomplete",
    b"/* a /* b */\n": "incomplete",
    b"COPY a (n) FROM stdin;\n1\n": "incomplete",
    b"COPY a (n) FROM stdin;\n1\n \\.\n": "incomplete",
    b"COPY a (n) FROM stdin;\n1\n\\. \n": "incomplete",
    b"create function f() begin atomic select 1;\n": "incomplete",
    b"commit;\n": "its own COMMIT",
    b"select 1; COMMIT ;\n": "its own COMMIT",
    b"/* x */ rollback;\n": "its own ROLLBACK",
    b"select 1;\nend;\n": "its own END",
    b"start transaction;\n": "its own START",
    b"prepare transaction 'a';\n": "its own PREPARE",
    b"select 'a'\n'b\\'; commit; --';\n": "its own COMMIT",
    b"select E'a', 'b\\'; commit; --';\n": "its own COMMIT",
    b"create table begin (a int); commit;\n": "its own COMMIT",
    b"\\! id\n": "a psql command",
    b"select 1 \\g /tmp/x\n": "a psql command",
    b"SET standard_conforming_strings = off;\n": "how PostgreSQL parses quotes",
    b"COPY a TO stdout;\n": "an unexpected COPY statement",
    b"COPY a FROM stdin; select 1; COPY b FROM stdin;\n\\.\n": "an unexpected COPY statement",
    b"COPY a FROM program 'id';\n": "an unexpected COPY statement",
}  # fmt: skip


def read(script: bytes, piece: int) -> bytes:
    source = ScriptCheck(io.BytesIO(script))
    found = b""
    while part := source.read(piece):
        found += part
    return found


@pytest.mark.parametrize("piece", [1, 2, 7, 1 << 20])
def test_whole_scripts_pass_unchanged(piece: int) -> None:
    for script in GOOD:
        assert read(script + END, piece) == script + END
    assert read(b"".join(GOOD) + END + b"\\unrestrict abc\n\n", piece)


@pytest.mark.parametrize("piece", [1, 5, 1 << 20])
@pytest.mark.parametrize("script", BAD)
def test_others_do_not(script: bytes, piece: int) -> None:
    with pytest.raises(MlpipesError) as caught:
        read(script + END, piece)
    assert "the database script is damaged" in caught.value.reason
    assert BAD[script] in caught.value.reason


def test_nothing_stands_behind_the_end_and_no_cut_is_whole() -> None:
    with pytest.raises(MlpipesError, match="incomplete"):
        read(b"select 1;\n" + END + b"select 2;\n", 100)
    whole = b"".join(GOOD) + END
    for size in range(0, whole.index(END[3:-5]), 7):
        with pytest.raises(MlpipesError):
            read(whole[:size], 1 << 20)


def test_long_lines_and_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = b"COPY a (b) FROM stdin;\n" + b"x" * 5_000_000 + b"\n" + b"1\t2\t\\N\n" * 1_000_000 + b"\\.\n"
    began = time.process_time()
    assert len(read(rows + END, 1 << 20)) == len(rows + END)
    assert time.process_time() - began < 5  # 12 MB
    monkeypatch.setattr(script_check, "_LONGEST", 1000)
    assert read(rows[:5_000_000] + b"\n\\.\n" + END, 1 << 20)
    with pytest.raises(MlpipesError, match="too long"):
        read(b"select '" + b"x" * 2000 + b"';\n" + END, 100)
