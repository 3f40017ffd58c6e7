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


ODD = "a\x1b[2J\x1b]0;title\x07b\x9b31m\x7f\u202etxt\r\u2028\udcff\ttab ü"
SHOWN = "a\\x1b[2J\\x1b]0;title\\x07b\\x9b31m\\x7f\\u202etxt\\x0d\\u2028\\udcff\ttab ü"


def test_text_of_others_steers_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.table import Table

    console = Console(verbose=True)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdin.readline", lambda: "y")
    console.info(ODD)
    console.warn(ODD)
    console.detail(ODD)
    console.error(MlpipesError(ODD))
    assert console.confirm(ODD)
    with console.task(ODD) as task:
        task.note(ODD)
    console.result(ODD, lambda: ODD)

    def table() -> Table:
        made = Table("column")
        made.add_row(ODD.replace("\t", " "))
        return made

    console.result(ODD, table)
    out, err = capsys.readouterr()
    assert SHOWN in out
    assert "│ a\\x1b[2J\\x1b]0;titl" in out  # cut to the width that the text had with such characters
    assert err.count("\\x1b[2J\\x1b]0;title\\x07b\\x9b31m\\x7f\\u202etxt") == 7
    assert not set(out + err) & set("\x1b\x07\x9b\x7f\u202e\r\u2028\udcff")


def test_json_says_the_same_without_such_characters(capsys: pytest.CaptureFixture[str]) -> None:
    Console(json_output=True).result({ODD: [ODD]})
    out, _ = capsys.readouterr()
    assert json.loads(out) == {ODD: [ODD]}
    assert "tab ü" in out
    assert not set(out) & set("\x1b\x07\x9b\x7f\u202e\r\u2028\udcff\t")


def test_lines_of_logs_keep_their_colours_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    Console().line("\x1b[32mINFO\x1b[0m done\x1b[2K\x1b]8;;http://x\x1b\\y")
    assert capsys.readouterr().out == "\x1b[32mINFO\x1b[0m done\\x1b[2K\\x1b]8;;http://x\\x1b\\y\n"
