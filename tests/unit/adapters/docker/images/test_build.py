"""What is shown of a build, over the news of a real one."""

from __future__ import annotations

import json
import re
from pathlib import Path

from mlpipes_cli.adapters.docker.images.base_images import arguments, bases
from mlpipes_cli.adapters.docker.images.build import BuildProgress

RECORDED = Path(__file__).with_name("build_of_mlflow.jsonl")  # MLflow's image, by Docker 20.10


def notes(lines: list[str]) -> list[str]:
    """What is noted after each event that says something."""
    progress = BuildProgress("mlpipes-mlflow:1", {})
    found = []
    for line in lines:
        progress.take(json.loads(line))
        if progress.lines:
            found.append(progress.note)
    return found


def test_each_event_of_a_real_build_tells_the_step_and_its_last_line() -> None:
    told = notes(RECORDED.read_text(encoding="utf-8").splitlines())
    steps = [re.fullmatch(r"step (\d+)/17: (.+)", note) for note in told]
    assert all(steps)
    numbers = [int(step[1]) for step in steps if step]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(1, 18))
    assert "step 2/17: FROM ${PYTHON_IMAGE}" in told
    assert "step 5/17: Collecting numpy==2.4.6" in told
    assert "step 7/17: compiling" in told
    assert max(map(len, told)) <= len("step 17/17: ") + 80
    assert any(note.endswith("…") for note in told)
    assert not any("Running in" in note or "--->" in note for note in told)


def test_podman_writes_its_steps_in_another_way() -> None:
    said = [
        "STEP 1/4: FROM python:3.11\n",
        "STEP 2/4: RUN pip install x\n",
        "Collecting x\n",
        "--> 51deb01d\n",
    ]
    told = notes([json.dumps({"stream": line}) for line in said])
    assert told == [
        "step 1/4: FROM python:3.11",
        "step 2/4: RUN pip install x",
        *["step 2/4: Collecting x"] * 2,
    ]


def test_arguments_before_the_first_from_name_the_base() -> None:
    text = (
        "# ARG A=no\nARG A=python:3.11@sha256:1\nARG B=${A}\nARG C\nFROM ${B} AS one\nARG D=late\n"
        "FROM --platform=linux/amd64 $A\nFROM one\nFROM ${C}\n"
    )
    assert arguments(text) == {"A": "python:3.11@sha256:1", "B": "python:3.11@sha256:1", "C": ""}
    assert bases(text, {}) == {"B": "python:3.11@sha256:1", "A": "python:3.11@sha256:1"}
    assert bases(text, {"B": "other:1", "C": "x:2"}) == {
        "B": "other:1",
        "A": "python:3.11@sha256:1",
        "C": "x:2",
    }
