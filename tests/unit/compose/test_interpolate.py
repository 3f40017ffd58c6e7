"""Variables in the Compose file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpipes_cli.compose.interpolate import InterpolationError, interpolate

VARIABLES = {"SET": "value", "EMPTY": "", "_x1": "low"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ("$SET", "value"),
        ("${SET}", "value"),
        ("a${SET}b$SET-c", "avaluebvalue-c"),
        ("${_x1}${EMPTY}", "low"),
        ("$$SET $${SET} $$$$", "$SET ${SET} $$"),
        ("${SET:-other}", "value"),
        ("${EMPTY:-other}", "other"),
        ("${EMPTY-other}", ""),
        ("${NONE:-other}", "other"),
        ("${NONE-other}", "other"),
        ("${NONE:-}", ""),
        ("${SET:+other}", "other"),
        ("${EMPTY:+other}", ""),
        ("${EMPTY+other}", "other"),
        ("${NONE+other}", ""),
        ("${SET:?is missing}", "value"),
        ("${EMPTY?is missing}", ""),
        ("${NONE:-${SET}}", "value"),
        ("${NONE:-${OTHER:-a ${EMPTY:-deep} b}}", "a deep b"),
        ("${NONE:-a:b-c?d+e}", "a:b-c?d+e"),
        ("${NONE:-$$5}", "$5"),
        ("${SET:-${NONE:?never looked at}}", "value"),
        ("${NONE:+${ALSO_NONE:?never looked at}}", ""),
        ("http://${SET}:${NONE:-9000}/", "http://value:9000/"),
    ],
)
def test_forms(text: str, expected: str) -> None:
    assert interpolate(text, VARIABLES) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${NONE}", "variable NONE is not set and has no default"),
        ("$NONE", "variable NONE is not set"),
        ("${NONE:?is missing in .env}", "variable NONE is missing in .env"),
        ("${EMPTY:?is empty}", "variable EMPTY is empty"),
        ("${NONE?}", "variable NONE is not set"),
        ("${NONE:?see ${SET}}", "variable NONE see value"),
        ("${A:-${B:-${NONE:?deep}}}", "variable NONE deep"),
        ("${SET", "is not closed"),
        ("${A:-${SET}", "is not closed"),
        ("${}", "is not a valid variable"),
        ("${1A}", "is not a valid variable"),
        ("${SET/x/y}", "is not a valid variable"),
        ("${SET:x}", "is not a valid variable"),
        ("cost: 5$", "a lone $"),
        ("$(whoami)", "a lone $"),
        ("$1", "a lone $"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises(InterpolationError, match=message.replace("$", r"\$").replace("(", r"\(")):
        interpolate(text, VARIABLES)


@given(st.text())
def test_doubled_dollars_come_back_single(text: str) -> None:
    assert interpolate(text.replace("$", "$$"), {}) == text


PLAIN = st.text(st.characters(blacklist_characters="${}", blacklist_categories=["Cs"]), max_size=8)
NAMES = st.sampled_from(["SET", "EMPTY", "NONE", "_x1"])
Pair = tuple[str, str]


def _render(operator: str, name: str, inner: Pair) -> Pair:
    value = VARIABLES.get(name)
    there = bool(value) if operator.startswith(":") else value is not None
    default = (value or "") if there else inner[1]
    instead = inner[1] if there else ""
    return f"${{{name}{operator}{inner[0]}}}", default if operator.endswith("-") else instead


def _joined(parts: list[Pair]) -> Pair:
    return "".join(part[0] for part in parts), "".join(part[1] for part in parts)


TREES = st.recursive(
    PLAIN.map(lambda text: (text, text)) | st.just(("$$", "$")),
    lambda inner: (
        st.builds(_render, st.sampled_from([":-", "-", ":+", "+"]), NAMES, inner)
        | st.lists(inner, max_size=3).map(_joined)
    ),
    max_leaves=12,
)


@given(TREES)
def test_any_nesting(tree: Pair) -> None:
    text, expected = tree
    assert interpolate(text, VARIABLES) == expected
