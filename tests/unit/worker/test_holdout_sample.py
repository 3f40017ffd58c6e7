from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.data.prepared import Prepared
from mlpipes_cli.mlflow_tags import MODEL_SAMPLE
from mlpipes_cli.server.compiled import read_sample
from mlpipes_cli.worker import holdout_sample


def _prepared(rows: int, **columns: Any) -> Prepared:
    frame = pd.DataFrame(
        {
            "number": np.arange(rows, dtype="float64"),
            "gappy": pd.Series([1.5, np.nan] * (rows // 2)),
            "text": pd.Series(["Köln", None] * (rows // 2), dtype="str"),
            "flag": pd.Series([True, False] * (rows // 2)),
            "maybe": pd.Series([True, None] * (rows // 2), dtype=object),
            "when": pd.Series(pd.date_range("2020-01-01", periods=rows)).astype("datetime64[us]"),
            **columns,
            "secret id": np.arange(rows),
            "target": 1,
        }
    )
    names = tuple(name for name in frame if name not in ("secret id", "target"))
    train, holdout = np.arange(0, rows // 2), np.arange(rows // 2, rows)
    return Prepared("binary", (0, 1), 1, frame, names, "target", "secret id", train, holdout, "", "")


def test_the_holdouts_features_come_back_with_their_types(tmp_path: Path) -> None:
    prepared = _prepared(400)
    holdout_sample.write(prepared, tmp_path, 10_000)
    found = read_sample(tmp_path)
    assert found is not None
    pd.testing.assert_frame_equal(found.frame, prepared.X(prepared.holdout).reset_index(drop=True))


def test_of_many_rows_the_same_are_drawn_each_time(tmp_path: Path) -> None:
    prepared, drawn = _prepared(400), []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        holdout_sample.write(prepared, tmp_path / name, 50)
        found = read_sample(tmp_path / name)
        assert found is not None
        drawn.append(found.frame["number"].tolist())
    assert drawn[0] == drawn[1] == sorted(set(drawn[0]))
    assert len(drawn[0]) == 50 and min(drawn[0]) >= 200


def test_long_texts_make_it_fewer_rows(tmp_path: Path) -> None:
    prepared = _prepared(400, long=pd.Series(["x" * 1_000_000] * 400, dtype="str"))
    holdout_sample.write(prepared, tmp_path, 10_000)
    found = read_sample(tmp_path)
    assert found is not None and 20 < len(found.frame) < 40


def test_none_are_kept_where_none_may_be(tmp_path: Path) -> None:
    holdout_sample.write(_prepared(40), tmp_path, 0)
    assert list(tmp_path.iterdir()) == []
    assert read_sample(tmp_path) is None


@pytest.mark.parametrize("damage", [b"", b"ARROW1", b"x" * 500])
def test_a_sample_that_cannot_be_read_is_none(tmp_path: Path, damage: bytes) -> None:
    holdout_sample.write(_prepared(40), tmp_path, 100)
    whole = (tmp_path / MODEL_SAMPLE).read_bytes()
    for content in (damage, whole[: len(whole) // 2], whole[:8] + damage + whole[8 + len(damage) :][:-50]):
        (tmp_path / MODEL_SAMPLE).write_bytes(content)
        assert read_sample(tmp_path) is None
