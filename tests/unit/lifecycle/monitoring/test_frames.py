"""Stored inputs become the columns of a model's signature."""

from __future__ import annotations

import base64
import json

import pandas as pd
import pytest
from picture_help import png

from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.pictures import statistics_of
from mlpipes_cli.lifecycle.monitoring.frames import Gathered, typed
from mlpipes_cli.ports.monitoring import WindowRow
from mlpipes_cli.server.models.signature import InputColumn

COLUMNS = (
    InputColumn("amount", "double", True), InputColumn("visits", "long", True),
    InputColumn("city", "string", False), InputColumn("member", "boolean", False, "double"),
    InputColumn("since", "datetime", False, "any"),
)  # fmt: skip


def gathered(*inputs: object) -> Gathered:
    found = Gathered(COLUMNS)
    found.take([[WindowRow(json.dumps(row), "1", None, False) for row in inputs]])
    return found


def test_values_become_those_of_the_signature() -> None:
    row = {"amount": 1.5, "visits": 3, "city": "Köln", "member": True, "since": "2024-05-31"}
    frame, misfits = typed(gathered(row, {**row, "city": None}).frame(), COLUMNS, Formats())
    assert misfits == {}
    assert [str(frame[name].dtype) for name in ("amount", "visits", "since")] == [
        "float64", "int64", "datetime64[us]",
    ]  # fmt: skip
    assert frame["since"][0] == pd.Timestamp("2024-05-31") and bool(frame["member"][1]) is True
    assert frame["city"].isna().tolist() == [False, True]


def test_what_does_not_fit_becomes_missing_and_is_counted() -> None:
    good = {"amount": 1.0, "visits": 3}
    rows = [{**good, "amount": n} for n in range(50)]
    rows[7] |= {"amount": "much"}
    rows[31] |= {"amount": "more", "visits": 0.5}
    rows[49] = {}
    frame, misfits = typed(gathered(*rows, ["not", "named"]).frame(), COLUMNS, Formats())
    assert misfits == {"amount": 2}  # where whole numbers are missing, all numbers fit
    assert frame["amount"].isna().to_numpy().nonzero()[0].tolist() == [7, 31, 49, 50]
    assert frame["visits"].isna().to_numpy().nonzero()[0].tolist() == [49, 50]
    assert frame["visits"][31] == 0.5
    assert frame["amount"][8] == 8.0 and len(frame) == 51


def test_a_served_image_has_the_statistics_of_its_file() -> None:
    """Requests and the stored predictions have images as Base64, the reference as bytes."""
    files = [png(10), png(200)]
    columns = (InputColumn("image", "binary", True),)
    served = Gathered(columns)
    rows = [json.dumps({"image": base64.b64encode(file).decode()}) for file in files]
    served.take([[WindowRow(row, "1", None, False) for row in rows]])
    frame, misfits = typed(served.frame(), columns, Formats())
    found = [statistics_of(value) for value in frame["image"]]
    assert misfits == {} and found == [statistics_of(file) for file in files]
    assert found[0] is not None and found[0][2] == pytest.approx(10 / 255)
