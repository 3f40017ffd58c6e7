"""A model that is not scikit-learn's: a scorecard in plain Python that goes through a DataFrame row by row.

Run with MLflow's environment to log, register and alias it: ``python rowwise.py NAME FOLDER``, where the
folder holds another MLflow model, whose signature (labels are whole numbers) and example it takes over.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pyfunc
import pandas as pd
from mlflow.models import Model


class Scorecard(mlflow.pyfunc.PythonModel):
    """One point a column, weighted by its position; 1 where the points are in favour."""

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> list[int]:
        return [self.decide(row) for _, row in model_input.iterrows()]

    def decide(self, row: pd.Series) -> int:
        points = 0.0
        for position, value in enumerate(row, start=1):
            number = len(value) if isinstance(value, str) else float(value)
            points += math.tanh(number) / position
        return int(points > 0)


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    like = Model.load(str(folder))
    example = like.load_input_example(str(folder))
    mlflow.set_experiment(name)
    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=Scorecard(),
            signature=like.signature,
            input_example=example,
            pip_requirements=[f"mlflow=={mlflow.__version__}", f"pandas=={pd.__version__}"],
            registered_model_name=name,
        )
    mlflow.MlflowClient().set_registered_model_alias(name, "production", str(info.registered_model_version))


if __name__ == "__main__":
    main()
