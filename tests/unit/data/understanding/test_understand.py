"""What is said of prepared data, on rows whose faults are known."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data.prepare import prepare
from mlpipes_cli.data.understanding import Understanding, understand

SOURCE = parse_yaml("experiment: x\n", "e.yaml")
ROWS = 400
RANDOM = np.random.default_rng(11)
NOISE = RANDOM.normal(size=ROWS)


def understood(target: Any, said: tuple[str, ...] = (), data: Any = None, **columns: Any) -> Understanding:
    frame = pd.DataFrame({"noise": NOISE, **columns, "y": target})
    settings = Data.model_validate({"source": "x", "target": "y", **(data or {})})
    return understand(prepare(frame, settings, SOURCE), settings, said)


def halves() -> Any:
    return np.arange(ROWS) % 2


def test_rows_types_and_classes() -> None:
    found = understood(
        np.where(np.arange(ROWS) % 4 == 0, "yes", "no"),
        flag=np.arange(ROWS) % 3 == 0,
        town=["a", "b", "c", "d", "e"] * (ROWS // 5),
        day=pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(ROWS) % 50, unit="D"),
    )
    assert found.rows == {"train": 320, "holdout": 80}
    assert found.types == {"noise": "number", "flag": "boolean", "town": "text", "day": "datetime"}
    assert found.classes == {"no": 300, "yes": 100}
    assert found.warnings == ()
    assert found.lines() == [
        "400 rows: 320 train, 80 holdout; 4 features: 1 numeric, 1 boolean, 1 text, 1 datetime",
        "target 'y': binary, positive class 'yes' (alphabetically the last of the two; `positive` sets"
        " another); rows of each class: no 300, yes 100",
    ]


def test_columns_that_are_no_features_are_named() -> None:
    found = understood(
        halves(),
        number=np.arange(ROWS),
        w=NOISE**2 + 1,
        customer=np.arange(ROWS) // 4,
        data={"id": "number", "weights": "w", "split": {"group": "customer"}},
    )
    assert found.roles == {"id": "number", "weights": "w", "group": "customer"}
    assert found.types == {"noise": "number"}
    assert found.lines()[-1] == "not features: id 'number', weights 'w', group 'customer'"


@pytest.mark.parametrize(
    ("target", "data", "positive", "because"),
    [
        (halves(), {}, 1, "the larger of the two; `positive` sets another"),
        (halves() == 1, {}, True, "true of the two; `positive` sets another"),
        (halves(), {"positive": 0}, 0, "set by `positive`"),
        (np.arange(ROWS) % 3, {}, None, ""),
        (NOISE * 2 + RANDOM.normal(size=ROWS), {}, None, ""),
    ],
)
def test_the_positive_class_and_why(target: Any, data: Any, positive: Any, because: str) -> None:
    found = understood(target, data=data)
    assert (found.positive, found.positive_because) == (positive, because)


def test_columns_that_tell_nothing() -> None:
    found = understood(
        halves(),
        same=np.full(ROWS, 3),
        none=np.full(ROWS, np.nan),
        number=np.arange(ROWS) * 7,
        code=[f"k{position}" for position in range(ROWS)],
        gap=np.where(np.arange(ROWS) < 9, np.nan, 3.0),
    )
    assert found.warnings == (
        "no value in any row: 'none'",
        "the same value in every row: 'same'",
        "another value in every row: 'number', 'code'; a column that names the rows belongs in `id`"
        " or `drop`",
    )


def test_text_because_of_a_few_words() -> None:
    values = [str(position % 50) for position in range(ROWS)]
    values[3] = values[77] = "n.b."
    told = (
        "'size' is text because of 2 of 400 values, such as 'n.b.'; the others are numbers: list such words"
        " under `missing`, or set `types: {size: text}`"
    )
    assert understood(halves(), size=values).warnings == (told,)
    assert understood(halves(), size=values, data={"types": {"size": "text"}}).warnings == ()
    assert understood(halves(), ("data.csv: column 'size', line 5: 'n.b.' ...",), size=values).warnings == ()
    words = [value if position % 10 else "many" for position, value in enumerate(values)]
    assert understood(halves(), size=words).warnings == ()


def leaks(target: Any, **columns: Any) -> list[str]:
    return [line.split(" alone")[0] for line in understood(target, **columns).warnings if "alone" in line]


def test_a_column_that_separates_two_classes() -> None:
    y = halves()
    assert leaks(y, later=y * 5.0 + RANDOM.random(ROWS)) == ["'later'"]
    assert leaks(y, later=-y * 5.0 + RANDOM.random(ROWS)) == ["'later'"], "whatever the direction"
    assert leaks(y, word=np.where(y == 1, "paid", "open")) == ["'word'"]
    assert leaks(y, closed=np.where(y == 1, RANDOM.random(ROWS), np.nan)) == ["'closed'"], "by being missing"
    assert leaks(y, strong=y * 2.0 + NOISE) == []
    wrong = y.copy()
    wrong[:40] = 1 - wrong[:40]
    assert leaks(y, mostly=np.where(wrong == 1, "paid", "open")) == []
    assert leaks(y, code=[f"k{position}" for position in range(ROWS)]) == [], "names of rows are no evidence"


def test_what_separates_is_told_with_its_size() -> None:
    y = halves()
    told = "'later' alone tells 'y' on the training rows (ROC AUC 1); if it is only known afterwards, list it"
    assert understood(y, later=y * 5.0 + RANDOM.random(ROWS)).warnings == (f"{told} under `drop`",)


def test_a_rare_class_is_found_by_a_category_only_if_it_tells_it() -> None:
    y = (np.arange(ROWS) % 20 == 0).astype(int)  # one in twenty: calling all rows 0 is right in 95 %
    assert leaks(y, town=["a", "b", "c", "d"] * (ROWS // 4)) == []
    assert leaks(y, state=np.where(y == 1, "late", "fine")) == ["'state'"]


def test_several_classes_and_quantities() -> None:
    y = np.arange(ROWS) % 3
    assert leaks(y, code=np.array(["a", "b", "c"])[y]) == ["'code'"]
    assert leaks(y, code=y * 10.0) == ["'code'"]
    amount = RANDOM.gamma(2.0, 50.0, ROWS)
    assert leaks(amount, cents=amount * 100) == ["'cents'"]
    assert leaks(amount, near=amount + RANDOM.normal(size=ROWS)) == []


def test_labels_that_differ_only_in_writing() -> None:
    labels = ["yes", "no", "Yes ", "no"] * (ROWS // 4)
    assert understood(labels).warnings == (
        "the labels 'Yes ' and 'yes' of 'y' differ only in case or space and count as different classes",
    )


def test_whole_numbers_in_an_order() -> None:
    grades = np.repeat([3, 4, 5, 6, 7, 8], [10, 50, 140, 130, 60, 10])
    told = (
        "'y' has the whole numbers 3 to 8, which are treated as 6 classes without an order; for a quantity,"
        " set `task: regression`"
    )
    assert understood(grades).warnings == (told,)
    assert understood(grades, data={"task": "multiclass"}).warnings == ()
    assert understood(np.arange(ROWS) % 8).warnings == (), "digits are as frequent as each other"


def test_a_wide_table_is_looked_at_quickly() -> None:
    rows = 30_000
    random = np.random.default_rng(5)
    frame = pd.DataFrame({f"x{place}": random.normal(size=rows) for place in range(15)})
    for place in range(9):
        frame[f"t{place}"] = random.choice([f"w{word}" for word in range(200)], rows)
    frame["y"] = random.integers(0, 2, rows)
    settings = Data.model_validate({"source": "x", "target": "y"})
    prepared = prepare(frame, settings, SOURCE)
    spent = []
    for _ in range(3):
        began = time.process_time()
        assert understand(prepared, settings).warnings == ()
        spent.append(time.process_time() - began)
    assert min(spent) < 0.3
