"""Spark, in the environment that its trainer carries."""

from __future__ import annotations

from pathlib import Path

import pytest
from environment_help import environment, run_tests

INSIDE = Path(__file__).parent / "inside" / "spark_inside.py"


@pytest.mark.slow
def test_the_contract_and_what_numpy_takes_over(tmp_path: Path) -> None:
    with environment("spark") as python:
        told = run_tests(python, INSIDE, tmp_path / "inside")
    assert " passed" in told
    assert " failed" not in told
