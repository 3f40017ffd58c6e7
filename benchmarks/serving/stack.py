"""A project with a running embedded stack, and the models that are measured, trained and promoted in it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs import BenchError
from peers.base import Answers, Record, Target

MLPIPES = Path(sys.executable).with_name("mlpipes")
ESTIMATORS = {
    "boosting": "sklearn.ensemble.GradientBoostingClassifier",
    "forest": "sklearn.ensemble.RandomForestClassifier",
}
OTHER = "rowwise"
ROWS = 1000
EXPERIMENT = """\
experiment: {name}
data:
  source: {source}
  target: {target}
  {id}drop: {drop}
  split: {{test: 0.25, seed: 42, stratify: true}}
  preprocess: auto
metric: ks
runs:
  - {{name: {name}, trainer: sklearn, estimator: {estimator}}}
"""
TABLE = """
CREATE SCHEMA IF NOT EXISTS bench;
CREATE TABLE IF NOT EXISTS bench.predictions (
  prediction_id uuid PRIMARY KEY,
  made_at timestamptz NOT NULL DEFAULT now(),
  model text NOT NULL,
  inputs jsonb NOT NULL,
  prediction jsonb NOT NULL,
  score double precision
);
CREATE INDEX IF NOT EXISTS predictions_made_at ON bench.predictions (made_at);
"""


@dataclass(frozen=True)
class Data:
    """What the models are trained on.

    Attributes:
        path: A CSV file; None for the example `credit` that mlpipes generates.
        target: The column that is predicted.
        id: The column that identifies a row, or None.
        drop: Columns that are left out.
    """

    path: Path | None = None
    target: str = "Class"
    id: str | None = None
    drop: tuple[str, ...] = ("Time",)


class Stack:
    """The project in a folder; use :func:`running`."""

    def __init__(self, folder: Path, data: Data) -> None:
        self.folder, self.data = folder, data
        self.project = folder / "project"
        self.tracking: dict[str, str] = {}
        self.database = ""

    def start(self) -> None:
        """Make the project and start its stack."""
        _run([str(MLPIPES), "init", "--example", "credit", str(self.project)], self.folder)
        (self.project / "mlpipes.yaml").write_text("project: bench\nruntime: embedded\n")
        if self.data.path is not None:
            shutil.copy(self.data.path, self.project / "data" / "given.csv")
        self._mlpipes("up")
        found = json.loads(self._mlpipes("env", "--json"))
        self.database = found.pop("MLPIPES_DATABASE_URL")
        self.tracking = found
        self.execute(TABLE)

    @property
    def file(self) -> Path:
        """The data."""
        return self.project / "data" / ("credit.csv" if self.data.path is None else "given.csv")

    def train(self, name: str) -> Target:
        """Train and promote one of :data:`ESTIMATORS`."""
        experiment = EXPERIMENT.format(
            name=name,
            source=self.file.relative_to(self.project),
            target=json.dumps(self.data.target),
            id=f"id: {json.dumps(self.data.id)}\n  " if self.data.id else "",
            drop=json.dumps(list(self.data.drop)),
            estimator=ESTIMATORS[name],
        )
        (self.project / f"{name}.yaml").write_text(experiment)
        self._mlpipes("train", f"{name}.yaml")
        self._mlpipes("promote", "--experiment", name, "--metric", "ks")
        return self._target(name)

    def register_other(self, like: Target) -> Target:
        """Register :mod:`rowwise` with the columns of another model, through MLflow's client."""
        script = Path(__file__).with_name("rowwise.py")
        _run([sys.executable, str(script), OTHER, str(like.folder)], self.folder, self.tracking)
        self._mlpipes("models", "trust", "--all", "--model", OTHER)
        return self._target(OTHER)

    def records(self, target: Target) -> list[Record]:
        """Complete rows of the data, as the model takes them; :data:`ROWS` of them."""
        import pandas as pd
        from mlflow.models import Model

        columns = Model.load(str(target.folder)).get_input_schema().inputs
        frame = pd.read_csv(self.file)[[column.name for column in columns]].dropna().head(ROWS)
        numbers = [column.name for column in columns if column.type.name in ("double", "float")]
        rows: list[Record] = frame.astype(dict.fromkeys(numbers, "float64")).to_dict("records")
        if not rows:
            raise BenchError("the data has no row without a missing value")
        return (rows * (ROWS // len(rows) + 1))[:ROWS]

    def truth(self, target: Target, records: Sequence[Record]) -> Answers:
        """What scikit-learn itself, or the other model, says in this process."""
        import mlflow.pyfunc
        import mlflow.sklearn
        import pandas as pd

        frame = pd.DataFrame(list(records))
        if target.name == OTHER:
            return Answers(list(mlflow.pyfunc.load_model(str(target.folder)).predict(frame)))
        model = mlflow.sklearn.load_model(str(target.folder))
        return Answers(model.predict(frame).tolist(), model.predict_proba(frame)[:, 1].tolist())

    def execute(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run SQL in the stack's PostgreSQL, committed.

        Raises:
            BenchError: It does not answer, or refuses.
        """
        import psycopg2

        try:
            with closing(psycopg2.connect(self.database)) as connection, connection.cursor() as cursor:
                cursor.execute(sql, values or None)
                rows = list(cursor.fetchall()) if cursor.description else []
                connection.commit()
                return rows
        except psycopg2.Error as error:
            raise BenchError(f"PostgreSQL: {' '.join(str(error).split())}") from None

    def clear(self) -> None:
        """Forget all predictions, so that each server finds tables of the same size."""
        self.execute("TRUNCATE bench.predictions")
        if self.execute("SELECT to_regclass('serving.predictions')")[0][0]:
            self.execute("TRUNCATE serving.predictions CASCADE")

    def postgres_version(self) -> str:
        return str(self.execute("SHOW server_version")[0][0]).split()[0]

    def remove(self) -> None:
        """Stop everything and delete the data."""
        with contextlib.suppress(BenchError):
            self._mlpipes("down", "--volumes", "--yes")

    def _target(self, name: str) -> Target:
        folder = self.folder / f"model-{name}"
        code = "import mlflow, sys; mlflow.artifacts.download_artifacts(sys.argv[1], dst_path=sys.argv[2])"
        uri = f"models:/{name}@production"
        _run([sys.executable, "-c", code, uri, str(folder)], self.folder, self.tracking)
        return Target(name, folder, self.project, MLPIPES, self.tracking, self.database)

    def _mlpipes(self, *arguments: str) -> str:
        return _run([str(MLPIPES), "-C", str(self.project), *arguments], self.folder)


def _run(command: list[str], folder: Path, more: Mapping[str, str] | None = None) -> str:
    around = {**os.environ, **(more or {})}
    done = subprocess.run(command, cwd=folder, env=around, capture_output=True, text=True)
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split())[-600:]
        raise BenchError(f"`{' '.join(Path(part).name for part in command[:4])} ...` failed: {said}")
    return done.stdout


@contextlib.contextmanager
def running(data: Data) -> Iterator[Stack]:
    """The stack for as long as the context lasts, in a temporary folder that is removed.

    Raises:
        BenchError: It does not start.
    """
    with tempfile.TemporaryDirectory(prefix="mlpipes-serving-", ignore_cleanup_errors=True) as text:
        stack = Stack(Path(text), data)
        try:
            stack.start()
            yield stack
        finally:
            stack.remove()
