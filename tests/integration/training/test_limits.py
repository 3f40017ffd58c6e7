"""A run that takes more than it may is stopped with its reason, and the rest goes on."""

from __future__ import annotations

from typing import Any

import pytest

from mlpipes_cli import mlflow_tags

pytestmark = pytest.mark.slow
GREEDY = """
import os, subprocess, sys, time
from sklearn.linear_model import LogisticRegression

def greedy(X, y):
    code = "import time; held = bytearray(b'x' * 300 * 2**20); time.sleep(600)"
    for _ in range(2):
        subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    time.sleep(600)

def pinned(X, y, *, threads):
    assert len(os.sched_getaffinity(0)) == threads == 1
    return LogisticRegression(max_iter=5000).fit(X, y)
"""


def test_memory_and_cores_of_a_run(lab: Any) -> None:
    (lab.folder / "limits_lab.py").write_text(GREEDY)
    wanted = {"greedy": {"memory": "500M"}, "pinned": {"cpu": 1}}
    lab.write(
        [
            {"name": name, "trainer": "python", "function": f"limits_lab:{name}", "resources": resources}
            for name, resources in wanted.items()
        ]
    )
    done = lab.train("--json", "--parallel", "2")
    report = {run["name"]: run for run in done.json["runs"]}
    assert report["pinned"]["status"] == "FINISHED", report["pinned"]["error"]
    assert report["greedy"]["status"] == "FAILED"
    assert report["greedy"]["error"].endswith("more than its limit of 500 MiB (resources -> memory)")
    assert lab.by_name()["greedy"].tags[mlflow_tags.ERROR] == report["greedy"]["error"]
