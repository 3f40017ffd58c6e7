"""Holdouts for incumbents of releases that read files in another way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlpipes_cli import mlflow_tags
from mlpipes_cli.config.experiment import load_experiment
from mlpipes_cli.data import prepared_cache
from mlpipes_cli.data.formats import BEFORE
from mlpipes_cli.data.origins.sources import load
from mlpipes_cli.data.prepare import prepare
from mlpipes_cli.data.rows import hash_rows
from mlpipes_cli.errors import Refused
from mlpipes_cli.lifecycle.promotion.holdout import HoldoutSource
from mlpipes_cli.ports import RunRecord

EXPERIMENT = """experiment: lands
data: {source: data.csv, target: y, id: ID, drop: [note]}
runs: [{name: a, trainer: sklearn, estimator: sklearn.dummy.DummyClassifier}]
"""
COLUMNS = ["land", "day", "x", "y"]


class Folder:
    """A run's artifacts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def need(self, run: RunRecord, name: str) -> Path:
        return self.path / name


class Here:
    """A project's folders."""

    def __init__(self, root: Path) -> None:
        self.root, self.cache = root, root / "cache"


@pytest.fixture
def trained(tmp_path: Path) -> Any:
    lines = [
        f"{n},{'NA' if n % 3 else 'ZA'},2024-01-{n % 28 + 1:02d},{n / 2},n{n},{n % 2}" for n in range(100)
    ]
    (tmp_path / "data.csv").write_text("\n".join(["ID,land,day,x,note,y", *lines]) + "\n")
    for name in ("experiment.yaml", mlflow_tags.RESOLVED_EXPERIMENT):
        (tmp_path / name).write_text(EXPERIMENT)
    config, source = load_experiment(tmp_path / "experiment.yaml")

    def made(formats: Any) -> Any:
        frame = load(config.data, tmp_path, source, database_url=None, environ={}, formats=formats)
        return prepare(frame, config.data, source)

    now, then = made(None), made(BEFORE)
    holdouts: Any = HoldoutSource(Here(tmp_path), Folder(tmp_path), None)  # type: ignore[arg-type]
    return tmp_path, now, then, holdouts


def run(prepared: Any) -> RunRecord:
    tags = {
        mlflow_tags.DATA_FINGERPRINT: prepared.fingerprint,
        mlflow_tags.EXPERIMENT_FILE: "experiment.yaml",
    }
    return RunRecord("r" * 32, "lands", "a", "FINISHED", 0, {}, {}, tags)


@pytest.mark.parametrize("cached", [True, False])
def test_an_incumbent_of_old_is_asked_for_rows_as_it_knew_them(trained: Any, cached: bool) -> None:
    root, now, then, holdouts = trained
    if cached:
        prepared_cache.save(now, root / "cache" / "data" / now.fingerprint)
    held = holdouts.rows(run(now), COLUMNS)
    assert held.frame["land"].isin(["NA", "ZA"]).all()
    assert held.frame["day"].dtype == "datetime64[us]"
    old = holdouts.rows(run(now), COLUMNS, before=True)
    assert old.ids.tolist() == held.ids.tolist()
    assert set(old.frame["land"].dropna()) == {"ZA"}
    assert old.frame["day"].str.fullmatch(r"2024-01-\d\d").all()
    hashes = hash_rows(then.frame.iloc[then.holdout], COLUMNS)  # as the incumbent's run noted its rows
    assert hash_rows(old.frame, COLUMNS).tolist() == hashes.tolist()
    assert hash_rows(held.frame, COLUMNS).tolist() != hashes.tolist()


def test_columns_that_were_dropped_are_read_as_before_too(trained: Any) -> None:
    _, now, _, holdouts = trained
    old = holdouts.rows(run(now), [*COLUMNS, "note"], before=True)
    assert old.frame["note"].tolist() == [f"n{n}" for n in old.ids]


def test_a_challenger_of_old_is_made_again(trained: Any) -> None:
    root, _, then, holdouts = trained
    held = holdouts.rows(run(then), COLUMNS)
    pd.testing.assert_frame_equal(held.frame, then.frame.iloc[then.holdout].reset_index(drop=True))
    (root / "data.csv").write_text((root / "data.csv").read_text().replace("ZA", "ZB"))
    with pytest.raises(Refused, match="the data has changed since the run"):
        holdouts.rows(run(then), COLUMNS)
