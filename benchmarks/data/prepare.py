# ruff: noqa: E501  statements as somebody would write them
"""`mlpipes data prepare` of 284,807 x 31 rows against the bare SQL of the same steps; prints the ratio.

Usage: python benchmarks/data/prepare.py [--rows N] [--repeat N]

It starts an embedded stack in a temporary folder. The bare SQL is what somebody would write who knows the
steps: a table of the cleaned rows, the split by MD5, the medians and quantiles of the training rows, the
final table and a view. It runs in one session with the same memory settings. Neither side includes the start
of a process; `whole command` does.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import psycopg2

import mlpipes_cli

V = [f"v{number}" for number in range(1, 29)]
COLUMNS = ["time", *V, "amount", "class"]
FILE = """
dataset: cards
source: unused.csv
key: {key}
columns:
  time: {{type: number, min: 0, missing: 0}}
  amount: {{min: 0}}
  class: {{values: [0, 1]}}
checks:
  - {{rows: {{min: 100}}}}
clean:
  - {{where: "amount < 24000"}}
  - {{derive: {{hour: "floor(time / 3600)", log_amount: "ln(1 + amount)"}}}}
  - {{fill: {{v1: median, v2: mean}}}}
  - {{clip: {{v3: {{quantiles: [0.001, 0.999]}}}}}}
  - {{drop: time}}
split: {{validation: 0.1, test: 0.2, seed: 42}}
"""
SETTINGS = "set work_mem = '128MB'; set temp_buffers = '128MB'; set statement_timeout = 0"


def bare(key: str) -> list[str]:
    """The statements of the same work."""
    rest = ", ".join([*V[3:], "amount", "class", "hour", "log_amount"])
    ordered = ", ".join([*COLUMNS, "hour", "log_amount"])
    hashed = f"md5('42:' || {key}::text)" if key else f"md5('42:' || row({ordered})::text)"
    return [
        "begin",
        "select count(*), count(*) filter (where time < 0), count(*) filter (where time is null),"
        " count(*) filter (where amount < 0), count(*) filter (where class not in (0, 1)) from raw_data.cards",
        *(
            ["select count(*) from (select 1 from raw_data.cards group by id having count(*) > 1) t"]
            if key
            else []
        ),
        "create temp table stage as select *, floor(time / 3600) as hour, ln(1 + amount) as log_amount"
        " from raw_data.cards where amount < 24000",
        f"create temp table parts as select _row, case when r <= 0.2 * n then 'test' when r <= 0.3 * n"
        f" then 'validation' else 'train' end as _split from (select _row, row_number() over (order by {hashed})"
        f" as r, count(*) over () as n from stage) t",
        "create temp table learned as select percentile_cont(0.5) within group (order by v1) as v1, avg(v2) as v2"
        " from stage join parts using (_row) where _split = 'train'",
        "create temp table bounds as select percentile_cont(array[0.001, 0.999]) within group (order by v3) as v3"
        " from stage join parts using (_row) where _split = 'train'",
        f"create table clean_data.bare as select {'id, ' if key else ''}coalesce(s.v1, l.v1) as v1,"
        f" coalesce(s.v2, l.v2) as v2, least(greatest(s.v3, b.v3[1]), b.v3[2]) as v3, {rest}, _split, _row"
        f" from stage s join parts using (_row), learned l, bounds b",
        "create view clean_data.bare_view as select * from clean_data.bare",
        "commit",
    ]


def load(url: str, rows: int) -> None:
    """Make the raw table and its record."""
    import json

    from mlpipes_cli.adapters.postgres.database import migrate

    migrate(url)
    types = {
        "id": "integer",
        "time": "number",
        **dict.fromkeys(V, "number"),
        "amount": "number",
        "class": "integer",
    }
    drawn = ", ".join(f"case when random() < 0.01 then null else random() * 10 end as {name}" for name in V)
    with closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
        cursor.execute(
            f"create table raw_data.cards as select n as id, (n % 172800)::double precision as time, {drawn},"
            " random() * 25000 as amount, (random() < 0.002)::int::bigint as class, 1::bigint as _load, n as _row"
            f" from generate_series(1::bigint, {rows}) n"
        )
        cursor.execute(
            "insert into raw_data._loads (dataset, mode, source, fingerprint, rows, added, updated, unchanged,"
            " set_aside, columns, settings, actor, started_at)"
            " values ('cards', 'replace', 'made', 'f', %s, %s, 0, 0, 0, %s, '{}', 'bench', now())",
            (rows, rows, json.dumps([{"name": name, "type": kind} for name, kind in types.items()])),
        )


def reset(url: str) -> None:
    """Remove what a run made."""
    with closing(psycopg2.connect(url)) as link, link.cursor() as cursor:
        link.autocommit = True
        cursor.execute("drop table if exists clean_data.bare cascade")
        cursor.execute("drop view if exists clean_data.cards")
        cursor.execute("drop table if exists clean_data._cards_1")
        cursor.execute("delete from clean_data._versions")


def measure(url: str, project: mlpipes_cli.Project, key: str, repeat: int) -> None:
    (project.root / "dataset.yaml").write_text(FILE.format(key=key or "null"))
    ours, theirs = [], []
    for _ in range(repeat):
        reset(url)
        begin = time.perf_counter()
        with closing(psycopg2.connect(url)) as link, link.cursor() as cursor:
            link.autocommit = True
            cursor.execute(SETTINGS)
            for statement in bare(key):
                cursor.execute(statement)
        theirs.append(time.perf_counter() - begin)
        reset(url)
        begin = time.perf_counter()
        project.data.prepare()
        ours.append(time.perf_counter() - begin)
    reset(url)
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "mlpipes_cli", "-C", str(project.root), "data", "prepare"],
        check=True, capture_output=True,
    )  # fmt: skip
    whole = time.perf_counter() - begin
    mine, bare_ = statistics.median(ours), statistics.median(theirs)
    print(
        f"{'with the key id' if key else 'without a key'}: prepare {mine:.2f} s, bare SQL {bare_:.2f} s,"
        f" ratio {mine / bare_:.2f}; whole command {whole:.2f} s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=284_807)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlpipes-bench-") as folder:
        (Path(folder) / "mlpipes.yaml").write_text("project: bench\nruntime: embedded\n")
        project = mlpipes_cli.Project(folder, on_event=lambda event: None)
        project.up()
        try:
            url = project.env()["MLPIPES_DATABASE_URL"]
            load(url, given.rows)
            for key in ("id", ""):
                measure(url, project, key, given.repeat)
        finally:
            project.down(volumes=True, yes=True)


if __name__ == "__main__":
    main()
