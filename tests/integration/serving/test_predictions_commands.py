"""``feedback``, ``performance`` and ``predictions`` on a running stack."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import log_help
import numpy as np
import pandas as pd
import pytest
import serving_help
from conftest import RunningStack
from log_help import Row
from scipy.stats import ks_2samp

pytestmark = pytest.mark.slow
MODEL = "judged-people"
SEPTEMBER, OCTOBER = (log_help.milliseconds(f"2026-{month}") for month in ("09-01", "10-01"))
ONES = 400


class Judged:
    """A registered model with predictions in two months, a challenger's mirrored ones, and their truth."""

    def __init__(self, stack: RunningStack) -> None:
        self.stack, self.url = stack, stack.environment["MLPIPES_DATABASE_URL"]
        uri = stack.environment["MLFLOW_TRACKING_URI"]
        self.version = serving_help.registered(uri, MODEL, classes=("bad", "good"))
        random = np.random.default_rng(0)
        self.truth = ["good" if n % 3 else "bad" for n in range(ONES)]
        strength = [0.25 if label == "good" else -0.25 for label in self.truth]
        self.rows = [
            self._row(n, SEPTEMBER if n < ONES // 2 else OCTOBER, 0.5 + strength[n] * random.normal(1, 1))
            for n in range(ONES)
        ]
        self.shadows = [
            Row(
                row.made_at + 1,
                row.caller_id,
                MODEL,
                99,
                "staging",
                {},
                row.prediction,
                0.5,
                row.prediction_id,
            )
            for row in self.rows[:50]
        ]

    def _row(self, n: int, month: int, score: float) -> Row:
        score = min(max(score, 0.01), 0.99)
        said = "good" if score > 0.5 else "bad"
        return Row(
            month + n,
            f"c{n}",
            MODEL,
            self.version,
            inputs={"age": n, "city": "Köln"},
            prediction=said,
            scores=score,
        )

    def run(self, *words: str | Path) -> Any:
        return self.stack.cli(*words, "--model", MODEL)

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        import psycopg2

        link = psycopg2.connect(self.url)
        try:
            with link, link.cursor() as cursor:
                cursor.execute(query)
                return cursor.fetchall() if cursor.description else []
        finally:
            link.close()


@pytest.fixture(scope="module")
def world(running_stack: RunningStack) -> Judged:
    running_stack.cli("predictions", "list").ok()  # makes the tables
    return Judged(running_stack)


@pytest.fixture
def judged(world: Judged) -> Iterator[Judged]:
    log_help.add(world.url, [*world.rows, *world.shadows])
    yield world
    world.sql(
        "delete from serving.ground_truth where prediction_id in"
        f" (select prediction_id from serving.predictions where model_name = '{MODEL}')"
    )
    world.sql(f"delete from serving.predictions where model_name = '{MODEL}'")


def table(judged: Judged, folder: Path, rows: int = ONES) -> Path:
    path = folder / "truth.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ID", "Y", "else"])
        writer.writerows([f"c{n}", judged.truth[n], n] for n in range(rows))
    return path


def counts(document: Any) -> tuple[int, int, int, int, int]:
    return tuple(document[name] for name in ("stored", "corrected", "unchanged", "unknown", "without_value"))  # type: ignore[return-value]


def test_feedback_of_every_kind_of_table(judged: Judged, tmp_path: Path) -> None:
    plain = table(judged, tmp_path)
    assert counts(judged.run("feedback", plain, "--json").ok().json) == (400, 0, 0, 0, 0)
    packed = tmp_path / "truth.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert counts(judged.run("feedback", packed, "--json").ok().json) == (0, 0, 400, 0, 0)

    parquet = tmp_path / "truth.parquet"
    frame = pd.DataFrame({"prediction_id": [row.prediction_id for row in judged.rows[:3]], "value": "good"})
    frame.to_parquet(parquet)
    assert counts(judged.run("feedback", parquet, "--json").ok().json) == (0, 1, 2, 0, 0)

    document = tmp_path / "truth.json"
    rows = [{"who": "c0", "was": "bad"}, {"who": "nobody", "was": "bad"}, {"who": "c1", "was": None}]
    document.write_text(json.dumps(rows))
    strangers = tmp_path / "unknown.csv"
    done = judged.run(
        "feedback", document, "--id-column", "who", "--value-column", "was", "--unknown", strangers, "--json"
    ).ok()
    assert counts(done.json) == (0, 1, 0, 1, 1)
    assert strangers.read_text().split() == ["who", "nobody"]
    shown = judged.run("feedback", document, "--id-column", "who", "--value-column", "was").ok().out
    assert "1 unchanged" in shown and "1 rows without a prediction: nobody" in shown
    sources = judged.sql("select distinct split_part(source, ' ', 1) from serving.ground_truth order by 1")
    assert {("truth.csv",), ("truth.json",)} <= set(sources)


def test_feedback_that_is_wrong_stores_nothing(judged: Judged, tmp_path: Path) -> None:
    file = tmp_path / "truth.csv"
    file.write_text("ID,Y\nc0,good\nc1,ugly\n")
    wrong = judged.run("feedback", file)
    assert wrong.code == 2
    assert (
        wrong.err == f'error: {file}: column \'Y\', row 2: expected one of "bad", "good"; correct the row\n'
    )
    file.write_text("prediction_id,Y\n17,good\n")
    assert "column 'prediction_id', row 1: expected a prediction's UUID" in judged.run("feedback", file).err
    file.write_text("name,Y\nc0,good\n")
    missing = judged.run("feedback", file)
    assert (missing.code, "set --id-column; columns: 'name', 'Y'" in missing.err) == (2, True)
    file.write_text("ID,Y\nnobody,good\n")
    nothing = judged.run("feedback", file, "--json")
    assert (nothing.code, nothing.json["unknown_ids"]) == (1, ["nobody"])
    assert "no row matches a stored prediction of model 'judged-people'" in nothing.err
    file.write_text("ID,Y\nc0,\n")
    assert "no row has a value in column 'Y'" in judged.run("feedback", file).err
    other = judged.stack.cli("feedback", file, "--model", "judged-peple")
    assert (other.code, "did you mean 'judged-people'?" in other.err) == (2, True)
    assert judged.run("feedback", file, "--version", "7").code == 1
    ids = ", ".join(f"'{row.prediction_id}'" for row in judged.rows)
    assert judged.sql(f"select count(*) from serving.ground_truth where prediction_id in ({ids})") == [(0,)]


def lines(judged: Judged, *words: str) -> list[dict[str, Any]]:
    return judged.run("performance", "--json", *words).ok().json["lines"]


def test_performance_by_version_and_month(judged: Judged, tmp_path: Path) -> None:
    before = lines(judged)
    assert [line["note"] for line in before] == ["no ground truth yet"] * 3
    judged.run("feedback", table(judged, tmp_path, 300)).ok()
    september, october, mirrored = lines(judged)
    assert (september["period"], october["period"]) == ("2026-09-01", "2026-10-01")
    assert (september["predictions"], september["with_truth"], october["with_truth"]) == (200, 200, 100)
    good, bad = (
        [row.scores for row, label in zip(judged.rows[:200], judged.truth, strict=False) if label == wanted]
        for wanted in ("good", "bad")
    )
    assert september["metrics"]["ks"] == pytest.approx(ks_2samp(good, bad).statistic, abs=1e-12)
    low, high = september["intervals"]["ks"]
    assert low < september["metrics"]["ks"] < high
    assert september["prevalence"] == len(good) / 200
    assert (september["positive"], september["described"], september["task"]) == (
        "good",
        "registry",
        "binary",
    )
    assert (mirrored["version"], mirrored["predictions"], mirrored["mirrored"]) == (99, 50, 50)
    assert (mirrored["with_truth"], mirrored["note"]) == (
        50,
        "too few: 17 rows of the rarer class, at least 20 are needed",
    )
    assert mirrored["metrics"] == {}

    (whole,) = lines(judged, "--period", "all", "--version", str(judged.version), "--metric", "roc_auc")
    assert (list(whole["metrics"]), whole["with_truth"], whole["period"]) == (["roc_auc"], 300, None)
    assert len(lines(judged, "--since", "2026-09-30T12:00Z", "--alias", "production")) == 1
    shown = judged.run("performance").ok().out
    assert "ks" in shown and "version 99, 2026-09-01: too few: 17 rows" in shown
    unfit = judged.run("performance", "--metric", "rmse")
    assert (unfit.code, "'rmse' does not apply to a binary target" in unfit.err) == (2, True)


def test_performance_counts_a_caller_once(judged: Judged, tmp_path: Path) -> None:
    judged.run("feedback", table(judged, tmp_path, 200)).ok()
    once = lines(judged, "--period", "all", "--version", str(judged.version))[0]
    assert once["ids"] == once["with_truth"] == 200
    again = [
        Row(
            row.made_at + n,
            row.caller_id,
            MODEL,
            judged.version,
            prediction=row.prediction,
            scores=row.scores,
        )
        for row in judged.rows[:200]
        for n in range(1, 4)
    ]
    log_help.add(judged.url, again)
    file = tmp_path / "all.csv"
    truths = [(row.prediction_id, judged.truth[n // 3]) for n, row in enumerate(again)]
    file.write_text("prediction_id,value\n" + "".join(f"{ident},{label}\n" for ident, label in truths))
    judged.run("feedback", file).ok()
    often = lines(judged, "--period", "all", "--version", str(judged.version))[0]
    assert (often["with_truth"], often["ids"]) == (800, 200)
    assert often["metrics"] == pytest.approx(once["metrics"])
    for name, pair in once["intervals"].items():
        # Labels of a caller's rows have another method; rows that counted four times would halve the length.
        assert often["intervals"][name] == pytest.approx(pair, abs=0.025), name
    shown = judged.run("performance", "--period", "all").ok().out
    assert "800 rows of 200 caller ids; the intervals count each id once" in " ".join(shown.split())


def test_performance_outlives_the_version(judged: Judged, tmp_path: Path) -> None:
    uri = judged.stack.environment["MLFLOW_TRACKING_URI"]
    version = serving_help.registered(uri, MODEL, "staging", classes=("bad", "good"))
    mine = [
        Row(row.made_at + 9, f"d{n}", MODEL, version, prediction=row.prediction, scores=row.scores)
        for n, row in enumerate(judged.rows)
    ]
    log_help.add(judged.url, mine)
    file = tmp_path / "truth.csv"
    file.write_text("id,value\n" + "".join(f"d{n},{label}\n" for n, label in enumerate(judged.truth)))
    judged.run("feedback", file, "--version", str(version)).ok()
    asked = ("--period", "all", "--version", str(version))
    (known,) = lines(judged, *asked)
    code = "import sys, mlflow\nmlflow.MlflowClient().delete_model_version(sys.argv[1], sys.argv[2])\n"
    environment = os.environ | {"MLFLOW_TRACKING_URI": uri}
    subprocess.run([sys.executable, "-c", code, MODEL, str(version)], env=environment, check=True)
    (gone,) = lines(judged, *asked)
    assert (known["described"], gone["described"]) == ("registry", "predictions")
    assert gone["metrics"] == known["metrics"] and gone["positive"] == "good"


def test_list_and_export(judged: Judged, tmp_path: Path) -> None:
    judged.run("feedback", table(judged, tmp_path, 10)).ok()
    newest = judged.run("predictions", "list", "--limit", "2", "--json").ok().json
    assert [row["caller_id"] for row in newest] == ["c399", "c398"]
    assert newest[0]["inputs"] == {"age": 399, "city": "Köln"}
    shown = judged.run("predictions", "list", "--limit", "2").ok().out
    assert judged.rows[-1].prediction_id in shown

    file = tmp_path / "log.parquet"
    told = judged.run("predictions", "export", "-o", file, "--json").ok().json
    frame = pd.read_parquet(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert told["rows"] == len(frame) == ONES + 50
    assert frame["made_at"].is_monotonic_increasing and str(frame["made_at"].dtype).endswith("UTC]")
    own = frame[frame["shadow_of"].isna()]
    assert own["caller_id"].tolist() == [f"c{n}" for n in range(ONES)]
    assert own["truth"].tolist()[:10] == judged.truth[:10] and own["truth"].notna().sum() == 10
    assert frame["truth"].notna().sum() == 20  # the shadows' too
    assert own["score"].tolist() == [row.scores for row in judged.rows]
    assert json.loads(own["inputs"].iloc[3]) == {"age": 3, "city": "Köln"}

    judged.run("predictions", "export", "-o", file, "--columns", "--version", str(judged.version)).ok()
    flat = pd.read_parquet(file)
    assert flat["input_age"].tolist() == list(range(ONES)) and set(flat["input_city"]) == {"Köln"}
    nothing = judged.run("predictions", "export", "-o", file, "--since", "2030-01-01", "--json").ok().json
    assert (nothing["rows"], len(pd.read_parquet(file))) == (0, 0)
    for output, word in ((tmp_path / "log.csv", ".parquet"), (tmp_path / "none" / "log.parquet", "folder")):
        refused = judged.run("predictions", "export", "-o", output)
        assert (refused.code, word in refused.err) == (2, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.parquet", "truth.csv"]


def test_prune_asks_and_says_how_many(judged: Judged, tmp_path: Path) -> None:
    judged.run("feedback", table(judged, tmp_path, 210)).ok()
    before = "2026-10-01T00:00:00Z"
    dry = judged.run("predictions", "prune", "--older-than", before, "--dry-run", "--json").ok().json
    assert (dry["predictions"], dry["truths"], dry["dry_run"]) == (250, 200, True)
    asked = judged.run("predictions", "prune", "--older-than", before)
    assert (asked.code, "add --yes, or --dry-run" in asked.err) == (2, True)
    future = judged.run("predictions", "prune", "--older-than", "2999-01-01", "--yes")
    assert (future.code, "in the future" in future.err) == (2, True)
    assert len(judged.sql(f"select 1 from serving.predictions where model_name = '{MODEL}'")) == 450
    done = judged.run("predictions", "prune", "--older-than", before, "--yes").ok()
    assert done.out.startswith("removed: 250 predictions of model 'judged-people' made before 2026-10-01")
    assert len(judged.sql(f"select 1 from serving.predictions where model_name = '{MODEL}'")) == 200
    assert lines(judged, "--period", "all")[0]["with_truth"] == 10
