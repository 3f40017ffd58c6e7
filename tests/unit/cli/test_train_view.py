"""Leaderboards as a person sees them."""

from rich.console import Console

from mlpipes_cli import metric_catalog
from mlpipes_cli.cli.views import train_view
from mlpipes_cli.lifecycle.leaderboard import Board, LeaderboardEntry, OtherHoldout
from mlpipes_cli.lifecycle.training.recording.report import CandidateResult
from mlpipes_cli.ports import CandidateState

SCORED = CandidateResult(
    "forest", "a1b2", "FINISHED", {"ks": 0.5, "roc_auc": 0.8, "pr_auc": 0.6}, {"ks": (0.4, 0.6)}
)
LABELS = CandidateResult("labels", "c3d4", "FINISHED", {"f1": 0.5, "accuracy": 0.9}, {"f1": None})


def shown(metric: str, *results: CandidateResult) -> list[list[str]]:
    board = Board("e", "m", metric, "binary", "h", tuple(LeaderboardEntry(one, (), None) for one in results))
    console = Console(width=200, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(train_view.board_table(board))
    return [line.split() for line in captured.get().splitlines() if line.split()]


def test_the_columns_do_not_hang_on_what_the_candidates_have():
    head = ["candidate", "ks", "95", "%", "interval", "roc_auc", "pr_auc", "seconds", "status", "run"]
    assert shown("ks", SCORED, LABELS)[1] == shown("ks", LABELS)[1] == head
    assert shown("f1", LABELS)[1][:6] == ["candidate", "f1", "95", "%", "interval", "ks"]
    assert "too few rows" in " ".join(shown("f1", LABELS)[3])


def test_a_candidate_without_the_metric_is_told_with_the_reason():
    told = [" ".join(line) for line in shown("ks", SCORED, LABELS)]
    assert told[-1] == "labels: no ks: its model returns labels, not scores"
    states = [CandidateState("labels", "finished", seconds=1.0), CandidateState("old", "cached")]
    assert [train_view._line(state, "log_loss") for state in states] == [
        "labels: finished in 1.0 s, no log_loss",
        "old: cached, no log_loss",
    ]


def test_other_holdouts_are_told_in_a_line():
    board = Board("e", "m", "ks", "binary", "h", (), (OtherHoldout("f" * 64, 1),))
    assert train_view.elsewhere(board) == (
        "1 run of e used other holdouts and cannot be compared with these (--holdout: ffffffffffff)"
    )


def test_runs_of_somebody_else_are_counted_in_a_line():
    told = [train_view.strangers(Board("e", "m", "ks", "binary", "h", (), strangers=n)) for n in (1, 2)]
    assert told == [
        "1 run of e is not ranked: `mlpipes train` did not make it",
        "2 runs of e are not ranked: `mlpipes train` did not make them",
    ]


def test_why_a_metric_is_missing():
    assert metric_catalog.why_missing("log_loss", ["ks", "f1"]) == "its scores are not probabilities"
    assert metric_catalog.why_missing("log_loss", ["f1"]) == "its model returns labels, not scores"
    assert metric_catalog.why_missing("ks_macro", ["f1_macro"]) == "its model returns labels, not scores"
    assert metric_catalog.why_missing("mape", ["rmse"]) == "it is not defined for this holdout"


def test_who_is_warned_of_few_rows():
    told = metric_catalog.few_rows
    assert told("binary", "ks", 20) == told("multiclass", "accuracy", 3) == ""
    assert told("regression", "rmse", 1).startswith("the holdout has 1 row: too few for an interval of rmse")
    assert told("multiclass", "f1_macro", 3).startswith("the holdout has 3 rows of the rarest class: too few")
    assert told("multiclass", "ks_weighted", 3) and not told("multiclass", "recall_weighted", 3)
