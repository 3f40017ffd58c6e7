"""The registry against a real server."""

from pathlib import Path
from typing import Any

import pytest

from mlpipes_cli import mlflow_tags
from mlpipes_cli.adapters.mlflow.client import MlflowApiError
from mlpipes_cli.lifecycle.serving.local_model import loaded

slow = pytest.mark.slow


@slow
def test_runs_versions_aliases_and_tags(lab: Any, tmp_path: Path):
    prepared = lab.data(_table(120))
    run_id = lab.train("good", _logistic(), prepared)
    registry, name = lab.registry, lab.experiment
    (run,) = registry.runs([name])
    assert (run.run_id, run.name, run.experiment, run.status) == (run_id, "good", name, "FINISHED")
    assert run == registry.run(run_id)
    assert 0 < run.metrics["ks"] <= 1
    assert name in registry.experiments()
    assert run_id in {item.run_id for item in registry.runs()}

    uri = run.tags[mlflow_tags.MODEL_URI]
    assert registry.model(name) is None
    assert registry.create_version(name, run, uri, tags={"a": "b"}, description="what it is") == 1
    assert registry.create_version(name, run, uri, tags={}, description="") == 2
    registry.set_alias(name, "production", 1)
    registry.set_alias(name, "staging", 1)
    registry.set_tag(name, "mlpipes.history.x", "y" * 5000)
    model = registry.model(name)
    assert model is not None and model in registry.models()
    assert model.aliases == {"production": 1, "staging": 1}
    assert model.tags == {"mlpipes.history.x": "y" * 5000}
    assert [(v.version, v.run_id, tuple(v.aliases)) for v in model.versions] == [
        (2, run_id, ()),
        (1, run_id, ("production", "staging")),
    ]
    assert model.versions[1].tags == {"a": "b"}
    with loaded(lab.vault, name, 1) as native:
        assert list(native.predict(prepared.X())) == list(
            _logistic().fit(prepared.X(prepared.train), prepared.y(prepared.train)).predict(prepared.X())
        )


@slow
def test_artifacts_come_whole_or_not_at_all(lab: Any, tmp_path: Path):
    run_id = lab.train("good", _logistic(), lab.data(_table(120)))
    target = tmp_path / "new" / "classes.json"
    assert lab.registry.artifact(run_id, mlflow_tags.CLASSES, target)
    assert target.read_text().startswith('{"task": "binary"')
    assert not lab.registry.artifact(run_id, "nothing.json", tmp_path / "x" / "nothing.json")
    assert not (tmp_path / "x").exists()


@slow
def test_what_is_not_there_is_none(lab: Any):
    assert lab.registry.run("0" * 32) is None
    assert lab.registry.model("no-such-model") is None
    assert lab.registry.runs(["no-such-experiment"]) == []


@slow
def test_the_server_s_refusal_is_one_line(lab: Any):
    with pytest.raises(MlflowApiError) as caught:
        lab.registry.set_alias("no-such-model", "production", 1)
    (line,) = caught.value.lines()
    assert caught.value.code == "RESOURCE_DOES_NOT_EXIST" and "no-such-model" in line


def _table(count: int) -> Any:
    import numpy as np
    import pandas as pd

    values = np.random.default_rng(0).normal(size=(count, 2))
    return pd.DataFrame(values, columns=["x0", "x1"]).assign(
        label=(values[:, 0] > 0).astype(int), row=range(count)
    )


def _logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression()


@slow
def test_files_of_a_run_are_asked_of_the_projects_server(
    lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another tool registered ``runs:/...``, and nothing in the environment names the server."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    from mlflow import MlflowClient
    from mlflow.tracking._tracking_service import utils

    name, run_id = lab.experiment, lab.train("good", _logistic(), lab.data(_table(120)))
    client = MlflowClient(lab.tracking_uri, lab.tracking_uri)
    client.create_registered_model(name)
    client.log_text(run_id, "looks like a model", "other/MLmodel")
    client.create_model_version(name, f"runs:/{run_id}/other", run_id)
    monkeypatch.setattr(utils, "_tracking_uri", None)  # as in a process that has trained nothing
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    other = tmp_path / "files"
    other.mkdir()
    lab.vault.source.fetch(name, 1, other)
    assert (other / "MLmodel").read_text() == "looks like a model"
    assert lab.vault.source.read(name, 1, "MLmodel", 5) == b"looks"
    assert not list(tmp_path.glob("*.db"))  # MLflow's library made none of its own


@slow
def test_history_that_somebody_else_wrote_hides_no_aliases(lab: Any) -> None:
    registry, name = lab.registry, lab.experiment
    run = registry.run(lab.train("good", _logistic(), lab.data(_table(120))))
    registry.create_version(name, run, run.tags[mlflow_tags.MODEL_URI], tags={}, description="")
    registry.set_alias(name, "production", 1)
    for at, written in enumerate(["[1]", "7", "{", '{"state": "done", "alias": {}}']):
        registry.set_tag(name, f"mlpipes.history.{at}", written)
    mine = '{"state": "done", "alias": "production", "to_version": 1, "when": "2026-01-01"}'
    registry.set_tag(name, "mlpipes.history.9", mine)
    published = lab.vault.source.published(name)
    assert (published.aliases, published.promoted) == ({"production": 1}, {"production": "2026-01-01"})
