"""The line that tells why a candidate failed."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from mlpipes_cli.trainers.base import TrainingError
from mlpipes_cli.worker.candidate_process import failure_line

TRACEBACK = "log.txt of the run has the traceback"


def test_what_a_users_function_raises_is_told_with_its_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def train(rows):\n    return 1 / rows\n")
    train = runpy.run_path(str(tmp_path / "mine.py"))["train"]
    with pytest.raises(ZeroDivisionError) as caught:
        train(0)
    line = f"ZeroDivisionError: division by zero (mine.py:2); {TRACEBACK}"
    assert failure_line(caught.value, [str(tmp_path)]) == line
    assert failure_line(caught.value, []) == f"ZeroDivisionError: division by zero; {TRACEBACK}"


def test_the_full_stop_of_a_library_is_left_out() -> None:
    assert failure_line(ValueError("Got 'nix' instead."), []) == f"ValueError: Got 'nix' instead; {TRACEBACK}"


def test_a_mistake_that_a_trainer_names_needs_no_traceback() -> None:
    assert failure_line(TrainingError("mine:train returned nothing"), []) == "mine:train returned nothing"
