"""Who is put forward."""

import pytest

from mlpipes_cli import mlflow_tags
from mlpipes_cli.errors import MlpipesError, Refused, UsageError
from mlpipes_cli.lifecycle.promotion import selection
from mlpipes_cli.ports import RunRecord

_clock = iter(range(1, 10_000))


def run(
    ident: str,
    name: str = "forest",
    experiment: str = "credit",
    holdout: str = "h1",
    task: str = "binary",
    status: str = "FINISHED",
    metrics: dict[str, float] | None = None,
    **tags: str,
) -> RunRecord:
    known = {
        mlflow_tags.MODEL_URI: f"models:/m-{ident}",
        mlflow_tags.HOLDOUT_FINGERPRINT: holdout,
        mlflow_tags.TASK: task,
        mlflow_tags.CANDIDATE: name,
    }
    return RunRecord(
        ident,
        experiment,
        name,
        status,
        next(_clock),
        {"ks": 0.5} if metrics is None else metrics,
        {},
        known | tags,
    )


def newest_first(*runs: RunRecord) -> list[RunRecord]:
    return sorted(runs, key=lambda item: -item.started)


def test_the_newest_experiment_is_the_default():
    runs = newest_first(run("a", experiment="old"), run("b", experiment="new"))
    assert selection.pick_experiment(runs, None, None) == ("new", ["new", "old"])
    assert selection.pick_experiment(runs, "old", None)[0] == "old"


def test_a_run_names_its_experiment():
    runs = newest_first(run("abcd1234", experiment="old"), run("ffff9999", experiment="new"))
    assert selection.pick_experiment(runs, None, "abcd")[0] == "old"


def test_nothing_was_trained():
    with pytest.raises(MlpipesError, match="no runs yet") as caught:
        selection.pick_experiment([], None, None)
    assert caught.value.exit_code == 1 and "mlpipes train" in caught.value.hint


def test_an_unknown_experiment_suggests_the_nearest():
    with pytest.raises(UsageError) as caught:
        selection.pick_experiment([run("a", experiment="credit-default")], "credit-defalt", None)
    assert "did you mean 'credit-default'?" in caught.value.lines()[0]


@pytest.mark.parametrize("word", ["abcd", "abcdef01", "forest"])
def test_a_run_by_id_prefix_or_name(word: str):
    runs = newest_first(run("abcdef01"), run("abff0000", name="logistic"))
    assert selection.find_run(runs, word).run_id == "abcdef01"


def test_a_name_means_the_newest_finished_run_of_it():
    runs = newest_first(run("aaaa1"), run("aaaa2"), run("aaaa3", status="FAILED"))
    assert selection.find_run(runs, "forest").run_id == "aaaa2"


def test_an_ambiguous_prefix():
    with pytest.raises(UsageError, match="2 runs start with 'aaaa'"):
        selection.find_run([run("aaaa1"), run("aaaa2")], "aaaa")


def test_an_unknown_run_suggests_the_nearest():
    with pytest.raises(UsageError) as caught:
        selection.find_run([run("a", name="forest"), run("b", name="logistic")], "forrest")
    assert "did you mean 'forest'?" in caught.value.lines()[0]


def test_a_failed_run_says_why():
    broken = run("aaaa1", status="FAILED", **{mlflow_tags.ERROR: "out of memory"})
    with pytest.raises(MlpipesError, match="out of memory"):
        selection.find_run([broken], "forest")


def test_a_run_without_its_model_cannot_be_promoted():
    assert not selection.is_complete(run("a", **{mlflow_tags.MODEL_URI: ""}))
    with pytest.raises(MlpipesError, match="no finished run"):
        selection.selection_pool([run("a", status="KILLED")], None)


def test_the_field_is_the_newest_holdout_in_all_sessions():
    runs = newest_first(run("1", holdout="old"), run("2"), run("3"), run("4", status="FAILED"))
    field = selection.selection_pool(runs, None)
    assert (field.holdout, [item.run_id for item in field.runs]) == ("h1", ["3", "2"])


def test_a_chosen_run_brings_its_own_holdout():
    old = run("1", holdout="old")
    assert selection.selection_pool(newest_first(old, run("2")), old).runs == (old,)


def field(*runs: RunRecord) -> selection.SelectionPool:
    return selection.selection_pool(newest_first(*runs), None)


def test_the_best_by_the_metrics_direction():
    some = field(
        run("1", metrics={"ks": 0.9, "log_loss": 0.9}),
        run("2", metrics={"ks": 0.5, "log_loss": 0.1}),
        run("3", metrics={"ks": float("nan")}),
    )
    assert selection.best(some, "ks").run_id == "1"
    assert selection.best(some, "log_loss").run_id == "2"


def test_of_equals_the_holder_stays_else_the_newest():
    some = field(run("1"), run("2"), run("3"))
    assert selection.best(some, "ks").run_id == "3"
    assert selection.best(some, "ks", "1").run_id == "1"


def test_no_run_has_the_metric():
    with pytest.raises(MlpipesError, match="no run of 'credit' has the metric 'mcc'"):
        selection.best(field(run("1")), "mcc")


def test_where_the_metric_comes_from():
    some = field(run("1", **{mlflow_tags.METRIC: "mcc"}))
    assert selection.pick_metric(some, "f1", "brier") == "f1"
    assert selection.pick_metric(some, None, "brier") == "brier"
    assert selection.pick_metric(some, None, None) == "mcc"
    assert selection.pick_metric(field(run("2")), None, None) == "ks"


@pytest.mark.parametrize(
    ("asked", "configured", "where"),
    [("rmse", None, "--metric: "), (None, "rmse", "mlpipes.yaml: promotion -> metric: ")],
)
def test_a_metric_for_another_kind_of_target(asked: str | None, configured: str | None, where: str):
    with pytest.raises(UsageError) as caught:
        selection.pick_metric(field(run("1")), asked, configured)
    assert caught.value.lines()[0].startswith(
        f"{where}'rmse' does not apply to a binary target; use one of ks,"
    )


def test_an_unknown_metric_suggests_the_nearest():
    with pytest.raises(UsageError) as caught:
        selection.check_metric("roc_acu")
    assert "did you mean 'roc_auc'?" in caught.value.lines()[0]
    selection.check_metric(None)
    selection.check_metric("rmse")


def test_the_best_of_the_others_is_put_forward():
    runs = newest_first(
        run("a", metrics={"ks": 0.9}), run("b", metrics={"ks": 0.5}), run("c", metrics={"accuracy": 0.9})
    )
    field = selection.selection_pool(runs, None)
    assert selection.best(field, "ks", without={"a"}).run_id == "b"
    with pytest.raises(Refused, match="every run of 'credit' that has 'ks' was rolled back"):
        selection.best(field, "ks", without={"a", "b"})
    with pytest.raises(MlpipesError, match="its scores are not probabilities"):
        selection.best(selection.selection_pool(runs[1:], None), "log_loss")
    assert selection.missing(runs[0], "ks") == "forest has no ks: its model returns labels, not scores"
