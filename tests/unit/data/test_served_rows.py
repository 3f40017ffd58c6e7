"""Which part a served row gets: no row twice, and none that judges is trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data.prepare import prepare
from mlpipes_cli.data.prepared import Prepared
from mlpipes_cli.data.served_rows.parts import FEWEST_TO_JUDGE, RowCounts, ServedFrame, add

SOURCE = parse_yaml("experiment: x\ndata: {source: data.csv, target: y}\n", "e.yaml")


def rows(first: int, number: int) -> pd.DataFrame:
    """Rows with the ids and values of their numbers; every third is of the class 1."""
    numbers = np.arange(first, first + number)
    return pd.DataFrame(
        {"id": numbers, "a": numbers * 1.5, "b": [f"k{n % 7}" for n in numbers], "y": numbers % 3 // 2}
    )


def source(number: int = 100, **data: Any) -> Prepared:
    told = {"source": "data.csv", "target": "y", "id": "id", "split": {"test": 0.2, "by": "a"}} | data
    return prepare(rows(0, number), Data.model_validate(told), SOURCE)


def served(frame: pd.DataFrame, callers: Any = None, unusable: int = 0) -> ServedFrame:
    kept = frame[["a", "b", "y"]].reset_index(drop=True)
    if callers is None:
        callers = [str(value) for value in frame["id"]]
    return ServedFrame(kept.astype({"b": "str"}), callers, unusable)


def numbers(data: Prepared, part: Any) -> list[int]:
    return sorted((data.frame["a"].iloc[part] / 1.5).round().astype(int))


def test_the_newest_served_rows_judge_alone_where_they_are_enough() -> None:
    """The source's holdout are its rows 80 to 99: they are neither trained on nor judge."""
    made, counts = add(source(), served(rows(1000, 400)), 0.3)
    assert numbers(made, made.train) == [*range(80), *range(1000, 1280)]
    assert numbers(made, made.holdout) == [*range(1280, 1400)]
    assert (len(made.frame), len(made.validation)) == (480, 0)
    assert counts == RowCounts(80, 0, 20, 400, 280, 0, 120, judged_on="served")
    assert list(made.frame["id"].iloc[made.holdout]) == [*range(1280, 1400)]


def test_too_few_served_rows_join_the_holdout_of_the_source() -> None:
    made, counts = add(source(), served(rows(1000, 100)), 0.3)
    assert numbers(made, made.train) == [*range(80), *range(1000, 1070)]
    assert numbers(made, made.holdout) == [*range(80, 100), *range(1070, 1100)]
    assert (counts.judged_on, counts.served_train, counts.served_holdout) == ("both", 70, 30)


def test_a_class_that_is_rare_among_the_served_rows_does_not_judge_alone() -> None:
    frame = rows(1000, 400).assign(y=0)
    frame.loc[380:, "y"] = 1  # twenty rows, of which one is moved
    assert add(source(), served(frame), 0.3)[1].judged_on == "served"
    frame.loc[380, "y"] = 0
    assert add(source(), served(frame), 0.3)[1].judged_on == "both"


def test_what_the_source_has_is_left_out() -> None:
    """Of the source's rows 70 to 89 ten are for training and ten are held out."""
    base = source()
    made, counts = add(base, served(pd.concat([rows(70, 20), rows(1000, 20)])), 0.3)
    assert (counts.repeated, counts.kept_out, counts.served_train, counts.served_holdout) == (10, 10, 11, 9)
    assert numbers(made, made.train) == [*range(80), *range(1000, 1011)]
    assert numbers(made, made.holdout) == [*range(80, 100), *range(1011, 1020)]


def test_nothing_new_leaves_the_data_of_the_source() -> None:
    base = source()
    made, counts = add(base, served(rows(0, 100)), 0.3)
    assert made is base
    assert (counts.repeated, counts.kept_out, counts.judged_on) == (80, 20, "source")
    assert add(base, served(rows(0, 0)), 0.3)[0] is base


def test_by_values_where_there_is_no_id() -> None:
    """Without caller ids, and with a source that has none."""
    known, new = rows(70, 20), rows(1000, 20)
    both = pd.concat([known, new])
    for base in (source(), source(id=None, drop=["id"])):
        made, counts = add(base, served(both, [None] * 40), 0.3)
        assert (counts.repeated, counts.kept_out) == (10, 10)
        assert numbers(made, made.train) == [*range(80), *range(1000, 1011)]
    again = served(pd.concat([new, new]), [None] * 40)
    assert add(source(), again, 0.3)[1].repeated == 20


def test_a_served_row_takes_the_place_of_the_training_row_with_its_id() -> None:
    changed = rows(10, 5).assign(a=lambda frame: frame["a"] + 6000.0)
    made, counts = add(source(), served(pd.concat([changed, rows(1000, 20)])), 0.2)
    assert (counts.replaced, counts.repeated, counts.source_train) == (5, 0, 75)
    assert numbers(made, made.train) == [
        *range(10), *range(15, 80), *range(1000, 1015), *range(4010, 4015),
    ]  # fmt: skip
    assert sorted(made.frame["id"].iloc[made.train]) == sorted([*range(80), *range(1000, 1015)])


def test_a_row_with_the_id_of_a_holdout_row_is_not_trained_on() -> None:
    changed = rows(90, 5).assign(a=lambda frame: frame["a"] + 6000.0)
    made, counts = add(source(), served(pd.concat([changed, rows(1000, 20)])), 0.2)
    assert (counts.kept_out, counts.replaced) == (5, 0)
    assert not set(range(90, 95)) & set(made.frame["id"].iloc[made.train])
    numbers_written = [f"{value}.0" for value in changed["id"]]  # the same ids in another form
    _, counts = add(source(), served(changed, numbers_written), 0.2)
    assert counts.kept_out == 5


def test_rows_whose_values_are_trained_on_do_not_judge() -> None:
    """The newest have other ids than training rows, and their values."""
    copies = rows(0, 10).assign(id=range(5000, 5010))
    made, counts = add(source(), served(pd.concat([rows(1000, 30), copies])), 0.5)
    judged = set(numbers(made, made.holdout))
    assert judged == {*range(80, 100), *range(1020, 1030)}
    assert counts.served_train == 30


def test_the_validation_rows_get_their_share_of_what_is_learned() -> None:
    frame = rows(0, 100).assign(_split=["train"] * 60 + ["validation"] * 20 + ["test"] * 20)
    told = Data.model_validate({"source": "dataset:loans", "target": "y", "id": "id"})
    base = prepare(frame, told, SOURCE)
    made, counts = add(base, served(rows(1000, 40)), 0.3)
    assert (counts.served_train, counts.served_validation, counts.served_holdout) == (21, 7, 12)
    assert numbers(made, made.validation) == [*range(60, 80), *range(1021, 1028)]
    assert numbers(made, made.train) == [*range(60), *range(1000, 1021)]


def test_weights_and_groups_of_served_rows() -> None:
    frame = rows(0, 100).assign(w=[1.0, 3.0] * 50, g=[f"g{n % 20}" for n in range(100)])
    split = {"test": 0.2, "group": "g"}
    told = Data.model_validate(
        {"source": "data.csv", "target": "y", "id": "id", "weights": "w", "split": split}
    )
    base = prepare(frame, told, SOURCE)
    made, _ = add(base, served(rows(1000, 40)), 0.3)
    learned = made.train[made.frame["a"].iloc[made.train] >= 1500]
    mean = base.frame["w"].iloc[base.train].mean()
    assert set(made.weights(learned)) == {mean}  # type: ignore[arg-type]
    assert made.frame["g"].iloc[learned].isna().all()


def test_the_same_rows_give_the_same_fingerprints_and_other_rows_others() -> None:
    one, same = (add(source(), served(rows(1000, 400)), 0.3)[0] for _ in range(2))
    other = add(source(), served(rows(1001, 400)), 0.3)[0]
    assert (one.fingerprint, one.holdout_fingerprint) == (same.fingerprint, same.holdout_fingerprint)
    assert one.fingerprint not in {other.fingerprint, source().fingerprint}
    assert one.holdout_fingerprint not in {other.holdout_fingerprint, source().holdout_fingerprint}


@settings(max_examples=60, deadline=None)
@given(
    picked=st.lists(st.tuples(st.integers(0, 140), st.booleans(), st.booleans()), max_size=260),
    share=st.floats(0.05, 0.9),
    with_id=st.booleans(),
)
def test_no_row_that_judges_is_trained_on(
    picked: list[tuple[int, bool, bool]], share: float, with_id: bool
) -> None:
    """Whatever was served: rows of the source, again, with other values, with and without an id."""
    frame = pd.concat(
        [rows(n, 1).assign(a=lambda f, m=moved: f["a"] + 9000.0 * m) for n, moved, _ in picked]
        or [rows(0, 0)]
    )
    callers = [str(n) if named else None for n, _, named in picked]
    base = source() if with_id else source(id=None, drop=["id"])
    made, counts = add(base, served(frame, callers), share)

    def values(part: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in made.frame[["a", "b", "y"]].iloc[part].itertuples(index=False)]

    learned, judged = values(made.train), values(made.holdout)
    held = [tuple(row) for row in base.frame[["a", "b", "y"]].iloc[base.holdout].itertuples(index=False)]
    assert not set(learned) & set(judged)
    assert not set(learned) & set(held)
    assert (
        len(set(map(int, [*made.train, *made.holdout])))
        == len(made.frame)
        == len(made.train) + len(made.holdout)
    )
    if with_id:
        ids = [str(one) for one in made.frame["id"].iloc[made.train].dropna()]
        assert not {str(one) for one in base.frame["id"].iloc[base.holdout]} & set(ids)
        assert len(ids) == len(set(ids))
    assert len(made.holdout) >= min(FEWEST_TO_JUDGE, len(base.holdout))
    assert len(made.train) == counts.source_train + counts.served_train
    used = counts.served_train + counts.served_holdout
    assert counts.served == used + counts.repeated + counts.kept_out
