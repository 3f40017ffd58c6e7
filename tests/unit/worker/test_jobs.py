"""What a candidate's process makes of its job."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.config.experiment import ExperimentConfig
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data import prepare as preparing
from mlpipes_cli.data.origins import sources
from mlpipes_cli.trainers.preprocessing import preprocessing
from mlpipes_cli.worker import jobs

FILE = """\
experiment: codes
data:
  source: rows.csv
  target: y
  split: {test: 0.25, seed: 1}
  types: {TYPES}
runs:
  - {name: one, trainer: sklearn, estimator: sklearn.linear_model.LogisticRegression}
"""


@pytest.mark.parametrize(("types", "columns"), [("{}", ["zip"]), ("{zip: text}", ["zip_10", "zip_11"])])
def test_what_types_calls_text_reaches_the_preprocessing(
    tmp_path: Path, types: str, columns: list[str]
) -> None:
    zips = np.arange(80) % 8 + 10
    pd.DataFrame({"zip": zips, "y": zips % 2}).to_csv(tmp_path / "rows.csv", index=False)
    source = parse_yaml(FILE.replace("{TYPES}", types), "experiment.yaml")
    config = ExperimentConfig.model_validate(source.data)
    read = sources.load(config.data, tmp_path, source, database_url=None, environ={})
    prepared = preparing.prepare(read, config.data, source)
    content = {
        "metric": "ks", "seed": 1, "threads": 1, "preprocess": "auto", "spec": {}, "texts": config.data.texts,
    }  # fmt: skip
    training = jobs._training(content, prepared, tmp_path, None)
    step = preprocessing(training).fit(training.X, training.y)
    assert list(step.get_feature_names_out())[: len(columns)] == columns
