"""Tables on terminals of any width, and in pipes."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console as RichConsole

from mlpipes_cli.cli import registry
from mlpipes_cli.cli.console import Console
from mlpipes_cli.cli.views import train_view
from mlpipes_cli.cli.views.tables import Column, FittedTable, fit
from mlpipes_cli.lifecycle.leaderboard import Board, LeaderboardEntry
from mlpipes_cli.lifecycle.promotion.history import HistoryRow
from mlpipes_cli.lifecycle.promotion.listing import ModelRow
from mlpipes_cli.lifecycle.reports.metric_cells import number
from mlpipes_cli.lifecycle.training import CandidateResult


def drawn(table: object, width: int) -> list[str]:
    out = io.StringIO()
    RichConsole(file=out, width=width, no_color=True).print(table, crop=False)
    return [line.rstrip() for line in out.getvalue().splitlines()]


COLUMNS = (
    Column("when"),
    Column("reason", drop=1, least=8),
    Column("run"),
    Column("seconds", drop=2, right=True),
)


def sample() -> FittedTable:
    table = FittedTable(COLUMNS, title="history")
    table.add("2026-11-29 10:00:00", "it was much better than the one before", "02ef40dc", "1.5")
    return table


def test_cells_are_shortened_before_columns_go_and_ids_stay_whole() -> None:
    assert fit([19, 38, 8, 7], COLUMNS, 200) == {0: 19, 1: 38, 2: 8, 3: 7}
    assert fit([19, 38, 8, 7], COLUMNS, 60) == {0: 19, 1: 20, 2: 8, 3: 7}  # 60 less three gaps
    assert fit([19, 38, 8, 7], COLUMNS, 42) == {0: 19, 1: 11, 2: 8}  # the highest `drop` goes first
    assert fit([19, 38, 8, 7], COLUMNS, 30) == {0: 19, 2: 8}
    assert fit([19, 38, 8, 7], COLUMNS, 10) == {0: 19, 2: 8}  # what stays, stays whole


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_a_row_is_one_line_at_every_width(width: int) -> None:
    lines = drawn(sample(), width)
    rows = [line for line in lines if line.startswith("2026-11-29 10:00:00")]
    assert len(rows) == 1 and "02ef40dc" in rows[0]
    assert ("hidden columns:" in "\n".join(lines)) == (width < 60)


def test_what_has_no_room_is_named() -> None:
    told = " ".join(drawn(sample(), 34)[-2:])
    assert "hidden columns: reason, seconds" in told


def entry(name: str, value: float) -> LeaderboardEntry:
    metrics = {"ks": value, "roc_auc": 0.99, "pr_auc": 0.98}
    intervals = {"ks": (0.8953, 1.0)}
    run = "02ef40dc1f2e4d3a9f0b8a7c6d5e4f3a"
    return LeaderboardEntry(
        CandidateResult(name, run, "FINISHED", metrics, intervals, 12.3, None),
        version=3,
        aliases=("production",),
    )


def test_a_leaderboard_of_80_columns_breaks_no_word() -> None:
    entries = (entry("gradient-boosting-shallow", 0.96),)
    board = Board("credit", "credit", "ks", "binary", "0f3a", entries)
    lines = drawn(train_view.board_table(board), 80)
    row = next(line for line in lines if line.startswith("*"))
    assert "0.9600" in row and "02ef40dc" in row and "finished; version 3, production" in row
    assert all(len(line) <= 80 for line in lines)


def test_long_names_of_aliases_are_shortened_and_ids_are_not() -> None:
    aliases = ("production", "production-with-a-name-that-is-long", "and-another-alias-of-this-version")
    entries = (replace(entry("gradient-boosting-shallow", 0.96), aliases=aliases),)
    row = ModelRow(
        "a-model-with-a-long-name", 12, aliases, "pr_auc_weighted", 0.9, 0.125, "forest-of-500-trees",
        "a-long-experiment", "02ef40dc1f2e4d3a9f0b8a7c6d5e4f3a", "2026-11-29T10:00:00",
    )  # fmt: skip
    for table in (
        train_view.board_table(Board("credit", "credit", "ks", "binary", "0f3a", entries)),
        registry._models_table([row]),
        registry._history_table([promoted("production-with-a-name-that-is-long-enough-for-two-lines")]),
    ):
        lines = drawn(table, 80)
        assert all(len(line) <= 80 for line in lines), lines
        assert any(start in line for start in ("02ef40dc", "2026-11-29 10:00:00") for line in lines)


def promoted(alias: str) -> HistoryRow:
    return HistoryRow(
        id="1", kind="promote", state="done", when="2026-11-29T10:00:00.123456+00:00",
        who="anna@laptop", git_user="Anna", model="credit-default",
        alias=alias, from_version=2, to_version=3, run_id="r", experiment="e",
        candidate="forest", metric="ks", challenger=0.96, incumbent=0.95, lower=0.01, candidates=1, rows=100,
        reason="the first one that passes every gate of ours",
        commit="0123456789abcdef-dirty", trained_at="2026-11-29T09:58:00+00:00",
        image="registry.example/team/credit@sha256:0123", deployed_at="2026-11-29T10:00:07.5+00:00",
        first_answer_at="2026-11-29T10:03:00+00:00",
    )  # fmt: skip


def test_a_promotion_is_one_line_of_the_history() -> None:
    lines = drawn(registry._history_table([promoted("production")]), 80)
    rows = [line for line in lines if line.startswith("2026-11-29 10:00:00")]
    assert len(rows) == 1 and len(rows[0]) <= 80 and "production" in rows[0]


def test_a_pipe_gets_every_column_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    Console().result(None, sample)
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("2026"))
    assert re.split(r"\s{2,}", row.strip()) == [
        "2026-11-29 10:00:00",
        "it was much better than the one before",
        "02ef40dc",
        "1.5",
    ]


def test_a_row_has_a_cell_a_column() -> None:
    with pytest.raises(ValueError, match="2 cells for 4 columns"):
        sample().add("a", "b")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (0.5, "0.5000"), (-0.00001, "0.0000"), (-0.0001, "-0.0001"), (12345.678, "12345.7")],
)
def test_a_number_in_a_cell(value: float | None, text: str) -> None:
    assert number(value) == text
