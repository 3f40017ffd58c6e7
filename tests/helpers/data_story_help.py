"""The story of a data set on a stack that is up: from any source to predictions of a model."""

from __future__ import annotations

import csv
import functools
import io
import random
import statistics
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg2
from conftest import Cli, Result

ROWS = 300
EXPERIMENT = """
experiment: loans
data: {source: "dataset:loans", target: approved}
metric: ks
runs:
  - {name: logistic, trainer: sklearn, estimator: sklearn.linear_model.LogisticRegression}
"""
CHECKS = """
checks:
  - {rows: {min: 100}}
  - {sql: "select * from raw_data.loans where income < 0"}
split: {validation: 0.1, test: 0.2, seed: 5, stratify: approved}
clean:
  - {fill: {age: median}}
"""


def table() -> str:
    """Return a CSV file of loan applications, with gaps in the ages."""
    draw, text = random.Random(3), io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["id", "age", "income", "approved"])
    for number in range(ROWS):
        income = round(draw.lognormvariate(10, 0.5), 2)
        age = draw.choice(["", *[draw.randint(18, 80)] * 5])
        rows.writerow([number, age, income, "yes" if income + draw.gauss(0, 8000) > 22_000 else "no"])
    return text.getvalue()


@contextmanager
def http_folder(folder: Path) -> Iterator[str]:
    """Serve a folder by HTTP; give the address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def run(cli: Cli, root: Path, source: str, environment: Mapping[str, str] | None = None) -> None:
    """Infer, load, check, prepare, profile, compare, train, promote, serve and predict."""

    def mlpipes(*words: str) -> Result:
        return cli(*words, cwd=root, env=dict(environment or {})).ok()

    mlpipes("data", "infer", source, "--output", "dataset.yaml")
    text = (root / "dataset.yaml").read_text()
    assert "dataset: loans" in text and "approved:" in text
    loaded = mlpipes("data", "load", "--json").json
    assert (loaded["rows"], loaded["added"], loaded["set_aside"]) == (ROWS, ROWS, 0)
    assert mlpipes("data", "load", "--json").json["added"] == 0
    first = mlpipes("data", "prepare", "--json").json
    kept = text.splitlines()
    cut = next((at for at, line in enumerate(kept) if line.startswith(("split:", "# split"))), len(kept))
    (root / "dataset.yaml").write_text("\n".join(kept[:cut]) + CHECKS)
    checked = mlpipes("data", "check", "--json").json
    assert checked["ok"] and {"rows: min 100"} <= {one["check"] for one in checked["checks"]}
    second = mlpipes("data", "prepare", "--json").json
    assert (first["version"], second["version"]) == (1, 2)
    assert second["splits"] == {"train": 210, "validation": 30, "test": 60}
    url = mlpipes("env", "--json").json["MLPIPES_DATABASE_URL"]
    with closing(psycopg2.connect(url)) as link, link.cursor() as cursor:
        cursor.execute(
            "select r.age from clean_data.loans c join raw_data.loans r using (id)"
            " where c._split = 'train' and r.age is not null"
        )
        median = statistics.median(age for (age,) in cursor.fetchall())
        cursor.execute(
            "select distinct c.age from clean_data.loans c join raw_data.loans r using (id)"
            " where r.age is null"
        )
        assert cursor.fetchall() == [(median,)]  # of the training rows alone
    moved = mlpipes("data", "diff", "loans", "1", "2", "--json").json
    assert (moved["rows"]["added"], moved["rows"]["removed"]) == (0, 0)
    assert moved["rows"]["columns"]["age"] == table().count(",,")
    assert [one["version"] for one in mlpipes("data", "versions", "loans", "--json").json] == [2, 1]
    mlpipes("data", "profile", "--output", "profile.html")
    assert "approved" in (root / "profile.html").read_text()
    (root / "loans.yaml").write_text(EXPERIMENT)
    report = mlpipes("train", "loans.yaml", "--json").json
    assert report["runs"][0]["metrics"]["ks"] > 0.3
    assert mlpipes("promote", "--metric", "ks", "--experiment", "loans", "--json").json["to_version"] == 1
    mlpipes("serve", "--model", "loans", "--detach")
    (root / "new.csv").write_text("id,age,income\n1,40,90000\n2,40,2000\n")
    answers = mlpipes("predict", "new.csv", "--json").json["predictions"]
    assert [one["prediction"] for one in answers] == ["yes", "no"]
