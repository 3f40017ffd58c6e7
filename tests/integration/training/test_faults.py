"""Candidates that fail, and trainings that are stopped, on a real tracking server."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from conftest import Cli, RunningStack
from process_help import commands, ended

from mlpipes_cli import mlflow_tags

pytestmark = pytest.mark.slow
FAULTS = {
    "raises": "RuntimeError: no such luck",
    "exits": "exited with code 7",
    "leaves": "sys.exit('bye')",
    "crashes": "SIGSEGV",
    "killed": "killed (signal 9), most likely because memory ran out",
    "no_memory": "MemoryError",
    "unpicklable": "the model cannot be saved",
}


def nobody_at(port: int | None) -> socket.socket | None:
    """Keeps a port from everybody, so that it refuses connections; None while it is still in use."""
    holder = socket.socket()
    try:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", port))
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # asked of whoever binds next
    except OSError:
        holder.close()
        return None
    return holder


def pids(folder: Path) -> list[int]:
    return [
        int(path.name.partition("-")[2])
        for pattern in ("pid-*", "grandchild-*")
        for path in folder.glob(pattern)
    ]


def gone(folder: Path) -> bool:
    return all(map(ended, pids(folder)))


def test_each_fault_hits_its_candidate_alone(lab: Any) -> None:
    lab.functions("good", *FAULTS)
    done = lab.train("--json", "--parallel", "3")
    assert done.code == 1
    report = {run["name"]: run for run in done.json["runs"]}
    assert done.json["best"] == "good"
    assert report["good"]["status"] == "FINISHED"
    runs = lab.by_name()
    for name, text in FAULTS.items():
        assert report[name]["status"] == runs[name].status == "FAILED"
        assert text in report[name]["error"], name
        assert runs[name].tags[mlflow_tags.ERROR] == report[name]["error"]
        assert mlflow_tags.MODEL_URI not in runs[name].tags
        assert "\n" not in report[name]["error"]
    assert re.search(r"no such luck \(lab_module\.py:\d+\); log.txt of the run", report["raises"]["error"])
    log = lab.folder / "log.txt"
    assert lab.registry.artifact(runs["raises"].run_id, mlflow_tags.LOG, log)
    assert 'raise RuntimeError("no such luck' in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_kills_what_runs_keeps_what_is_done_and_resume_does_the_rest(
    lab: Any, until: Callable[..., Any], number: int
) -> None:
    lab.functions("good", "hangs")
    process = lab.start("--parallel", "2")
    until(
        lambda: (
            len(pids(lab.folder)) == 2
            and lab.by_name().get("good", None)
            and lab.by_name()["good"].status == "FINISHED"
        )
    )
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "1 of 2 candidates are finished" in err
    assert "--resume" in err
    assert "Traceback" not in err
    until(lambda: gone(lab.folder))
    first = lab.by_name()
    assert first["hangs"].status == "KILLED"
    by = {signal.SIGINT: "the user (Ctrl-C)", signal.SIGTERM: "another program (SIGTERM)"}[
        signal.Signals(number)
    ]
    assert first["hangs"].tags[mlflow_tags.ERROR] == f"stopped by {by}"
    (lab.folder / "go").touch()
    report = lab.train("--resume", "--json").ok().json
    assert {run["name"]: run["status"] for run in report["runs"]} == {"good": "FINISHED", "hangs": "FINISHED"}
    assert next(run["run_id"] for run in report["runs"] if run["name"] == "good") == first["good"].run_id
    assert len(lab.runs()) == 3


def test_kill_9_leaves_no_process_and_resume_goes_on(lab: Any, until: Callable[..., Any]) -> None:
    lab.functions("good", "hangs")
    process = lab.start("--parallel", "2")
    until(
        lambda: (
            len(pids(lab.folder)) == 2
            and lab.by_name().get("good")
            and lab.by_name()["good"].status == "FINISHED"
        )
    )
    process.kill()
    process.communicate(timeout=60)
    until(lambda: gone(lab.folder))
    first = lab.by_name()
    assert first["hangs"].status == "RUNNING"
    (lab.folder / "go").touch()
    report = lab.train("--resume", "--json").ok().json
    assert {run["status"] for run in report["runs"]} == {"FINISHED"}
    runs = {run.run_id: run for run in lab.runs()}
    assert runs[first["hangs"].run_id].status == "KILLED"
    assert first["good"].run_id in {run["run_id"] for run in report["runs"]}
    nothing_left = lab.train("--resume", "--json").ok().json
    assert {run["run_id"] for run in nothing_left["runs"]} == {run["run_id"] for run in report["runs"]}


def test_a_killed_host_is_replaced_and_only_its_candidates_fail(lab: Any, until: Callable[..., Any]) -> None:
    lab.functions("hangs", "good")
    process = lab.start("--parallel", "1", "--json")
    until(lambda: len(pids(lab.folder)) == 2)
    children = psutil.Process(process.pid).children()
    host = next(child for child, command in commands(children) if "mlpipes_cli.worker.host" in command)
    host.kill()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    runs = lab.by_name()
    assert (runs["hangs"].status, runs["good"].status) == ("FAILED", "FINISHED")


def test_changed_code_or_params_are_trained_again(lab: Any) -> None:
    lab.functions("good")
    first = lab.train("--json").ok().json["runs"][0]["run_id"]
    module = lab.folder / "lab_module.py"
    module.write_text(module.read_text().replace("max_iter=5000", "max_iter=4000"))
    assert lab.train("--json").ok().json["runs"][0]["run_id"] != first


def test_a_session_belongs_to_one_process(lab: Any, until: Callable[..., Any]) -> None:
    lab.functions("hangs")
    process = lab.start()
    until(lambda: len(pids(lab.folder)) == 2 and lab.by_name())
    second = lab.train("--resume")
    assert (second.code, "another `mlpipes train`" in second.err) == (1, True)
    assert lab.by_name()["hangs"].status == "RUNNING"
    (lab.folder / "go").touch()
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_lines_not_results_go_to_stderr_and_the_table_to_stdout(lab: Any) -> None:
    lab.functions("good", "raises")
    done = lab.train()
    assert done.code == 1
    assert "good: finished in" in done.err
    assert "raises: failed: RuntimeError: no such luck" in done.err
    assert "good" in done.out
    assert "no such luck" in done.out


def test_no_stack_is_one_line_before_anything_starts(cli: Cli, project_dir: Path) -> None:
    (project_dir / "experiment.yaml").write_text(
        "experiment: e\ndata: {source: 'sklearn:iris', target: target}\n"
        "runs: [{name: a, trainer: sklearn, estimator: sklearn.dummy.DummyClassifier}]\n"
    )
    done = cli("train", "experiment.yaml")
    assert done.code == 1
    assert len(done.err.strip().splitlines()) == 1
    assert "mlpipes up" in done.err
    assert cli("train", "experiment.yaml", "--dry-run", "--json").ok().json["rows"] == 150


def kill_mlflow(root: Path) -> None:
    """kill -9 of everything of this project's tracking server."""
    killed = 0
    for process in psutil.process_iter(["cmdline", "cwd"]):
        told = " ".join(process.info["cmdline"] or [])
        if "mlflow" in told and str(root) in told + str(process.info["cwd"]):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
                killed += 1
    assert killed


def test_a_server_that_is_killed_is_waited_for_and_then_told(
    lab: Any, make_project: Callable[..., Path], cli: Cli, until: Callable[..., Any]
) -> None:
    root = make_project(name="alone")
    alone = RunningStack(root, Cli(lab.folder / "home", root))
    lab.stack = alone
    try:
        alone.cli("up").ok()
        lab.functions("hangs", "good")
        process = lab.start("--parallel", "1")
        until(lambda: len(pids(lab.folder)) == 2 and lab.by_name())
        kill_mlflow(root)
        (lab.folder / "go").touch()
        alone.cli("up").ok()
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert {run.status for run in lab.runs()} == {"FINISHED"}
        (lab.folder / "go").unlink()
        for path in lab.folder.glob("*-[0-9]*"):
            path.unlink()
        process = lab.start("--parallel", "1", "--force")
        until(lambda: len(pids(lab.folder)) == 2 and lab.by_name()["hangs"].status == "RUNNING")
        port = urlsplit(alone.environment["MLFLOW_TRACKING_URI"]).port
        kill_mlflow(root)
        with until(lambda: nobody_at(port)):
            (lab.folder / "go").touch()
            _, err = process.communicate(timeout=120)
        assert process.returncode == 1
        assert "MLflow does not answer" in err.strip().splitlines()[-1]
        assert "--resume" in err
        assert "Traceback" not in err
        alone.cli("up").ok()
        report = lab.train("--resume", "--json").ok().json
        assert {run["status"] for run in report["runs"]} == {"FINISHED"}
        assert all(run["cached"] for run in report["runs"])  # those of the first session
        assert sorted(run.status for run in lab.runs()) == ["FINISHED"] * 2 + ["KILLED"]
    finally:
        alone.cli("down", "--volumes", "--yes").ok()
