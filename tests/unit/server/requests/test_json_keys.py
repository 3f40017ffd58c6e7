"""Keys of JSON are counted as a parser counts them, without parsing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpipes_cli.server.requests.json_keys import at_most

TEXTS = st.text(st.sampled_from('ab:"\\ {}[],\n東'), max_size=6)
VALUES = st.recursive(
    TEXTS | st.none() | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def keys(body: bytes) -> int:
    """How many keys Python's parser finds, those that stand twice too."""
    found = 0

    def seen(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found += len(pairs)

    json.loads(body, object_pairs_hook=seen)
    return found


def check(body: bytes) -> None:
    right = keys(body)
    for said in range(max(0, right - 2), right + 3):
        assert at_most(body, said) is (right <= said), (body[:200], right, said)


@settings(max_examples=300, deadline=None)
@given(VALUES, st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : "), (",\n", "\t:\r\n")]), st.booleans())
def test_keys_are_counted_whatever_is_in_texts(value: Any, marks: tuple[str, str], ascii: bool) -> None:
    body = json.dumps(value, separators=marks, ensure_ascii=ascii).encode()
    check(body)
    check(b"[" + b",".join([body] * (9000 // len(body) + 1)) + b"]")  # counted in another way


@pytest.mark.parametrize("text", ["x", ":", '":', "\\\\"])
def test_large_bodies_are_counted_over_the_edges_of_their_parts(text: str) -> None:
    for filled in range(32_720, 32_770):
        check(json.dumps([" " * filled, {"a": text, "b ": text}] * 3).encode())


@pytest.mark.parametrize("rest", [1, 5000])
def test_a_key_that_stands_twice_counts_twice(rest: int) -> None:
    check(b'{"a":1,"a":":","filler":"%b","a" :3}' % (b"x" * rest))
