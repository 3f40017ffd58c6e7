from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpipes_cli.server.predictions import jsonb


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (float("nan"), None),
        (np.float64("nan"), None),
        (pd.NaT, None),
        (pd.NA, None),
        (np.datetime64("NaT"), None),
        (None, None),
        (float("inf"), "Infinity"),
        (-np.float32("inf"), "-Infinity"),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (True, True),
        (10**30, 10**30),
        ("a\x00b", "a\ufffdb"),
        ("\ud800x", "\ufffdx"),
        ("東京 🙂", "東京 🙂"),
        (pd.Timestamp("2024-01-02T03:04:05"), "2024-01-02T03:04:05"),
        (datetime(2024, 1, 2, tzinfo=UTC), "2024-01-02T00:00:00+00:00"),
        (date(2024, 1, 2), "2024-01-02"),
        (timedelta(seconds=90), 90.0),
        (b"\x00\xff", "AP8="),
        (Decimal("1.5"), "1.5"),
        (np.array([1.0, np.nan]), [1.0, None]),
        ({"a\x00": [1, (2, float("nan"))]}, {"a\ufffd": [1, [2, None]]}),
    ],
)
def test_what_is_stored(value: Any, stored: Any) -> None:
    assert json.loads(jsonb.encode(value)) == stored


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(values)
def test_always_json_in_utf8_without_what_jsonb_refuses(value: Any) -> None:
    text = jsonb.encode(value)
    text.encode("utf-8")
    json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert "\\u0000" not in text.replace("\\\\", "")
