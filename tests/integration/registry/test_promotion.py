"""promote, rollback, history and models through the real binary on a real stack."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg2
import pytest

from mlpipes_cli import mlflow_tags
from mlpipes_cli.adapters.postgres import alias_notifications
from mlpipes_cli.lifecycle.promotion import history_events

pytestmark = pytest.mark.slow
COLUMNS = ["x0", "x1", "x2", "x3"]


def table(count: int, seed: int = 0) -> pd.DataFrame:
    """Rows whose label depends on all four columns alike."""
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(count, 4))
    label = (values.sum(axis=1) + draw.normal(size=count) > 0).astype(int)
    return pd.DataFrame(values, columns=COLUMNS).assign(label=label, row=np.arange(count) + seed * 1_000_000)


def looks_at(*columns: str) -> Any:
    """A model of some of the columns: the more, the better."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(ColumnTransformer([("kept", "passthrough", list(columns))]), LogisticRegression())


@pytest.fixture
def promote(lab: Any, running_stack: Any) -> Callable[..., Any]:
    def run(*args: str, code: int = 0, env: dict[str, str] | None = None) -> Any:
        done = running_stack.cli("promote", "--experiment", lab.experiment, "--json", *args, env=env)
        assert done.code == code, f"exit {done.code}\n{done.out}\n{done.err}"
        return done.json

    return run


@pytest.fixture
def past(lab: Any, running_stack: Any) -> Callable[[], list[dict[str, Any]]]:
    return lambda: running_stack.cli("history", "--model", lab.experiment, "--json").ok().json


@contextmanager
def heard_moves(running_stack: Any) -> Iterator[Callable[[], list[str]]]:
    """Listens to the project's database; gives what it was told since it was asked last."""
    url = running_stack.cli("env", "--json").ok().json["MLPIPES_DATABASE_URL"]
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"listen {alias_notifications.CHANNEL}")

        def heard() -> list[str]:
            connection.poll()
            told = [one.payload for one in connection.notifies]
            connection.notifies.clear()
            return told

        yield heard


def settings(lab: Any, text: str) -> None:
    (lab.root / "mlpipes.yaml").write_text(f"project: tests\nruntime: embedded\n{text}")


def test_first_promotion(lab: Any, promote: Any, past: Any, running_stack: Any):
    prepared = lab.data(table(400))
    lab.train("weak", looks_at("x0"), prepared)
    best = lab.train("strong", looks_at(*COLUMNS), prepared)
    dry = promote("--metric", "ks", "--dry-run")
    assert (dry["outcome"], dry["run_id"], dry["to_version"]) == ("would promote", best, None)
    assert lab.registry.model(lab.experiment) is None, "a dry run changes nothing"

    done = promote("--metric", "ks", "--reason", "the first", env={"MLPIPES_USER": "ada"})
    assert (done["outcome"], done["candidate"], done["candidates"]) == ("promoted", "strong", 2)
    assert (done["from_version"], done["to_version"], lab.holder()) == (None, 1, 1)
    (entry,) = past()
    assert (entry["who"], entry["reason"], entry["kind"], entry["state"]) == (
        "ada",
        "the first",
        "promote",
        "done",
    )
    assert (entry["from_version"], entry["to_version"], entry["alias"]) == (None, 1, "production")
    assert entry["challenger"] == pytest.approx(done["value"]) and entry["metric"] == "ks"
    assert datetime.fromisoformat(entry["when"]).tzinfo == UTC
    (row,) = [
        row for row in running_stack.cli("models", "--json").ok().json if row["model"] == lab.experiment
    ]
    assert (row["version"], row["aliases"], row["run_id"]) == (1, ["production"], best)
    assert (row["metric"], row["value"]) == ("ks", pytest.approx(done["value"]))
    assert (row["candidate"], row["experiment"]) == ("strong", lab.experiment)

    again = promote("--metric", "ks")
    assert again["outcome"] == "unchanged" and "already has the alias production" in again["reason"]
    assert len(past()) == 1


def test_a_gate_refuses_even_the_first(lab: Any, promote: Any):
    lab.train("weak", looks_at("x0"), lab.data(table(400)))
    settings(lab, "promotion: {gates: [{metric: roc_auc, min: 0.999}, {metric: log_loss, max: 9}]}")
    for dry in ((), ("--dry-run",)):
        said = promote(*dry, code=3)
        assert said["outcome"] == "refused" and "is below the gate's min 0.999" in said["reason"]
        assert [gate["passed"] for gate in said["gates"]] == [False, True]
    assert lab.registry.model(lab.experiment) is None


def test_a_gate_on_a_metric_that_the_run_does_not_have(lab: Any, promote: Any, running_stack: Any):
    lab.train("weak", looks_at("x0"), lab.data(table(400)))
    settings(lab, "promotion: {gates: [{metric: rmse, max: 1}]}")
    assert "the run does not have that metric" in promote(code=3)["reason"]
    plain = running_stack.cli("promote", "--experiment", lab.experiment)
    assert plain.code == 3 and "NOT passed" in plain.out
    assert (
        plain.err.strip()
        .splitlines()[-1]
        .startswith("error: not promoted: the gate on rmse cannot be checked")
    )


def test_only_a_truly_better_challenger_takes_the_alias(lab: Any, promote: Any, past: Any):
    prepared = lab.data(table(1200))
    lab.train("weak", looks_at("x0"), prepared)
    promote()
    no_better = lab.train("same", looks_at("x0", "x1"), prepared)
    lab.train("again", looks_at("x0"), prepared)
    settings(lab, "promotion: {min_improvement: 0.5}")
    said = promote("--run", no_better, code=3)
    assert said["outcome"] == "refused" and lab.holder() == 1
    found = said["comparison"]
    assert (found["rows"], found["candidates"], found["better"]) == (len(prepared.holdout), 2, False)
    assert found["difference"] == pytest.approx(found["challenger"] - found["incumbent"])
    assert len(past()) == 1

    settings(lab, "")
    assert "no improvement" in promote("--run", "again", code=3)["reason"]
    lab.train("strong", looks_at(*COLUMNS), prepared)
    dry = promote("--dry-run")
    assert dry["outcome"] == "would promote" and lab.holder() == 1 and len(past()) == 1
    done = promote()
    assert (done["outcome"], done["comparison"]["lower"] > 0, lab.holder()) == ("promoted", True, 2)
    assert done["comparison"] == dry["comparison"] and done["comparison"]["candidates"] == 3
    newest = past()[0]
    assert (newest["from_version"], newest["to_version"]) == (1, 2)
    assert newest["incumbent"] == pytest.approx(found["incumbent"])
    assert newest["lower"] == pytest.approx(done["comparison"]["lower"])


def test_staging_then_production_is_one_version(lab: Any, promote: Any, past: Any):
    lab.train("strong", looks_at(*COLUMNS), lab.data(table(400)))
    promote("--to", "staging")
    assert (lab.holder("staging"), lab.holder()) == (1, None)
    promote()
    assert (lab.holder("staging"), lab.holder()) == (1, 1)
    assert len(lab.registry.model(lab.experiment).versions) == 1
    assert [entry["alias"] for entry in past()] == ["production", "staging"]


@pytest.mark.parametrize("cached", [True, False], ids=["cached", "read again"])
def test_rows_that_the_incumbent_was_trained_on_are_left_out(lab: Any, promote: Any, cached: bool):
    frame = table(1600)
    lab.train("weak", looks_at("x0"), lab.data(frame, seed=1))
    promote()
    other = lab.data(frame, seed=2, cached=cached)
    lab.train("strong", looks_at(*COLUMNS), other)
    done = promote()
    assert done["outcome"] == "promoted" and lab.holder() == 2
    old = lab.data(frame, seed=1)
    seen = set(old.frame.iloc[old.train]["row"]) & set(other.frame.iloc[other.holdout]["row"])
    assert done["rows_left_out"] == len(seen) > 100
    assert done["comparison"]["rows"] == len(other.holdout) - len(seen)


def test_an_overfitted_incumbent_gains_nothing_from_rows_that_it_knows(lab: Any, promote: Any):
    from sklearn.tree import DecisionTreeClassifier

    frame = table(1600)
    lab.train("rote", DecisionTreeClassifier(random_state=0), lab.data(frame, seed=1))
    promote()
    lab.train("strong", looks_at(*COLUMNS), lab.data(frame, seed=2))
    said = promote()
    assert said["outcome"] == "promoted"
    assert said["comparison"]["incumbent"] < 0.8, "by heart it would have a KS near 1 on half of the rows"


def test_a_column_that_the_challenger_dropped_is_read_again(lab: Any, promote: Any):
    frame = table(1600)
    lab.train("weak", looks_at("x0"), lab.data(frame))
    promote()
    other = lab.data(frame, drop=["x0"])
    lab.train("strong", looks_at("x1", "x2", "x3"), other)
    done = promote()
    assert (done["outcome"], done["rows_left_out"], done["comparison"]["rows"]) == (
        "promoted",
        0,
        len(other.holdout),
    )


def test_no_row_is_new_to_the_incumbent(lab: Any, promote: Any):
    frame = table(800)
    first = lab.data(frame, seed=1)
    lab.train("weak", looks_at("x0"), first)
    promote()
    known = first.frame.iloc[first.train]
    lab.train("strong", looks_at(*COLUMNS), lab.data(known.sample(frac=1.0, random_state=0), seed=3))
    said = promote(code=3)
    assert "holdout rows; the other 0 are too few" in said["reason"]
    assert lab.holder() == 1


def test_the_data_changed_since(lab: Any, promote: Any):
    lab.train("weak", looks_at("x0"), lab.data(table(800), seed=1))
    promote()
    lab.train("strong", looks_at(*COLUMNS), lab.data(table(800), seed=2, cached=False))
    table(800, seed=9).to_csv(lab.root / f"{lab.experiment}.csv", index=False)
    said = promote(code=3)
    assert "the data has changed since the run" in said["reason"] and said["hint"] == "train again"
    (lab.root / f"{lab.experiment}.csv").unlink()
    assert "cannot be read again" in promote(code=3)["reason"]


def test_models_that_cannot_be_compared(lab: Any, promote: Any):
    frame = table(800)
    lab.train("weak", looks_at("x0"), lab.data(frame))
    promote()
    lab.train("words", looks_at(*COLUMNS), lab.data(frame.assign(label=frame.label.map({0: "no", 1: "yes"}))))
    assert "knows the classes 0, 1, the challenger 'no', 'yes'" in promote(code=3)["reason"]
    from sklearn.linear_model import LinearRegression

    lab.train("numbers", LinearRegression(), lab.data(frame.assign(label=frame.x0 * 3), task="regression"))
    assert "is a binary model and the challenger a regression model" in promote(code=3)["reason"]
    assert lab.holder() == 1


def test_an_incumbent_that_was_made_by_other_means(lab: Any, promote: Any, past: Any):
    prepared = lab.data(table(400))
    run_id = lab.train("strong", looks_at(*COLUMNS), prepared)
    run = lab.registry.run(run_id)
    uri = run.tags[mlflow_tags.MODEL_URI]
    foreign = replace(run, run_id=lab.train("foreign", looks_at("x0"), prepared, tags={mlflow_tags.TASK: ""}))
    uri = lab.registry.run(foreign.run_id).tags[mlflow_tags.MODEL_URI]
    lab.registry.create_version(lab.experiment, foreign, uri, tags={}, description="")
    lab.registry.set_alias(lab.experiment, "production", 1)
    said = promote(code=3)
    assert (
        "there is no record of how version 1 was trained" in said["reason"]
        and "delete the alias" in said["hint"]
    )
    assert past() == []


class Marks:
    """Pickles as something that writes a file where it is loaded."""

    def __init__(self, model: Any, mark: Path) -> None:
        self._model, self._mark = model, mark

    def fit(self, X: Any, y: Any) -> Any:
        self.classes_ = self._model.fit(X, y).classes_
        return self

    def predict(self, X: Any) -> Any:
        return self._model.predict(X)

    def predict_proba(self, X: Any) -> Any:
        return self._model.predict_proba(X)

    def __reduce__(self) -> Any:
        return exec, (f"open({str(self._mark)!r}, 'w').write('loaded')",)


def test_a_run_that_nobody_signed_is_not_promoted(lab: Any, promote: Any, tmp_path: Path):
    mark = tmp_path / "mark"
    prepared = lab.data(table(400))
    lab.train("forged", Marks(looks_at(*COLUMNS), mark), prepared, signed=False)
    for dry in ((), ("--dry-run",)):
        said = promote(*dry, code=3)
        assert said["outcome"] == "refused"
        assert (
            "the model of forged (run " in said["reason"]
            and "is not signed by this project" in said["reason"]
        )
        assert "`mlpipes train --force`" in said["hint"]
    assert lab.registry.model(lab.experiment) is None
    lab.train("own", looks_at("x0"), prepared)
    assert promote("--run", "own")["outcome"] == "promoted"
    assert not mark.exists()


def test_an_incumbent_that_nobody_signed_is_not_loaded_to_be_compared(
    lab: Any, promote: Any, running_stack: Any, tmp_path: Path
):
    frame, mark = table(1600), tmp_path / "mark"
    weak = lab.train("weak", Marks(looks_at("x0"), mark), lab.data(frame, seed=1), signed=False)
    registry, run = lab.registry, lab.registry.run(weak)
    uri = run.tags[mlflow_tags.MODEL_URI]
    assert registry.create_version(lab.experiment, run, uri, tags={}, description="") == 1
    registry.set_alias(lab.experiment, "production", 1)
    lab.train("strong", looks_at(*COLUMNS), lab.data(frame, seed=2))
    said = promote(code=3)
    assert f"version 1 of model {lab.experiment!r} is not signed by this project" in said["reason"]
    assert f"`mlpipes models trust 1 --model {lab.experiment}`" in said["hint"]
    assert lab.holder() == 1
    assert not mark.exists()

    rows = running_stack.cli("models", "trust", "--all", "--model", lab.experiment, "--json").ok().json
    assert [(row["version"], row["outcome"], row["run_id"]) for row in rows] == [(1, "trusted", weak)]
    promote(code=3)  # it is loaded now, and what it is cannot score
    assert mark.read_text() == "loaded"


def test_a_rollback_to_what_no_api_takes_says_so(lab: Any, promote: Any, running_stack: Any):
    prepared = lab.data(table(800))
    weak = lab.train("weak", looks_at("x0"), prepared, signed=False)
    registry, run = lab.registry, lab.registry.run(weak)
    registry.create_version(lab.experiment, run, run.tags[mlflow_tags.MODEL_URI], tags={}, description="")
    registry.set_alias(lab.experiment, "production", 1)
    lab.train("strong", looks_at(*COLUMNS), prepared)
    promote()
    done = running_stack.cli("rollback", "--model", lab.experiment).ok()
    assert lab.holder() == 1
    assert (
        f"version 1 of model {lab.experiment!r} is not signed by this project, so no API will load it"
        in done.err
    )


def test_rollbacks_walk_back_and_the_history_tells(lab: Any, promote: Any, past: Any, running_stack: Any):
    prepared = lab.data(table(2000))
    for count in (1, 2, 4):
        lab.train(f"of{count}", looks_at(*COLUMNS[:count]), prepared)
        if count < 4:
            promote()
    with heard_moves(running_stack) as heard:
        promote("--dry-run")
        promote()
        assert heard() == [lab.experiment]  # which is what it tells the APIs that serve it
        promote()  # nothing moves
        assert heard() == []
    assert lab.holder() == 3

    def rollback(*args: str) -> Any:
        return running_stack.cli("rollback", "--model", lab.experiment, *args)

    first = rollback("--reason", "too slow", "--json").ok().json
    assert (first["from_version"], first["to_version"], first["reason"]) == (3, 2, "too slow")
    assert 0 < first["challenger"] < first["incumbent"] < 1

    again = running_stack.cli("promote", "--experiment", lab.experiment, "--json").ok()
    (passed,) = again.json["passed_over"]
    assert (again.json["outcome"], again.json["candidate"], lab.holder()) == ("unchanged", "of2", 2)
    assert (passed["version"], passed["reason"], passed["when"]) == (3, "too slow", first["when"])
    assert (
        "warning: version 3 was rolled back from production on" in again.err
        and ": too slow, so it is skipped" in again.err
    )
    named = running_stack.cli(
        "promote", "--experiment", lab.experiment, "--run", "of4", "--dry-run", "--json"
    ).ok()
    assert (named.json["outcome"], named.json["to_version"]) == ("would promote", 3)
    assert "too slow; it is considered again because of --run" in named.err
    assert promote("--to", "staging", "--dry-run")["candidate"] == "of4", "another alias, another matter"

    with heard_moves(running_stack) as heard:
        assert "from version 2 to version 1" in rollback().ok().out
        assert heard() == [lab.experiment]
        nothing = rollback()
        assert heard() == []
    assert nothing.code == 1 and nothing.out == ""
    assert (
        nothing.err.startswith("error: ")
        and "no version that held production before version 1" in nothing.err
    )
    steps = [(entry["kind"], entry["from_version"], entry["to_version"]) for entry in past()]
    assert steps == [
        ("rollback", 2, 1),
        ("rollback", 3, 2),
        ("promote", 2, 3),
        ("promote", 1, 2),
        ("promote", None, 1),
    ]
    shown = running_stack.cli("history", "--model", lab.experiment).ok().out
    assert "rollback" in shown and "too slow" in shown


def test_a_rollback_passes_over_a_deleted_version(lab: Any, promote: Any, running_stack: Any):
    from mlflow import MlflowClient

    prepared = lab.data(table(2000))
    for count in (1, 2, 4):
        lab.train(f"of{count}", looks_at(*COLUMNS[:count]), prepared)
        promote()
    MlflowClient(lab.tracking_uri).delete_model_version(lab.experiment, "2")
    done = running_stack.cli("rollback", "--model", lab.experiment, "--json").ok().json
    assert (done["from_version"], done["to_version"], lab.holder()) == (3, 1, 1)
    last = running_stack.cli("rollback", "--model", lab.experiment)
    assert last.code == 1


@pytest.mark.parametrize("moved", [False, True])
def test_killed_between_intent_and_done(lab: Any, promote: Any, past: Any, running_stack: Any, moved: bool):
    prepared = lab.data(table(1200))
    lab.train("weak", looks_at("x0"), prepared)
    promote()
    run_id = lab.train("strong", looks_at(*COLUMNS), prepared)
    run = lab.registry.run(run_id)
    uri = run.tags[mlflow_tags.MODEL_URI]
    assert lab.registry.create_version(lab.experiment, run, uri, tags={}, description="") == 2
    now = datetime.now(UTC)
    killed = history_events.HistoryEvent(
        history_events.new_id(now),
        "promote",
        "intent",
        lab.experiment,
        "production",
        1,
        2,
        now.isoformat(),
        "me",
    )
    lab.registry.set_tag(lab.experiment, killed.key, killed.value())
    if moved:
        lab.registry.set_alias(lab.experiment, "production", 2)
    assert past()[0]["state"] == ("done" if moved else "unfinished")
    rollback = running_stack.cli("rollback", "--model", lab.experiment, "--json")
    if moved:
        assert rollback.ok().json["to_version"] == 1
        assert [entry["kind"] for entry in past()] == ["rollback", "promote", "promote"]
        return
    assert rollback.code == 1, "version 2 never held the alias"
    assert promote()["outcome"] == "promoted"
    assert [entry["state"] for entry in past()] == ["done", "unfinished", "done"]
    stored = json.loads(lab.registry.model(lab.experiment).tags[killed.key])
    assert stored["state"] == "unfinished", "what was found out is written down"


def test_two_promotes_at_once(lab: Any, past: Any, running_stack: Any):
    prepared = lab.data(table(1200))
    lab.train("weak", looks_at("x0"), prepared)
    lab.train("strong", looks_at(*COLUMNS), prepared)
    calls = [("--run", "weak"), ("--run", "strong")] * 2
    with ThreadPoolExecutor(len(calls)) as pool:
        done = list(
            pool.map(
                lambda args: running_stack.cli("promote", "--experiment", lab.experiment, "--json", *args),
                calls,
            )
        )
    assert {result.code for result in done} <= {0, 3}, [result.err for result in done]
    moves = [entry for entry in reversed(past()) if entry["state"] == "done"]
    promoted = [result for result in done if result.json["outcome"] == "promoted"]
    assert len(promoted) == len(moves) >= 1
    assert [entry["from_version"] for entry in moves] == [
        None,
        *(entry["to_version"] for entry in moves[:-1]),
    ]
    assert lab.holder() == moves[-1]["to_version"] and moves[-1]["candidate"] == "strong"
    assert len(lab.registry.model(lab.experiment).versions) == len(moves), "no version was made twice"


def test_somebody_moves_the_alias_meanwhile(lab: Any, promote: Any, past: Any):
    """Another machine shares no lock with us; what it did is seen just before the move."""
    from mlpipes_cli.errors import MlpipesError
    from mlpipes_cli.lifecycle.promotion import alias_moves

    prepared = lab.data(table(400))
    lab.train("weak", looks_at("x0"), prepared)
    promote()
    now = datetime.now(UTC)
    late = history_events.HistoryEvent(
        history_events.new_id(now), "promote", "intent", lab.experiment, "production", None, 1, "t", "me"
    )
    with pytest.raises(MlpipesError, match="moved to version 1 by another client"):
        alias_moves.move_alias(lab.registry, late)
    assert [entry["state"] for entry in past()] == ["unfinished", "done"] and lab.holder() == 1


def lose(lab: Any, run_id: str, name: str) -> None:
    """Have a run's artifact be gone, from where it was kept here too."""
    kept = list((lab.root / ".mlpipes" / "artifacts").glob(f"*/{run_id}/artifacts/{name}"))
    assert len(kept) == 1
    kept[0].unlink()
    shutil.rmtree(lab.root / ".mlpipes" / "cache" / "runs" / run_id, ignore_errors=True)


def lose_model(lab: Any, run_id: str) -> None:
    uri = lab.registry.run(run_id).tags[mlflow_tags.MODEL_URI]
    (folder,) = (lab.root / ".mlpipes" / "artifacts").glob(f"*/models/{uri.removeprefix('models:/')}")
    assert lab.registry.has_files(uri)
    shutil.rmtree(folder)
    assert not lab.registry.has_files(uri)


@pytest.mark.parametrize("how", ["gone", "cut"])
def test_a_rival_without_predictions_is_left_out_and_named(
    lab: Any, promote: Any, running_stack: Any, how: str
):
    prepared = lab.data(table(1200))
    rival = lab.train("rival", looks_at("x0", "x1"), prepared)
    lab.train("weak", looks_at("x0"), prepared)
    promote("--run", "weak")
    strong = lab.train("strong", looks_at(*COLUMNS), prepared)
    if how == "gone":
        lose(lab, rival, mlflow_tags.HOLDOUT_PREDICTIONS)
    else:
        kept = lab.root / ".mlpipes" / "artifacts"
        (path,) = kept.glob(f"*/{rival}/artifacts/{mlflow_tags.HOLDOUT_PREDICTIONS}")
        path.write_bytes(path.read_bytes()[:300])
        shutil.rmtree(lab.root / ".mlpipes" / "cache" / "runs" / rival, ignore_errors=True)
    told = running_stack.cli("promote", "--experiment", lab.experiment, "--dry-run").ok()
    line = f"rival ({rival[:8]}): its holdout_predictions.parquet is missing or unreadable"
    assert f"warning: skipped: {line}" in told.err
    said = promote()
    assert (said["outcome"], said["run_id"], said["left_out"]) == ("promoted", strong, [line])
    assert said["comparison"]["candidates"] == 1


def test_a_challenger_without_its_files_is_passed_over(lab: Any, promote: Any, running_stack: Any):
    prepared = lab.data(table(1200))
    lab.train("weak", looks_at("x0"), prepared)
    promote()
    good = lab.train("good", looks_at("x0", "x1", "x2"), prepared)
    best = lab.train("best", looks_at(*COLUMNS), prepared)
    lose_model(lab, best)
    asked = running_stack.cli("promote", "--experiment", lab.experiment, "--run", "best")
    assert asked.code == 1
    assert (
        f"error: the run best ({best[:8]}): the files of its model no longer exist; train it again"
        in asked.err
    )
    said = promote()
    assert (said["outcome"], said["run_id"]) == ("promoted", good)
    assert said["left_out"] == [f"best ({best[:8]}): the files of its model no longer exist"]
    for run in lab.registry.runs([lab.experiment]):
        if run.run_id != best:
            lose_model(lab, run.run_id)
    nobody = running_stack.cli("promote", "--experiment", lab.experiment)
    assert nobody.code == 1
    assert f"no run of '{lab.experiment}' can be promoted: best ({best[:8]})" in nobody.err


def test_an_incumbent_whose_files_are_gone_is_no_incumbent(
    lab: Any, promote: Any, past: Any, running_stack: Any
):
    """As after a store that was lost: an equal run, trained again, takes the alias, and it can be served."""
    prepared = lab.data(table(400))
    old = lab.train("same", looks_at(*COLUMNS), prepared)
    promote()
    lose_model(lab, old)
    new = lab.train("same", looks_at(*COLUMNS), prepared)
    told = running_stack.cli("promote", "--experiment", lab.experiment, "--dry-run").ok()
    assert (
        "warning: version 1 has the alias production, but its files no longer exist, so there is no incumbent"
        in told.err
    )
    said = promote()
    assert (said["outcome"], said["run_id"], said["from_version"], said["to_version"]) == (
        "promoted",
        new,
        1,
        2,
    )
    assert said["reason"] == "version 1 has the alias production, but its files no longer exist"
    assert said["incumbent"] is None
    assert lab.holder() == 2
    assert promote()["outcome"] == "unchanged"
    back = running_stack.cli("rollback", "--model", lab.experiment)
    assert back.code == 1
    assert "warning: version 1 is skipped: its files no longer exist" in back.err
    assert "has no version that held production before version 2" in back.err
    assert lab.holder() == 2
    assert len(past()) == 2


def test_an_incumbent_without_predictions_is_asked_again(lab: Any, promote: Any):
    prepared = lab.data(table(1200))
    old = lab.train("weak", looks_at("x0"), prepared)
    promote()
    strong = lab.train("strong", looks_at(*COLUMNS), prepared)
    known = promote("--dry-run")
    lose(lab, old, mlflow_tags.HOLDOUT_PREDICTIONS)
    said = promote()
    assert (said["outcome"], said["run_id"], said["left_out"]) == ("promoted", strong, [])
    assert said["comparison"] == known["comparison"]


def test_what_does_not_exist(lab: Any, running_stack: Any):
    lab.train("forest", looks_at("x0"), lab.data(table(400)))

    def says(*args: str) -> str:
        done = running_stack.cli(*args)
        assert done.code == 2 and done.out == "" and len(done.err.strip().splitlines()) == 1, done
        return str(done.err)

    mistyped = lab.experiment[:-1] + "x"
    assert f"did you mean '{lab.experiment}'" in says("promote", "--experiment", mistyped)
    known = ("promote", "--experiment", lab.experiment)
    assert "did you mean 'forest'?" in says(*known, "--run", "forrest")
    assert "did you mean 'roc_auc'?" in says(*known, "--metric", "roc_acu")
    assert "does not apply to a binary target" in says(*known, "--metric", "rmse")
    assert "is reserved" in says(*known, "--to", "latest")
    assert "is not a valid alias" in says(*known, "--to", "v2")
    assert "there is no model 'nothing'" in says("history", "--model", "nothing")
    assert "there is no model 'nothing'" in says("rollback", "--model", "nothing")


def test_the_newest_experiment_is_taken_and_told(lab: Any, running_stack: Any):
    lab.train("forest", looks_at("x0"), lab.data(table(400)))
    other = replace(lab, experiment=f"{lab.experiment}-older")
    done = running_stack.cli("promote", "--dry-run", "--json").ok()
    assert done.json["experiment"] == lab.experiment
    other.train("tree", looks_at("x0"), other.data(table(400)))
    done = running_stack.cli("promote", "--dry-run", "--json").ok()
    assert done.json["experiment"] == other.experiment
    assert f"promoting from the experiment {other.experiment}" in done.err and lab.experiment in done.err


def test_without_a_stack_it_is_one_line(cli: Any):
    for command in (["models"], ["history"], ["promote"], ["rollback"]):
        done = cli(*command)
        assert done.code == 1 and done.out == ""
        assert len(done.err.strip().splitlines()) == 1 and "mlpipes up" in done.err


def test_what_train_made_from_a_folder_below(lab: Any, promote: Any, running_stack: Any):
    """The real training, a relative source, and no prepared data left."""
    folder = lab.root / lab.experiment
    folder.mkdir()
    table(8000).to_csv(folder / "rows.csv", index=False)

    def train(columns: str, seed: int) -> None:
        text = (
            f"experiment: {lab.experiment}\n"
            "data:\n  {source: rows.csv, target: label, id: row, "
            f"drop: [{columns}], split: {{test: 0.5, seed: {seed}}}}}\n"
            "runs: [{name: r, trainer: sklearn, estimator: sklearn.linear_model.LogisticRegression}]\n"
        )
        (folder / "experiment.yaml").write_text(text)
        running_stack.cli("train", folder / "experiment.yaml").ok()
        shutil.rmtree(lab.root / ".mlpipes" / "cache" / "data")

    train("x1, x2, x3", seed=1)
    promote()
    train("x0", seed=2)
    done = promote()
    assert (done["outcome"], lab.holder()) == ("promoted", 2)
    assert done["rows_left_out"] > 1000
    assert done["rows_left_out"] + done["comparison"]["rows"] in {4000, 4001}, "each class rounds up"
