from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mlpipes_cli.cli.console import Console, jsonable
from mlpipes_cli.errors import ConfigError, MlpipesError


@dataclass
class Point:
    name: str
    where: Path
    value: float


def test_json_takes_dataclasses_numpy_and_drops_nan() -> None:
    value = {"a": Point("x", Path("b/c"), float("nan")), 3: (np.float64(0.5), {np.int64(2)}), "t": True}
    assert jsonable(value) == {"a": {"name": "x", "where": "b/c", "value": None}, "3": [0.5, [2]], "t": True}
    json.dumps(jsonable(value), allow_nan=False)


def test_results_go_to_stdout_and_news_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(json_output=True)
    console.info("[news] in brackets")
    console.detail("hidden")
    console.result(Point("x", Path("p"), 1.0), lambda: "not shown")
    out, err = capsys.readouterr()
    assert json.loads(out) == {"name": "x", "where": "p", "value": 1.0}
    assert err == "[news] in brackets\n"


def test_an_error_is_one_line_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.error(MlpipesError("the disk\n is full", "free some"))
    console.error(ConfigError(["a.yaml:1: x", "a.yaml:2: y"]))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "error: the disk is full; free some",
        "error: a.yaml:1: x",
        "error: a.yaml:2: y",
    ]


def test_nobody_to_ask_means_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert Console().confirm("remove all?") is False
