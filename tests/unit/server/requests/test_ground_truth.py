from __future__ import annotations

from typing import Any

import pytest

from mlpipes_cli.server.requests.ground_truth import Expected, TruthMismatch, caller_ids

BINARY = Expected("binary", (0, 1))
TEXTS = Expected("multiclass", ("1", "two", " three"))
BOOLEANS = Expected("binary", (False, True))
NUMBERS = Expected("regression")
ANYTHING = Expected()


@pytest.mark.parametrize(
    ("expected", "value", "kept"),
    [
        (BINARY, 1, 1),
        (BINARY, 0.0, 0),
        (BINARY, True, 1),
        (BOOLEANS, 1, True),
        (TEXTS, "two", "two"),
        (NUMBERS, 3, 3),
        (NUMBERS, -2.5, -2.5),
        (ANYTHING, "x", "x"),
        (ANYTHING, False, False),
    ],
)
def test_a_value_becomes_the_class_that_it_equals(expected: Expected, value: Any, kept: Any) -> None:
    found = expected.take(value)
    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        (BINARY, 2),
        (BINARY, "1"),
        (BINARY, None),
        (BINARY, [1]),
        (BINARY, {}),
        (TEXTS, 1),
        (NUMBERS, True),
        (NUMBERS, "3"),
        (NUMBERS, float("inf")),
        (ANYTHING, None),
        (ANYTHING, [1]),
        (ANYTHING, float("nan")),
        (ANYTHING, "x" * 1001),
    ],
)
def test_what_the_model_does_not_know_is_refused(expected: Expected, value: Any) -> None:
    with pytest.raises(TruthMismatch, match="expected"):
        expected.take(value)


@pytest.mark.parametrize(
    ("expected", "text", "kept"),
    [
        (BINARY, "1", 1),
        (BINARY, " 0.0 ", 0),
        (BOOLEANS, "true", True),
        (BOOLEANS, "False", False),
        (BOOLEANS, "1", True),
        (TEXTS, "1", "1"),
        (TEXTS, " three", " three"),
        (TEXTS, "two ", "two"),
        (NUMBERS, "3", 3),
        (NUMBERS, "1e3", 1000.0),
        (ANYTHING, "7", 7),
        (ANYTHING, "seven", "seven"),
        (ANYTHING, "nan", "nan"),
    ],
)
def test_text_of_a_file_becomes_the_class_that_it_means(expected: Expected, text: str, kept: Any) -> None:
    found = expected.read(text)
    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("expected", "text"), [(BINARY, "2"), (BINARY, "yes"), (TEXTS, "2"), (NUMBERS, "x"), (NUMBERS, "nan")]
)
def test_text_that_means_no_class_is_refused(expected: Expected, text: str) -> None:
    with pytest.raises(TruthMismatch, match="expected"):
        expected.read(text)


def test_several_versions_together_know_all_their_classes() -> None:
    both = Expected.of(
        [{"task": "multiclass", "classes": ["a", "b"]}, {"task": "multiclass", "classes": ["b", "c"]}]
    )
    assert both == Expected("multiclass", ("a", "b", "c"))
    assert both.words == 'one of "a", "b", "c"'
    assert Expected.of([]) == Expected.of([{}]) == ANYTHING
    assert Expected.of([{"task": "binary", "classes": [0, 1]}, {"task": "regression"}]) == ANYTHING


@pytest.mark.parametrize(
    ("identifier", "ways"),
    [
        ("x", ("x",)),
        ("5", ("5",)),
        (5, ("5", "5.0")),
        (5.0, ("5.0", "5")),
        (2.5, ("2.5",)),
        (2**60, (str(2**60),)),
        ("a\x00b", ("a\ufffdb",)),
    ],
)
def test_ways_in_which_an_identifier_may_be_stored(identifier: Any, ways: tuple[str, ...]) -> None:
    assert caller_ids(identifier) == ways


@pytest.mark.parametrize("identifier", [None, True, "", "x" * 1001, [1], {}, float("nan")])
def test_what_is_no_identifier(identifier: Any) -> None:
    with pytest.raises(TruthMismatch):
        caller_ids(identifier)
