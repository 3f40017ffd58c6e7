from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpipes_cli.worker import protocol

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
)
KEYS = st.text(max_size=4) | st.integers(-9, 9) | st.booleans()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_whatever_yaml_holds_comes_back_as_it_was(value: object) -> None:
    back = protocol.unpack(protocol.pack(value))
    assert repr(back) == repr(value)


def test_a_key_that_looks_like_our_own_comes_back_too() -> None:
    assert protocol.unpack(protocol.pack({"$map": [1]})) == {"$map": [1]}


def test_files_are_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    assert protocol.read(path) is None
    protocol.write(path, {"weights": {0: 1.5}})
    assert protocol.read(path) == {"protocol": 1, "weights": {0: 1.5}}
    path.write_text('{"protocol": 1, "weig')
    assert protocol.read(path) is None
    path.write_text('{"protocol": 2}')
    assert protocol.read(path) is None
    assert [item.name for item in tmp_path.iterdir()] == ["job.json"]


def test_a_message_of_another_version_is_refused() -> None:
    assert protocol.parse(protocol.line("run", job="a"))["job"] == "a"
    with pytest.raises(ValueError, match="protocol 1"):
        protocol.parse(b'{"protocol": 2, "type": "run"}')
