"""Automatic preprocessing: kinds of columns, names, messy frames, and life without this package."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline

from mlpipes_cli.data.canonical import canonical
from mlpipes_cli.metric_catalog import Task
from mlpipes_cli.preprocess import portable
from mlpipes_cli.preprocess.auto import build, kind_of
from mlpipes_cli.preprocess.blocks import read_moments

ROWS = 60


def people() -> pd.DataFrame:
    n = np.arange(ROWS)
    frame = pd.DataFrame(
        {
            "Amount": np.where(n % 9 == 0, np.nan, n * 1.5),
            "city": [("Paris", "Rome", "Oslo")[k % 3] for k in n],
            "when": [f"2024-{k % 12 + 1:02d}-{k % 28 + 1:02d}" for k in n],
            "street": [f"street {k % 40}" for k in n],
            "flag": [(True, False, None)[k % 3] for k in n],
            "zip": [f"0{k % 5}123" for k in n],
            "text number": [str(k * 0.5) for k in n],
            "constant": "x",
            "empty": None,
        }
    )
    return frame.apply(canonical)


def target(rows: int = ROWS, task: Task = "binary") -> np.ndarray:
    n = np.arange(rows)
    return {"binary": n % 2, "multiclass": n % 3, "regression": n * 1e6}[task]


def test_kinds_and_names() -> None:
    step = build(people(), "binary")
    out = step.fit_transform(people(), target())
    assert list(out.columns) == [
        "Amount", "flag", "Amount_missing", "flag_missing",
        "when_month", "when_day", "when_weekday", "when_epoch",
        "city_Oslo", "city_Paris", "city_Rome",
        "zip_00123", "zip_01123", "zip_02123", "zip_03123", "zip_04123", "street", "text number",
    ]  # fmt: skip
    assert list(step.get_feature_names_out()) == list(out.columns)
    assert list(step.feature_names_in_) == list(people().columns)
    assert np.isfinite(out.to_numpy()).all()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.0, 2.0], "numbers"),
        ([1.0, None], "numbers"),
        ([2.0, 2.0], "constant"),
        ([True, False], "numbers"),
        ([True, None], "numbers"),
        (["true", "False"], "numbers"),
        (["a", "b"], "categories"),
        (["a", None], "categories"),
        ([None, None], "constant"),
        (["", " "], "constant"),
        (["1.5", "2", "-3e4"], "categories"),
        (["007", "012"], "categories"),
        ([str(k) for k in range(20)] + ["?"], "categories"),
        ([str(k) for k in range(40)], "targets"),
        (["2024-01-01", "2024-02-01T10:00:00Z"], "dates"),
        ([f"2024-01-{k:02d}" for k in range(1, 29)] + ["unknown"], "dates"),
        (["2024-13-01", "2024-99-99"], "categories"),
        ([f"k{k}" for k in range(31)], "targets"),
    ],
)
def test_kind(values: list[Any], kind: str) -> None:
    assert kind_of(canonical(pd.Series(values))) == kind
    assert kind_of(pd.Series(values, dtype=object)) == kind


def test_what_is_said_to_be_text_is_text() -> None:
    """``types: {day: text}`` holds also for what looks like dates or truths."""
    for values in (["2024-01-01", "2024-02-01"], ["true", "false"]):
        assert kind_of(canonical(pd.Series(values)), is_text=True) == "categories"
    frame = pd.DataFrame({"day": [f"2024-01-{k:02d}" for k in range(1, 29)]})
    step = build(frame, "binary", texts=["day"])
    assert len(step.fit_transform(frame, target(28)).columns) == 28
    assert step.get_feature_names_out()[0] == "day_2024-01-01"


def test_numbers_are_filled_and_scaled() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0, np.nan, np.inf]})
    out = build(frame, "binary").fit_transform(frame, [0, 1, 0, 1, 0])
    assert out["a"].mean() == pytest.approx(0, abs=1e-12)
    assert out["a"].std(ddof=0) == pytest.approx(1)
    assert out["a"][3] == out["a"][4] == 0  # the median, which is the mean here
    assert out["a_missing"].tolist() == [0, 0, 0, 1, 1]


def test_dates_are_taken_apart() -> None:
    texts = ["2023-01-31T06:00:00+00:00", "2024-02-29 18:30:00", "2025-03-03", "nonsense"]
    frame = pd.DataFrame({"when": texts * 10})
    frame.loc[0, "when"] = None
    step = build(frame[frame["when"] != "nonsense"], "binary")
    assert step.fit(frame, None) is step
    dates = step.blocks_[0]
    found = pd.DataFrame(dates._read(frame[["when"]]), columns=dates.parts)
    assert found.loc[1, "year":"hour"].tolist() == [2024, 2, 29, 3, 18.5]  # type: ignore[misc]
    assert found.loc[1, "epoch"] == pytest.approx(pd.Timestamp("2024-02-29 18:30").timestamp() / 86400)
    assert found.loc[0].isna().all()
    as_dates = pd.DataFrame(
        {"when": pd.to_datetime(frame["when"], errors="coerce", format="ISO8601", utc=True)}
    )
    pd.testing.assert_frame_equal(step.transform(as_dates), step.transform(frame))


@pytest.mark.parametrize(
    "text", ["now", "today", "01/06/2024", "2024", "2024-06", "2024-06-31", "1717575000", "0000000000001"]
)
def test_text_that_is_refused_as_a_date_elsewhere_is_a_missing_one(text: str) -> None:
    """pandas takes ``now`` for the present: the same row would have another score every day."""
    read = read_moments(pd.Series([text, "2024-06-05 08:10", "2024-06-05T10:10+02:00", "1717575000000"]))
    assert np.isnat(read[0])
    assert read[1] == read[2] == np.datetime64("2024-06-05T08:10")
    assert read[3] == np.datetime64(1717575000000, "ms")


def test_what_training_never_saw() -> None:
    step = build(people(), "binary").fit(people(), target())
    strange = pd.DataFrame(
        {
            "Amount": ["many"],
            "city": ["Atlantis"],
            "when": ["yesterday"],
            "street": ["elsewhere"],
            "flag": ["perhaps"],
            "zip": [1.5],
            "text number": [None],
            "extra": [1],
        }
    )
    out = step.transform(strange)
    assert out.shape == (1, 18)
    assert out.filter(like="city_").to_numpy().sum() == 0
    assert out["Amount_missing"][0] == 1
    assert out["street"][0] == 0
    with pytest.raises(ValueError, match="missing columns: 'Amount', 'street'"):
        step.transform(strange.drop(columns=["Amount", "street"]))


def test_many_categories_do_not_leak_the_target() -> None:
    """Unique keys with random labels: a row's own label would let a model look perfect."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"key": [f"k{n}" for n in range(2000)], "x": random.normal(size=2000)})
    y = random.integers(0, 2, 2000)
    pipeline = Pipeline([("preprocess", build(frame, "binary")), ("model", LogisticRegression())])
    assert abs(cross_val_score(pipeline, frame, y, scoring="roc_auc").mean() - 0.5) < 0.05
    assert pipeline.fit(frame, y).predict_proba(frame)[:, 1].std() < 0.1
    telling = pd.DataFrame({"key": [f"k{n % 100}" for n in range(2000)]})
    assert cross_val_score(clone(pipeline).set_params(preprocess=build(telling, "binary")),
                           telling, np.arange(2000) % 2, scoring="roc_auc").mean() > 0.99  # fmt: skip


def test_category_means_are_drawn_towards_the_mean_of_all() -> None:
    frame = pd.DataFrame({"key": [f"k{n}" for n in range(40)] + ["k0"] * 10})
    y = np.array([0, 1] * 20 + [1] * 10)
    step = build(frame, "binary").fit(frame, y)
    deviation = (0.6 * 0.4) ** 0.5
    wanted = ((10 + 10 * 0.6) / (11 + 10) - 0.6) / deviation  # ten ones in eleven rows, ten rows of the prior
    assert step.transform(frame[:1])["key"][0] == pytest.approx(wanted)


def test_ten_thousand_categories_by_every_task() -> None:
    frame = pd.DataFrame({"key": [f"k{n}" for n in range(10_000)] * 2})
    for task, columns in (
        ("binary", ["key"]),
        ("regression", ["key"]),
        ("multiclass", ["key_0", "key_1", "key_2"]),
    ):
        step = build(frame, task)  # type: ignore[arg-type]
        out = step.fit_transform(frame, target(20_000, task))  # type: ignore[arg-type]
        assert list(out.columns) == columns
        assert np.isfinite(out.to_numpy()).all()
        assert step.transform(frame[:1]).shape == (1, len(columns))


def test_names_that_would_stand_twice_are_told_apart() -> None:
    frame = pd.DataFrame(
        {
            "a": ["b_c", "x"] * 10,
            "a_b": ["c", "y"] * 10,
            "a_x": np.arange(20.0),
            "größe": [1.0, None] * 10,
            "größe_missing": np.arange(20.0),
        }
    )
    out = build(frame, "binary").fit_transform(frame, target(20))
    assert out.columns.is_unique
    assert {"a_x", "a_x_2", "a_b_c", "a_b_c_2", "größe", "größe_missing", "größe_missing_2"} <= set(
        out.columns
    )


def test_columns_that_stand_twice_are_refused() -> None:
    frame = pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"])
    with pytest.raises(ValueError, match="duplicate column names: 'a'"):
        build(frame, "binary")
    step = build(frame.set_axis(["a", "b"], axis=1), "binary").fit(frame.set_axis(["a", "b"], axis=1))
    with pytest.raises(ValueError, match="duplicate column names: 'a'"):
        step.transform(pd.DataFrame([[1, 2, 3]], columns=["a", "a", "b"]))


def test_nothing_that_varies_gives_zeros() -> None:
    frame = pd.DataFrame({"a": [1.0] * 5, "b": ["x"] * 5})
    out = build(frame, "binary").fit_transform(frame, [0, 1, 0, 1, 0])
    assert out.drop(columns="b_missing", errors="ignore").to_numpy().tolist() == [[0, 0]] * 5


def test_as_a_step_of_scikit_learn() -> None:
    frame = people()
    pipeline = Pipeline([("preprocess", build(frame, "regression")), ("model", Ridge())])
    pipeline.set_output(transform="pandas")
    copied = clone(pipeline).fit(frame, target(task="regression"))
    assert len(copied[:-1].get_feature_names_out()) == copied["model"].n_features_in_ == 18
    one = pd.concat([copied["preprocess"].transform(frame[k : k + 1]) for k in range(ROWS)])
    pd.testing.assert_frame_equal(one, copied["preprocess"].transform(frame))
    assert isinstance(repr(pipeline), str)


def test_straight_lines_converge() -> None:
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    pipeline = Pipeline([("preprocess", build(X, "binary")), ("model", LogisticRegression(max_iter=100))])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline.fit(X, y)
    assert pipeline.score(X, y) > 0.98


# --- messy frames ------------------------------------------------------------------------------

CELLS = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-(2**70), 2**70),
    st.booleans(),
    st.text(max_size=6),
    st.sampled_from(
        ["", " ", "2024-01-31", "2024-02-30", "9999-12-31T23:59:59", "0001-01-01", "1e400", "0x1", "nan"]
    ),
    st.datetimes(),
)
COLUMN = st.one_of(
    st.lists(CELLS, min_size=8, max_size=8),
    st.lists(st.floats(), min_size=8, max_size=8),
    st.lists(st.sampled_from([None, "a", "b"]), min_size=8, max_size=8),
    st.lists(st.sampled_from([True, False, None]), min_size=8, max_size=8),
)
NAMES = st.text(min_size=1, max_size=5)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    columns=st.dictionaries(NAMES, COLUMN, min_size=1, max_size=4),
    serving=st.lists(CELLS, min_size=4, max_size=4),
    task=st.sampled_from(["binary", "multiclass", "regression"]),
    raw=st.booleans(),
    scale=st.booleans(),
)
def test_any_frame(
    columns: dict[str, list[Any]], serving: list[Any], task: Task, raw: bool, scale: bool
) -> None:
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
    if not raw:
        frame = frame.apply(canonical)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step = build(frame, task, scale)
        fitted = step.fit_transform(frame, target(8, task))
        later = pd.DataFrame(
            {name: pd.Series([serving[k % 4]], dtype=object) for k, name in enumerate(columns)}
        )
        served = [step.transform(frame), step.transform(later), step.transform(frame[:0])]
    for out in [fitted, *served]:
        assert list(out.columns) == list(fitted.columns)
        assert np.isfinite(out.to_numpy().astype("float32")).all()
        assert out.columns.is_unique


# --- without this package ----------------------------------------------------------------------


def test_a_pickled_step_needs_nothing_of_ours(tmp_path: Path) -> None:
    frame = people()
    pipeline = Pipeline([("preprocess", build(frame, "binary")), ("model", LogisticRegression())]).fit(
        frame, target()
    )
    for module in portable.modules():
        cloudpickle.register_pickle_by_value(module)
    try:
        (tmp_path / "model.pkl").write_bytes(cloudpickle.dumps(pipeline))
    finally:
        for module in portable.modules():
            cloudpickle.unregister_pickle_by_value(module)
    frame.to_parquet(tmp_path / "rows.parquet")
    code = textwrap.dedent(
        """
        import sys
        class Nothing:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] == "mlpipes_cli":
                    raise ImportError("mlpipes is not installed here")
        sys.meta_path.insert(0, Nothing())
        import pickle
        import pandas as pd
        from sklearn.base import clone
        model = pickle.load(open("model.pkl", "rb"))
        rows = pd.read_parquet("rows.parquet")
        print([float(p).hex() for p in model.predict_proba(rows)[:, 1]])
        clone(model).fit(rows, [0, 1] * 30)
        pickle.dumps
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str([float(p).hex() for p in pipeline.predict_proba(frame)[:, 1]])
