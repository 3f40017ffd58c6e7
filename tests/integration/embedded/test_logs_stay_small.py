"""What a stack writes to its logs while nobody works with it, and what becomes of one that is large."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest
from conftest import RunningStack
from waiting import until

from mlpipes_cli.adapters.processes.log_rotation import LIMIT
from mlpipes_cli.adapters.wiring import make_model_source, make_registry, make_runtime
from mlpipes_cli.project import find_project

pytestmark = pytest.mark.slow
LOOKS = 30


def test_looks_at_aliases_are_no_lines_and_other_questions_are(running_stack: RunningStack) -> None:
    endpoints = make_runtime(find_project(running_stack.root)).endpoints()
    log = running_stack.root / ".mlpipes" / "logs" / "mlflow.log"
    source, before = make_model_source(endpoints.tracking_uri, {}), log.read_text().count("\n")
    for _ in range(LOOKS):
        assert source.published("nobody's") is None
    make_registry(endpoints).runs(["nobody's"])
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{endpoints.tracking_uri}/api/2.0/mlflow/runs/get?run_id=none")
    until(lambda: "runs/get?run_id=none" in log.read_text(), 10)
    lines = log.read_text().splitlines()[before:]
    assert not [line for line in lines if "registered-models/get" in line]
    assert len(lines) < LOOKS / 2


def test_a_large_log_is_put_aside_while_the_stack_runs(running_stack: RunningStack) -> None:
    folder = running_stack.root / ".mlpipes" / "logs"
    with (folder / "postgres.log").open("ab") as file:
        file.write(b"x" * LIMIT + b"\n")
    until(lambda: (folder / "postgres.log.1").exists(), 60)
    until(lambda: (folder / "postgres.log").stat().st_size < 1000, 10)
    assert (folder / "postgres.log.1").stat().st_size > LIMIT
    assert running_stack.cli("status").ok()
