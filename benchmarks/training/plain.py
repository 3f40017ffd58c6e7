"""The same runs by MLflow's own plain calls: ``plain.py ROWS.parquet TARGET COUNT``.

The server's address is in ``MLFLOW_TRACKING_URI``. Prints the seconds of the calls, without the fits.
"""

from __future__ import annotations

import json
import sys
import time

import mlflow
import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main() -> None:
    rows, target, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    frame = pd.read_parquet(rows).select_dtypes("number").dropna()
    X, y = frame.drop(columns=[target]), frame[target]
    mlflow.set_experiment("plain")
    seconds = 0.0
    for number in range(count):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, random_state=number)).fit(X, y)
        score = roc_auc_score(y, model.predict_proba(X)[:, 1])
        started = time.perf_counter()
        with mlflow.start_run(run_name=f"c{number}"):
            mlflow.log_params({"C": 0.1, "random_state": number})
            mlflow.log_metric("roc_auc", score)
            signature = infer_signature(X, model.predict(X))
            mlflow.sklearn.log_model(
                model, name="model", signature=signature, serialization_format="cloudpickle"
            )
        seconds += time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "runs": count}))


if __name__ == "__main__":
    main()
