from __future__ import annotations

from mlpipes_cli import mlflow_tags
from mlpipes_cli.lifecycle.training.previous_sessions import last_session, newest_each
from mlpipes_cli.lifecycle.training.recording.report import CandidateResult, TrainingReport, from_record
from mlpipes_cli.ports import RunRecord


def result(name: str, status: str = "FINISHED", **metrics: float) -> CandidateResult:
    return CandidateResult(name, f"id-{name}", status, metrics)


def report(metric: str, *results: CandidateResult) -> TrainingReport:
    return TrainingReport("e", 10, "f", metric, "binary", results)


def run(name: str, started: int, status: str = "FINISHED", **tags: str) -> RunRecord:
    named = {getattr(mlflow_tags, key): value for key, value in tags.items()}
    if status == "FINISHED":
        named[mlflow_tags.MODEL_URI] = "models:/m-1"
    return RunRecord(
        f"{name}-{started}",
        "e",
        name,
        status,
        started,
        {"ks": 0.5, "ks_lower": 0.4, "ks_upper": 0.6},
        {},
        named,
    )


def test_the_best_stands_first_whichever_way_is_better() -> None:
    rows = (
        result("a", ks=0.2, log_loss=0.1),
        result("b", ks=0.9, log_loss=0.5),
        result("c", "FAILED"),
        result("d"),
    )
    assert [r.name for r in report("ks", *rows).ranked] == ["b", "a", "c", "d"]
    assert [r.name for r in report("log_loss", *rows).ranked] == ["a", "b", "c", "d"]


def test_a_failed_run_or_one_without_a_value_is_never_the_champion() -> None:
    assert report("ks", result("a", "FAILED", ks=0.9), result("b")).best is None
    nan = report("ks", result("a", ks=float("nan")), result("b", ks=0.1))
    assert nan.best is not None
    assert nan.best.name == "b"
    assert nan.document()["best"] == "b"


def test_failed_tells_the_exit_code() -> None:
    assert not report("ks", result("a", ks=1.0)).failed
    assert report("ks", result("a", ks=1.0), result("b", "KILLED")).failed


def test_a_record_gives_the_same_result_as_the_session_did() -> None:
    found = from_record(run("a", 1), cached=True)
    assert found.metrics == {"ks": 0.5}
    assert found.intervals == {"ks": (0.4, 0.6)}


def test_the_last_session_is_that_of_the_newest_run() -> None:
    runs = [run("a", 3, SESSION="two"), run("a", 2, SESSION="one"), run("b", 1, SESSION="two")]
    assert [r.run_id for r in last_session(runs)] == ["a-3", "b-1"]
    assert last_session([]) == []


def test_a_whole_run_stands_for_its_candidate_before_a_newer_broken_one() -> None:
    found = newest_each([run("a", 3, "FAILED"), run("a", 2), run("a", 1), run("b", 1, "KILLED")])
    assert sorted(r.run_id for r in found) == ["a-2", "b-1"]
