from __future__ import annotations

import json
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest

from mlpipes_cli import mlflow_tags
from mlpipes_cli.lifecycle.training import cache
from mlpipes_cli.lifecycle.training.spec import Candidate
from mlpipes_cli.ports import RunRecord

SAME = {
    mlflow_tags.CANDIDATE: "a",
    mlflow_tags.SPEC_HASH: "hash",
    mlflow_tags.DATA_FINGERPRINT: "data",
    mlflow_tags.HOLDOUT_FINGERPRINT: "held",
    mlflow_tags.MODEL_KEY: "key",
}
PLAN: Any = SimpleNamespace(
    prepared=SimpleNamespace(fingerprint="data", holdout_fingerprint="held"),
    candidates=(Candidate("a", {}, "hash"),),
)


def run(run_id: str, name: str = "a", status: str = "FINISHED", whole: bool = True, **tags: str) -> RunRecord:
    own = {getattr(mlflow_tags, key): value for key, value in tags.items()}
    uri = {mlflow_tags.MODEL_URI: "models:/m-1"} if whole else {}
    return RunRecord(run_id, "e", name, status, 1, {}, {}, SAME | uri | own)


def found(runs: list[RunRecord], environment: str | None = None, gone: Collection[str] = ()) -> list[str]:
    parents = {item.run_id: item for item in runs}
    shown = [item for item in runs if mlflow_tags.PARTS not in item.tags]
    built = {"a": environment} if environment else {}
    taken = cache.find(shown, PLAN, built, parents.get, "key", lambda item: item.run_id not in gone)
    return [item.run_id for item in taken.get("a", [])]


@pytest.mark.parametrize(
    "other",
    [
        run("1", CANDIDATE="b"),
        run("1", SPEC_HASH="other"),
        run("1", DATA_FINGERPRINT="other"),
        run("1", HOLDOUT_FINGERPRINT="other"),
        run("1", MODEL_KEY="of another project"),
        run("1", status="FAILED"),
        run("1", status="RUNNING"),
        run("1", whole=False),
    ],
)
def test_only_a_whole_run_of_the_very_same_candidate_and_data_is_taken(other: RunRecord) -> None:
    assert found([other]) == []
    assert found([other, run("2"), run("3")]) == ["2"]


def test_a_run_whose_files_are_gone_is_not_taken() -> None:
    assert found([run("1"), run("2")], gone=["1"]) == ["2"]
    assert found([run("1")], gone=["1"]) == []
    parts = [run("p1", "a-x", PARENT="up"), run("p2", "a-y", PARENT="up"), comparison("up", ["a-y", "a-x"])]
    assert found(parts, gone=["p1"]) == []


def test_a_run_of_another_environment_is_not_taken() -> None:
    runs = [run("1", ENVIRONMENT="old"), run("2", ENVIRONMENT="new"), run("3")]
    assert found(runs, "new") == ["2"]
    assert found(runs) == ["1"], "what is not built cannot be held against the tag"


def comparison(run_id: str, parts: list[str], status: str = "FINISHED") -> RunRecord:
    return run(run_id, status=status, whole=False, PARTS=json.dumps(parts))


def test_a_comparison_is_taken_only_with_all_of_its_parts() -> None:
    parts = [run("p1", "a-x", PARENT="up"), run("p2", "a-y", PARENT="up")]
    assert found([*parts, comparison("up", ["a-y", "a-x"])]) == ["p2", "p1"]
    assert found([parts[0], comparison("up", ["a-y", "a-x"])]) == []
    assert found([*parts, comparison("up", ["a-y", "a-x"], status="KILLED")]) == []
    assert found(parts) == []
    broken = [parts[0], run("p2", "a-y", PARENT="up", whole=False), comparison("up", ["a-y", "a-x"])]
    older = [run("q1", "a-x", PARENT="old"), comparison("old", ["a-x"])]
    assert found([*broken, *older]) == ["q1"]
