"""A model that an older scikit-learn trained: the same answers from every engine, beside one of our own."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import foreign_model_help
import httpx
import psutil
import pytest
import serving_help
from environment_help import FOLDER
from process_help import commands
from waiting import until, until_answered

pytestmark = pytest.mark.slow
CACHE = {"MLPIPES_CACHE": str(FOLDER.parent)}


@dataclass(frozen=True)
class Mixed:
    """A stack, and what the older environment's own MLflow says of the rows."""

    cli: Any
    uri: str
    old: dict[str, Any]


@pytest.fixture(scope="module")
def python() -> Iterator[tuple[Path, dict[str, Any]]]:
    with foreign_model_help.interpreter() as python:
        yield python


@pytest.fixture(scope="module")
def stack(running_stack: Any, python: Any, tmp_path_factory: pytest.TempPathFactory) -> Mixed:
    """The stack with version 1 of a model, of our own environment, and 2, of an older one, in production."""
    uri = running_stack.environment["MLFLOW_TRACKING_URI"]
    serving_help.registered(uri, "mixed", classes=["no", "yes"])
    folder = tmp_path_factory.mktemp("old") / "model"
    version, old = foreign_model_help.promoted(uri, "mixed", python, folder)
    assert version == 2
    return Mixed(running_stack.cli, uri, old)


@contextlib.contextmanager
def serving(stack: Mixed, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    port = serving_help.free_port()
    cli = stack.cli
    process = cli.start("serve", "--model", "mixed", "--port", str(port), *options, env=CACHE)
    url = f"http://127.0.0.1:{port}"

    try:
        until_answered(process, f"{url}/health", 240)
        yield process, url
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def ask(url: str, route: str = "/predict") -> httpx.Response:
    return httpx.post(f"{url}{route}", json=foreign_model_help.columns(), trust_env=False, timeout=60)


def alias(stack: Mixed, name: str, version: int) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(stack.uri)
    client.set_registered_model_alias("mixed", name, version)


def models_processes(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Of each model's process the one that holds the model, which is a child of its guard."""
    ours = []
    for one in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it ended meanwhile
            if "mlpipes_cli.model_process.server" in one.cmdline():
                ours.append((one, one.ppid()))
    guards = {one.pid for one, _ in ours}
    return [one for one, parent in ours if parent in guards]


def test_the_api_answers_as_the_environment_swaps_dies_and_leaves_nothing(stack: Mixed) -> None:
    assert stack.old["sklearn"] == foreign_model_help.OLD.partition("==")[2]
    with serving(stack) as (process, url):
        foreign_model_help.compare(ask(url).json(), stack.old)
        (holder,) = models_processes(process)

        alias(stack, "production", 1)  # one of our own environment, and back
        serving_help.until(lambda: ask(url).json()["model"]["version"] == 1, 60, "version 1")
        serving_help.until(lambda: not holder.is_running(), 60, "the end of version 2's process")
        assert models_processes(process) == []
        alias(stack, "production", 2)
        serving_help.until(lambda: ask(url).json()["model"]["version"] == 2, 120, "version 2")
        foreign_model_help.compare(ask(url).json(), stack.old)

        statuses, kept = _killed_under_load(process, url)
        assert set(statuses) <= {200, 503}
        assert len(set(kept)) == len(kept)
        database = stack.cli("env", "--json").ok().json["MLPIPES_DATABASE_URL"]
        assert _stored(database, kept) == len(kept)

        left = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate()
        assert psutil.wait_procs(left, timeout=40)[1] == []


def _killed_under_load(process: subprocess.Popen[str], url: str) -> tuple[list[int], list[str]]:
    statuses: list[int] = []
    kept: list[str] = []
    over = threading.Event()

    def client() -> None:
        while not over.is_set():
            answer = ask(url)
            statuses.append(answer.status_code)
            if answer.status_code == 200:
                kept.extend(answer.json()["prediction_ids"])
            else:
                assert answer.headers["retry-after"]

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        serving_help.until(lambda: len(statuses) > 20, 60, "answers")
        (holder,) = models_processes(process)
        holder.kill()
        serving_help.until(
            lambda: [one for one in models_processes(process) if one.pid != holder.pid],
            120,
            "another process",
        )
        count = len(statuses)
        serving_help.until(lambda: statuses[count:][-8:] == [200] * 8, 120, "answers again")
    finally:
        over.set()
        for thread in threads:
            thread.join()
    return statuses, kept


def _stored(database: str, ids: list[str]) -> int:
    import psycopg2

    with contextlib.closing(psycopg2.connect(database)) as link, link.cursor() as cursor:
        cursor.execute("select count(*) from serving.predictions where prediction_id::text = any(%s)", (ids,))
        return int(cursor.fetchone()[0])  # type: ignore[index]


@pytest.fixture
def staged(stack: Mixed) -> Iterator[None]:
    """Version 2 is in staging, beside version 1 in production, and gets all requests as a challenger too."""
    settings = stack.cli.cwd / "mlpipes.yaml"
    text = settings.read_text()
    serving = "{model: mixed, also: [staging], mirror: {alias: staging, share: 1.0}, workers: 2}"
    settings.write_text(f"{text}serving: {serving}\n")
    alias(stack, "staging", 2)
    alias(stack, "production", 1)
    try:
        yield
    finally:
        settings.write_text(text)
        alias(stack, "production", 2)


def test_several_workers_serve_it_beside_one_of_our_own_and_as_its_challenger(
    stack: Mixed, staged: None
) -> None:
    with serving(stack) as (process, url):
        asked = [ask(url).json() for _ in range(16)]
        assert {answer["model"]["version"] for answer in asked} == {1}
        for _ in range(16):
            answer = ask(url, "/models/prediction/mixed/staging").json()
            assert answer["model"]["version"] == 2
            foreign_model_help.compare(answer, stack.old)
        assert len(models_processes(process)) == 2  # one for each worker
        database = stack.cli("env", "--json").ok().json["MLPIPES_DATABASE_URL"]
        ids = [id for answer in asked for id in answer["prediction_ids"]]
        mirrored = until(lambda: len(found := _mirrored(database, ids)) == len(ids) and found)
        wanted = dict(zip(ids, stack.old["scores"] * len(asked), strict=True))
        assert {version for _, version, _ in mirrored} == {2}
        assert all(abs(score - wanted[id]) <= 1e-12 for id, _, score in mirrored)


def _mirrored(database: str, ids: list[str]) -> list[tuple[str, int, Any]]:
    """The challenger's predictions for those of others: whose, its version, its scores."""
    import psycopg2

    with contextlib.closing(psycopg2.connect(database)) as link, link.cursor() as cursor:
        cursor.execute(
            "select shadow_of::text, model_version, scores from serving.predictions "
            "where shadow_of::text = any(%s)",
            (ids,),
        )
        return cursor.fetchall()


def test_mlflows_engine_answers_the_same(stack: Mixed, python: Any) -> None:
    with serving(stack, "--engine", "mlflow") as (process, url):
        answer = httpx.post(
            f"{url}/invocations",
            json={"dataframe_split": foreign_model_help.split()},
            trust_env=False,
            timeout=60,
        )
        assert answer.json()["predictions"] == stack.old["labels"]
        table = foreign_model_help.rows().to_csv(index=False)  # MLflow itself refuses dates in CSV
        headers = {"content-type": "text/csv"}
        said = httpx.post(f"{url}/invocations", content=table, headers=headers, trust_env=False, timeout=60)
        assert said.json()["predictions"] == stack.old["labels"]
        children = psutil.Process(process.pid).children(recursive=True)
        assert any(command[0] == str(python[0]) for _, command in commands(children))


def test_offline_answers_the_same(stack: Mixed, tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    foreign_model_help.rows().to_csv(table, index=False)
    done = stack.cli("predict", table, "--offline", "--model", "mixed", "--json", env=CACHE)
    said = done.ok().json["predictions"]
    foreign_model_help.compare(
        {"predictions": [row["prediction"] for row in said], "scores": [row["score"] for row in said]},
        stack.old,
    )


def test_an_environment_that_cannot_be_built_is_one_line(stack: Mixed, tmp_path: Path) -> None:
    nowhere = {"MLPIPES_CACHE": str(tmp_path), "UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "uv")}
    done = stack.cli("serve", "--model", "mixed", env=nowhere)
    assert done.code == 1
    (_,) = [one for one in done.err.splitlines() if one.startswith("error")]
    assert "Traceback" not in done.err
