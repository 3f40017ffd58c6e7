"""The commands on a running stack: serve in front and as a service, predict through it and offline."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import psutil
import pytest
import serving_help
from waiting import until_answered

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stack(running_stack: Any) -> Any:
    """The stack with two registered models, one of three classes."""
    uri = running_stack.environment["MLFLOW_TRACKING_URI"]
    serving_help.registered(uri, "people")
    serving_help.registered(uri, "kinds", classes=["a", "b", "c"])
    return running_stack


@pytest.fixture
def table(tmp_path: Path) -> Path:
    frame = serving_help.people(250, 7)
    frame.insert(0, "ID", [f"{n:04d}" for n in range(250)])
    frame["Y"] = 1
    path = tmp_path / "rows.csv"
    frame.to_csv(path, index=False)
    return path


@contextmanager
def serving(stack: Any, *options: str, path: str = "/ready") -> Iterator[tuple[subprocess.Popen[str], str]]:
    port = serving_help.free_port()
    process = stack.cli.start("serve", "--port", str(port), *options)
    url = f"http://127.0.0.1:{port}"

    try:
        until_answered(process, url + path)
        yield process, url
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    own = psutil.Process(process.pid)
    return [own, *own.children(recursive=True)]


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ((), "/ready"),
        (("--workers", "2"), "/ready"),
        (("--engine", "mlflow"), "/health"),
    ],
)
def test_ctrl_c_ends_it_cleanly_with_all_its_children(
    stack: Any, options: tuple[str, ...], path: str
) -> None:
    with serving(stack, "--model", "people", *options, path=path) as (process, url):
        body = {
            "dataframe_records": [
                {"amount": 1.0, "age": 30, "city": "Paris", "member": True, "since": "2020-01-01"}
            ]
        }
        answer = httpx.post(f"{url}/invocations", json=body, trust_env=False, timeout=60)
        assert answer.json() == {"predictions": [0]}
        processes = family(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out == ""
    assert "Traceback" not in err
    assert f"serving people version 1 (production) at {url}" in err
    assert psutil.wait_procs(processes, timeout=20)[1] == []


def test_workers_end_when_their_parent_is_killed(stack: Any) -> None:
    with serving(stack, "--model", "people", "--workers", "2") as (process, _):
        processes = family(process)
        assert len(processes) >= 3
        process.kill()
        process.communicate()
        assert psutil.wait_procs(processes, timeout=30)[1] == []


def test_a_file_goes_through_the_api_and_offline_with_the_same_result(
    stack: Any, table: Path, tmp_path: Path
) -> None:
    with serving(stack, "--model", "people"):
        shown = stack.cli("predict", table, "--batch-size", "40").ok()
        stack.cli("predict", table, "-o", tmp_path / "api.parquet", "--batch-size", "60").ok()
        told = stack.cli("predict", table, "--json").ok().json
    stack.cli("predict", table, "--offline", "--model", "people", "-o", tmp_path / "offline.json").ok()
    (tmp_path / "shown.csv").write_text(shown.out)
    header = table.read_text().splitlines()[0]
    for name, content in (("none.csv", header + "\n"), ("none.json", "[]")):
        (tmp_path / name).write_text(content)
        wrong = stack.cli(
            "predict", tmp_path / name, "--offline", "--model", "people", "-o", tmp_path / "out.csv"
        )
        assert (wrong.code, "has no rows" in wrong.err) == (2, True), wrong.err
        assert not (tmp_path / "out.csv").exists()
    text = pd.read_csv(tmp_path / "shown.csv", dtype={"ID": str})
    api = pd.read_parquet(tmp_path / "api.parquet")
    offline = pd.DataFrame(json.loads((tmp_path / "offline.json").read_text()))
    assert list(text) == list(api) == ["ID", "prediction", "score", "prediction_id"]
    assert list(offline) == ["ID", "prediction", "score"]
    assert text["ID"].tolist() == api["ID"].tolist() == [f"{n:04d}" for n in range(250)]
    assert told["rows"] == len(told["predictions"]) == 250
    for other in (api, offline):
        assert other["prediction"].tolist() == text["prediction"].tolist()
        assert other["score"].tolist() == pytest.approx(text["score"].tolist(), abs=1e-12)
    stored = stored_ids(stack)
    assert set(text["prediction_id"]) <= stored
    assert set(api["prediction_id"]) <= stored


def stored_ids(stack: Any) -> set[str]:
    from contextlib import closing

    import psycopg2

    url = stack.environment["MLPIPES_DATABASE_URL"]
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("select prediction_id::text from serving.predictions")
        return {identifier for (identifier,) in cursor.fetchall()}


def test_more_classes_have_a_score_each(stack: Any, table: Path) -> None:
    done = stack.cli("predict", table, "--offline", "--model", "kinds", "--json").ok().json
    record = done["predictions"][0]
    assert list(record) == ["ID", "prediction", "score_a", "score_b", "score_c"]
    scores = {label: record[f"score_{label}"] for label in "abc"}
    assert sum(scores.values()) == pytest.approx(1)
    assert record["prediction"] == max(scores, key=lambda label: scores[label])


def test_two_models_are_services_side_by_side(stack: Any, table: Path) -> None:
    people = stack.cli("serve", "--model", "people", "--detach", "--json").ok().json
    try:
        assert httpx.get(f"{people['url']}/ready", trust_env=False).status_code == 200
        assert stack.cli("predict", table).ok().out.startswith("ID,prediction,score,prediction_id\n")
        kinds = stack.cli("serve", "--model", "kinds", "--detach", "--json").ok().json
        assert kinds["url"] != people["url"]
        services = {s["name"]: s for s in stack.cli("status", "--json").ok().json["services"]}
        assert services["api"]["detail"] == "prediction API: people version 1 (production)"
        assert services["api-kinds"]["detail"] == "prediction API: kinds version 1 (production)"
        assert {services[name]["state"] for name in ("api", "api-kinds")} == {"running"}

        unclear = stack.cli("predict", table)
        assert unclear.code == 2
        assert "several models are served: kinds, people; choose one with --model NAME" in unclear.err
        scored = stack.cli("predict", table, "--model", "kinds").ok().out
        assert scored.startswith("ID,prediction,score_a,score_b,score_c,prediction_id\n")
        assert stack.cli("predict", table, "--model", "people").ok().out.startswith("ID,prediction,score,")
    finally:
        ended = stack.cli("up", "--with", "none").ok()
    assert "api: removed" in ended.err and "api-kinds: removed" in ended.err
    names = [s["name"] for s in stack.cli("status", "--json").ok().json["services"]]
    assert "api" not in names and "api-kinds" not in names


def test_another_engine_takes_the_place_of_the_api_and_says_so(stack: Any, table: Path) -> None:
    stack.cli("serve", "--model", "people", "--detach").ok()
    try:
        other = stack.cli("serve", "--model", "people", "--engine", "mlflow", "--detach").ok()
        assert "api: people (production) by MLflow in place of people (production) by the API" in other.err
        services = {s["name"]: s for s in stack.cli("status", "--json").ok().json["services"]}
        detail = "MLflow's server: people version 1 (production); it stores no predictions"
        assert services["api"]["detail"] == detail
        nobody = stack.cli("predict", table)
        assert nobody.code == 1
        assert "no API is running; MLflow's server of 'people' at http://127.0.0.1:" in nobody.err
        assert "or add --offline" in nobody.err
    finally:
        stack.cli("up", "--with", "none").ok()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("serve",), 2, "there are several registered models: "),
        (("serve", "--model", "peple"), 2, "did you mean 'people'?"),
        (("serve", "--model", "people", "--alias", "staging"), 1, "`mlpipes promote --to staging`"),
        (("predict", "{rows}", "--model", "nobody"), 1, "`mlpipes serve`, or add --offline"),
        (("predict", "missing.csv"), 2, "missing.csv: no such file"),
        (("predict", "{rows}", "-o", "out.xls"), 2, "out.xls: unknown kind of file"),
        (("predict", "{rows}", "-o", "no/where.csv"), 2, "no such folder"),
        (("predict", "{few}", "--offline", "--model", "people"), 2, "missing columns 'city', 'member'"),
        (
            ("predict", "{bad}", "--offline", "--model", "people"),
            2,
            "column 'age', row 201: expected a number",
        ),
        (("predict", "{empty}", "--offline", "--model", "people"), 2, "is empty"),
    ],
)
def test_one_clear_line(
    stack: Any, table: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    frame = pd.read_csv(table, dtype=str)
    frame.drop(columns=["city", "member"]).to_csv(tmp_path / "few.csv", index=False)
    frame.loc[200, "age"] = "old"
    frame.to_csv(tmp_path / "bad.csv", index=False)
    (tmp_path / "empty.csv").write_text("")
    names = {"rows": table, "few": tmp_path / "few.csv", "bad": tmp_path / "bad.csv"}
    names["empty"] = tmp_path / "empty.csv"
    before = sorted(tmp_path.iterdir())
    done = stack.cli(*(argument.format(**names) for argument in arguments))
    assert done.code == code, done.err
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert done.out == ""
    assert sorted(tmp_path.iterdir()) == before


def test_a_taken_port_names_its_holder(stack: Any) -> None:
    from urllib.parse import urlsplit

    port = urlsplit(stack.environment["MLFLOW_TRACKING_URI"]).port
    done = stack.cli("serve", "--model", "people", "--port", str(port))
    assert done.code == 1
    assert f"port {port} is taken by" in done.err and "pid" in done.err
