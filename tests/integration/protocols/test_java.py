"""Java's own HTTP client, which offers HTTP/2 with each first request."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from protocol_help import Api

pytestmark = pytest.mark.slow
ROW = {"amount": 120.5, "ratio": 0.25, "age": 40, "level": 3, "member": True, "city": "Paris"}
PROGRAM = Path(__file__).parents[2] / "java" / "Ask.java"


def test_javas_client_gets_predictions_that_are_stored(api: Callable[[str], Api]) -> None:
    if shutil.which("javac") is None:
        pytest.skip("needs a JDK of Java 11 or newer (Debian's package openjdk-17-jdk-headless)")
    served = api("train")
    rows = json.dumps([{**ROW, "id": f"row-{at}"} for at in range(500)])
    command = ["java", str(PROGRAM), f"http://127.0.0.1:{served.port}/predict", rows]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answers = [line.split(" ", 1) for line in done.stdout.splitlines()]
    assert [status for status, _ in answers] == ["200"] * 4, done.stdout[:2000]
    for _, body in answers:
        answer = json.loads(body)
        assert answer["ids"] == [f"row-{at}" for at in range(500)]
        assert served.stored(answer["prediction_ids"][-1])["caller_id"] == "row-499"
