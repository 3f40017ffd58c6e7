"""Loads a CSV file of 284,807 rows and 31 columns into PostgreSQL, by `mlpipes data load` and by others.

    python benchmarks/data/load.py [--rows N] [--rounds N] [--without to_sql] [--memory]

Starts a stack of its own (runtime embedded) in a temporary folder, and removes it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg2

ROWS = 284_807
MLPIPES = [sys.executable, "-m", "mlpipes_cli"]


def write(path: Path, rows: int) -> None:
    """The columns of the public data set of card payments: a time, 28 numbers, an amount, a class."""
    random = np.random.default_rng(1)
    for start in range(0, rows, 100_000):
        n = min(100_000, rows - start)
        columns = {"Time": np.sort(random.integers(0, 172_792, n)).astype(float)}
        columns |= {f"V{at}": random.normal(size=n) for at in range(1, 29)}
        columns |= {
            "Amount": random.gamma(1, 80, n).round(2),
            "Class": (random.random(n) < 0.0017).astype(int),
        }
        pd.DataFrame(columns).to_csv(path, mode="a", header=start == 0, index=False)


def write_texts(path: Path, rows: int) -> None:
    """Identifiers, names, notes and days: columns of which each row has a value of its own."""
    random = np.random.default_rng(2)
    for start in range(0, rows, 100_000):
        n = min(100_000, rows - start)
        numbers = random.integers(0, 10**12, n)
        columns = {
            "ID": np.arange(start, start + n),
            "Name": [f"customer {number}" for number in random.permutation(n) + start],
            "Note": [f"order {number} with some words, and more" for number in numbers],
            "Day": np.datetime64("2024-01-01") + random.integers(0, 300, n),
            "Paid": random.random(n) < 0.5,
        }
        pd.DataFrame(columns).to_csv(path, mode="a", header=start == 0, index=False)


# How each table is written, and for how many rows it takes as much space as one row of numbers.
TABLES: dict[str, tuple[Callable[[Path, int], None], int]] = {
    "numbers": (write, 1),
    "texts": (write_texts, 6),
}


def mlpipes(root: Path, *words: str) -> None:
    subprocess.run([*MLPIPES, "-C", str(root), *words], check=True, capture_output=True)


def types_of(path: Path) -> list[tuple[str, str]]:
    frame = pd.read_csv(path, nrows=1000)
    return [
        (name, "bigint" if kind.kind == "i" else "double precision") for name, kind in frame.dtypes.items()
    ]


def contestants(root: Path, path: Path, url: str) -> dict[str, Callable[[], object]]:
    from mlpipes_cli.api import Project

    project = Project(root, on_event=lambda _: None)

    def ours() -> float:
        connection = psycopg2.connect(url)
        with connection, connection.cursor() as cursor:
            cursor.execute("drop table if exists raw_data.card; delete from raw_data._loads")
        connection.close()
        started = time.perf_counter()
        project.data.load("dataset.yaml")
        return time.perf_counter() - started

    def copy() -> None:
        connection = psycopg2.connect(url)
        with connection, connection.cursor() as cursor, path.open("rb") as file:
            columns = ", ".join(f'"{name}" {kind}' for name, kind in types_of(path))
            cursor.execute(f"drop table if exists copied; create table copied ({columns})")
            cursor.copy_expert("copy copied from stdin (format csv, header)", file, size=1 << 20)
        connection.close()

    def adbc() -> None:
        import adbc_driver_postgresql.dbapi
        import pyarrow.csv

        with adbc_driver_postgresql.dbapi.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute("drop table if exists by_adbc")
            cursor.adbc_ingest("by_adbc", pyarrow.csv.open_csv(path), mode="create")
            connection.commit()

    def duckdb() -> None:
        import duckdb

        with duckdb.connect() as connection:
            connection.execute(f"install postgres; load postgres; attach '{url}' as pg (type postgres)")
            connection.execute("drop table if exists pg.public.by_duckdb")
            connection.execute(f"create table pg.public.by_duckdb as from read_csv('{path}')")

    def duckdb_copy() -> None:
        """DuckDB reads and types the file, COPY takes its output: needs no extension of DuckDB."""
        import duckdb

        pipe = root / "duckdb.pipe"
        pipe.unlink(missing_ok=True)
        os.mkfifo(pipe)
        statement = f"copy (from read_csv('{path}')) to '{pipe}' (format csv, header false)"
        writer = threading.Thread(target=lambda: duckdb.connect().execute(statement), daemon=True)
        connection = psycopg2.connect(url)
        with connection, connection.cursor() as cursor:
            columns = ", ".join(f'"{name}" {kind}' for name, kind in types_of(path))
            cursor.execute(f"drop table if exists by_duckdb_copy; create table by_duckdb_copy ({columns})")
            writer.start()
            with pipe.open("rb") as file:
                cursor.copy_expert("copy by_duckdb_copy from stdin (format csv)", file, size=1 << 20)
        connection.close()
        writer.join()

    def to_sql() -> None:
        import sqlalchemy

        engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
        pd.read_csv(path).to_sql("by_pandas", engine, if_exists="replace", index=False)
        engine.dispose()

    return {
        "mlpipes data load": ours,
        "psycopg2 COPY": copy,
        "ADBC": adbc,
        "DuckDB": duckdb,
        "DuckDB, COPY": duckdb_copy,
        "pandas to_sql": to_sql,
    }


def peak(root: Path, url: str) -> float:
    """The peak memory of the command in MB."""
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("drop table if exists raw_data.card; delete from raw_data._loads")
    connection.close()
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, capture_output=True);"
        " print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    command = [sys.executable, "-c", code, *MLPIPES, "-C", str(root), "data", "load"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peaks(root: Path, url: str, path: Path, rows: int, kind: str) -> dict[str, float]:
    """The peak memory for some rows, for 10 times as many, and their ratio."""
    found, (make, times) = [], TABLES[kind]
    for number in (rows * times, 10 * rows * times):
        path.unlink(missing_ok=True)
        make(path, number)
        found += [path.stat().st_size / 1e6, peak(root, url)]
    names = ("file_mb", "peak_mb", "file_mb_of_10_times", "peak_mb_of_10_times")
    return dict(zip(names, found, strict=True)) | {"ratio": found[3] / found[1]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without", nargs="*", default=[])
    parser.add_argument("--memory", action="store_true")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlpipes-bench-") as folder:
        root = Path(folder)
        (root / "mlpipes.yaml").write_text("project: bench\nruntime: embedded\n")
        (root / "dataset.yaml").write_text("dataset: card\nsource: card.csv\n")
        mlpipes(root, "up")
        try:
            measure(root, told)
        finally:
            mlpipes(root, "down", "--volumes", "--yes")


def measure(root: Path, told: argparse.Namespace) -> None:
    path = root / "card.csv"
    if not told.memory:
        write(path, told.rows)
    from mlpipes_cli.adapters import wiring
    from mlpipes_cli.project import find_project

    url = wiring.make_runtime(find_project(root)).endpoints().database_url
    if told.memory:
        write(path, 1000)
        mlpipes(root, "data", "load")  # makes the tables
        print(json.dumps({kind: peaks(root, url, path, told.rows, kind) for kind in TABLES}, indent=2))
        return
    mlpipes(root, "data", "load")
    seconds: dict[str, list[float]] = {}
    left_out: dict[str, str] = {}
    for at in range(told.rounds):
        for name, run in contestants(root, path, url).items():
            if (
                name in left_out
                or any(word in name for word in told.without)
                or (at and name == "pandas to_sql")
            ):
                continue
            started = time.perf_counter()
            try:
                own = run()
            except Exception as error:  # noqa: BLE001 - whatever a library raises
                left_out[name] = f"{type(error).__name__}: {error}".splitlines()[0][:120]
                continue
            seconds.setdefault(name, []).append(
                own if isinstance(own, float) else time.perf_counter() - started
            )
            print(f"{name}: {seconds[name][-1]:.2f} s", file=sys.stderr, flush=True)
    best = {name: min(found) for name, found in seconds.items()}
    ours = best["mlpipes data load"]
    others = [value for name, value in best.items() if name not in ("mlpipes data load", "pandas to_sql")]
    report = {"rows": told.rows, "rounds": told.rounds, "load_average": os.getloadavg()[0], "best": best,
              "all": seconds, "left_out": left_out, "ours_to_best_other": ours / min(others)}  # fmt: skip
    if "pandas to_sql" in best:
        report["to_sql_to_ours"] = best["pandas to_sql"] / ours
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
