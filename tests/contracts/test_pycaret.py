"""PyCaret, in the environment that its trainer carries."""

from __future__ import annotations

from pathlib import Path

import pytest
from environment_help import environment, run_tests

INSIDE = Path(__file__).parent / "inside" / "pycaret_inside.py"


@pytest.mark.slow
def test_its_comparison_and_each_of_the_best(tmp_path: Path) -> None:
    with environment("pycaret") as python:
        told = run_tests(python, INSIDE, tmp_path / "inside")
    assert " passed" in told
    assert " failed" not in told
