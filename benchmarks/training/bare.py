"""The same fits on a plain process pool: reads the rows, fits the same pipelines, predicts the same holdout.

``python bare.py ROWS.parquet HOLDOUT.npy PARALLEL CANDIDATES.json``; nothing is tracked, scored or saved.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"


def fit(rows: str, holdout: str, target: str, candidate: dict[str, Any]) -> float:
    import importlib

    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from mlpipes_cli.preprocess import auto

    frame, held = pd.read_parquet(rows), np.load(holdout)
    mask = np.zeros(len(frame), dtype=bool)
    mask[held] = True
    X, y = frame.drop(columns=[target]), frame[target]
    module, _, name = candidate["estimator"].rpartition(".")
    estimator = getattr(importlib.import_module(module), name)(**candidate["params"])
    pipeline = Pipeline([("preprocess", auto.build(X[~mask], "binary")), ("model", estimator)])
    pipeline.fit(X[~mask], y[~mask])
    return float(pipeline.predict_proba(X[mask])[:, 1].sum())


def main() -> None:
    rows, holdout, parallel, listed = sys.argv[1:]
    told = json.loads(Path(listed).read_text())
    with ProcessPoolExecutor(int(parallel)) as pool:
        done = [pool.submit(fit, rows, holdout, told["target"], one) for one in told["candidates"]]
        print(sum(one.result() for one in done))


if __name__ == "__main__":
    main()
