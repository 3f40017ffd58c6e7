"""Texts that MLflow's own server reads as missing values are named before it starts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa

from mlpipes_cli.lifecycle.serving import csv_words
from mlpipes_cli.mlflow_tags import MODEL_SAMPLE


def test_words_that_pandas_takes_for_missing_are_found_by_column(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "country": ["ZA", "NA", None, "None", "EU"],
            "note": ["a,b", 'say "no"', "two\nlines", "", "nothing"],
            "amount": [1.0, None, 3.0, 4.0, 5.0],
            "day": pd.to_datetime(["2024-01-01"] * 5),
        }
    )
    table = pa.Table.from_pandas(frame)
    with pa.OSFile(str(tmp_path / MODEL_SAMPLE), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    assert csv_words.read_as_missing(tmp_path) == {"country": ["NA", "None"]}


def test_a_model_without_holdout_rows_has_none(tmp_path: Path) -> None:
    assert csv_words.read_as_missing(tmp_path) == {}
