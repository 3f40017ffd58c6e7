"""A run of Spark on a standalone cluster: a master and a worker, which starts the executors."""

from __future__ import annotations

import contextlib
import os
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from environment_help import FOLDER, environment
from waiting import free_port

from mlpipes_cli.trainers.java import find_java
from mlpipes_cli.trainers.models.spark_session import NEWEST, OLDEST

pytestmark = pytest.mark.slow
CACHE = {"MLPIPES_CACHE": str(FOLDER.parent)}


@dataclass(frozen=True)
class Standalone:
    """A master and one worker of one core.

    Attributes:
        master: The master's address.
        work: Where the worker keeps what its executors say, a folder for each.
    """

    master: str
    work: Path


@pytest.fixture
def standalone(tmp_path: Path, until: Callable[..., Any]) -> Iterator[Standalone]:
    with contextlib.ExitStack() as stack:
        python = stack.enter_context(environment("spark"))
        home = next(python.parent.parent.glob("lib/python*/site-packages/pyspark"))
        java = find_java(OLDEST, NEWEST)
        port, page = free_port(), free_port()
        master = f"spark://127.0.0.1:{port}"

        def start(name: str, *words: str | int) -> None:
            command = [java.executable, "-Xmx256m", "-cp", f"{home}/jars/*"]
            command.append(f"org.apache.spark.deploy.{name}")
            told = {"SPARK_HOME": str(home), "JAVA_HOME": str(java.home), "SPARK_SCALA_VERSION": "2.13"}
            told |= {"SPARK_LOCAL_IP": "127.0.0.1"}
            with (tmp_path / f"{name}.log").open("wb") as log:
                process = subprocess.Popen(
                    [*map(str, command), *map(str, words)], env=os.environ | told, stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log, cwd=tmp_path,
                )  # fmt: skip
            stack.callback(process.wait)
            stack.callback(process.terminate)  # the worker ends its executors

        start("master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", page)
        work = tmp_path / "work"
        about = ["--host", "127.0.0.1", "--cores", 1, "--memory", "1g", "--work-dir", work]
        start("worker.Worker", *about, "--webui-port", free_port(), master)

        def told() -> bool:
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{page}/json/") as page_,
            ):
                return b'"aliveworkers" : 1' in page_.read()
            return False

        until(told, 120)
        yield Standalone(master, work)


def test_a_cluster_gives_the_numbers_of_a_local_session(lab: Any, standalone: Standalone) -> None:
    forest = {"name": "forest", "trainer": "spark", "estimator": "random_forest"}
    lab.write([forest])
    here = lab.train("--json", **CACHE).ok().json["runs"][0]
    assert not list(standalone.work.glob("app-*"))
    lab.write([forest | {"master": standalone.master}])
    there = lab.train("--json", **CACHE).ok().json["runs"][0]
    assert len(list(standalone.work.glob("app-*"))) == 1
    assert there["metrics"] == pytest.approx(here["metrics"], rel=1e-9)


def test_a_master_that_is_not_there_fails_its_run_alone(lab: Any) -> None:
    spark = {"name": "far", "trainer": "spark", "estimator": "decision_tree"}
    near = {"name": "near", "trainer": "sklearn", "estimator": "sklearn.tree.DecisionTreeClassifier"}
    lab.write([spark | {"master": f"spark://127.0.0.1:{free_port()}"}, near])
    done = lab.train("--json", **CACHE)
    assert done.code == 1
    told = {run["name"]: run for run in done.json["runs"]}
    assert told["near"]["status"] == "FINISHED"
    assert "master" in told["far"]["error"].lower()
