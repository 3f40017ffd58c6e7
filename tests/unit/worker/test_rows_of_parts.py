"""Test rows judge and nothing else: changed test rows change no model, search, threshold or fold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data.prepare import prepare
from mlpipes_cli.data.prepared_cache import save
from mlpipes_cli.ports.data_sets.datasets import SPLIT
from mlpipes_cli.worker import jobs, protocol

SOURCE = parse_yaml("experiment: x\ndata:\n  source: dataset:x@1\n  target: y\n", "e.yaml")
PARTS = np.array((["train"] * 6 + ["validation"] * 2 + ["test"] * 2) * 30, dtype=object)
HIST = {
    "estimator": "sklearn.ensemble.HistGradientBoostingClassifier",
    "params": {"max_iter": 15, "early_stopping": True, "n_iter_no_change": 3, "learning_rate": 0.3},
    "search": {"method": "grid", "space": {"max_leaf_nodes": [3, 15]}, "folds": None, "validation": None},
}
LINEAR = {"estimator": "sklearn.linear_model.LogisticRegression", "params": {}}


def rows(poisoned: str = "") -> pd.DataFrame:
    """Return rows of all parts; those of the poisoned part have absurd features and the wrong label."""
    draw = np.random.default_rng(4)
    count = len(PARTS)
    frame = pd.DataFrame({"a": draw.normal(size=count), "b": draw.normal(size=count)})
    frame["kind"] = np.array(["x", "y", "z"], dtype=object)[draw.integers(0, 3, count)]
    frame["y"] = (frame["a"] + frame["a"] * frame["b"] + draw.normal(size=count) > 0.3).astype(int)
    frame.loc[::9, "a"] = np.nan
    frame["w"] = draw.uniform(0.5, 2.0, count)
    bad = poisoned == PARTS
    frame.loc[bad, "a"] = np.where(frame["y"][bad] == 1, -1e6, 1e6)
    frame.loc[bad, "kind"] = "only here"
    frame.loc[bad, "w"] = 1e6
    frame.loc[bad, "y"] = 1 - frame.loc[bad, "y"]
    return frame.assign(**{SPLIT: PARTS})


def trained(folder: Path, spec: dict[str, Any], poisoned: str = "") -> dict[str, Any]:
    """Return what a candidate's process gives: what it chose, and its predictions for the same rows."""
    import mlflow.sklearn

    settings: dict[str, Any] = {"source": "dataset:x@1", "target": "y", "weights": "w"}
    data = Data.model_validate(settings)
    prepared = prepare(rows(poisoned), data, SOURCE)
    save(prepared, folder / "data")
    content = {
        "kind": "train", "data": str(folder / "data"), "metric": "roc_auc", "seed": 3, "threads": 1,
        "preprocess": "auto", "folders": [],
        "spec": {"name": "x", "trainer": "sklearn", "threshold": "f1", "cross_validate": 2, **spec},
    }  # fmt: skip
    told = jobs.train(content, folder, lambda step: None)
    (model,) = told["models"]
    place = folder / protocol.OUT / model["folder"]
    fitted = mlflow.sklearn.load_model(place / protocol.MODEL)
    shown = rows()[["a", "b", "kind"]]
    return {
        "threshold": model["threshold"],
        "params": model["params"],
        "folds": model["folds"],
        "scores": fitted.predict_proba(shown)[:, 1],
        "judged": pd.read_parquet(place / protocol.ANSWERS)["score_0"].to_numpy(),
    }


@pytest.mark.parametrize("spec", [HIST, LINEAR], ids=["early stopping and search", "threshold"])
def test_test_rows_reach_neither_fit_nor_search_nor_threshold(tmp_path: Path, spec: dict[str, Any]) -> None:
    found = {}
    for part in ("", "test", "validation"):
        (tmp_path / f"of {part}").mkdir()
        found[part] = trained(tmp_path / f"of {part}", spec, part)
    right, poisoned, tuned = found[""], found["test"], found["validation"]
    assert (poisoned["threshold"], poisoned["params"]) == (right["threshold"], right["params"])
    assert poisoned["folds"] == right["folds"]
    assert np.array_equal(poisoned["scores"], right["scores"])
    assert not np.array_equal(poisoned["judged"], right["judged"]), "they are what is judged"
    assert tuned["threshold"] != right["threshold"], "validation rows choose it"
    assert (tuned["params"] == right["params"]) == (spec is LINEAR), "and the params of a search"
    assert np.array_equal(tuned["scores"], right["scores"]) == (spec is LINEAR), "but no fit"
