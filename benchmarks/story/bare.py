"""The bare pieces: MLflow's server, and the demo's four candidates in a plain script.

What somebody would write without this package: the same rows, split, preprocessing and estimators, each
fitted here, its metrics computed with scikit-learn and SciPy, and logged with ``mlflow.sklearn.log_model``.
The server is given what makes it start fastest. Run in an empty folder: ``python bare.py EXPERIMENT_YAML``.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import yaml

SILENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def start_server(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    url = f"http://127.0.0.1:{free_port()}"
    program = str(Path(sys.executable).with_name("mlflow"))
    command = [program, "server", "--port", url.rsplit(":", 1)[1], "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        f"{folder}/artifacts",
    ]
    log = open(folder / "server.log", "wb")  # noqa: SIM115
    server = subprocess.Popen(
        command, env=os.environ | SILENT, stdout=log, stderr=log, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                return server, url
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    os.killpg(server.pid, signal.SIGKILL)
    sys.exit("MLflow's server did not start:\n" + (folder / "server.log").read_text())


def fit_and_log(experiment: Path, url: str) -> None:
    os.environ |= SILENT | {"MLFLOW_TRACKING_URI": url}
    import mlflow
    import sklearn
    from mlflow.models import infer_signature
    from scipy.stats import ks_2samp
    from sklearn import datasets, metrics
    from sklearn.impute import SimpleImputer
    from sklearn.model_selection import GridSearchCV, train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    spec = yaml.safe_load(experiment.read_text())
    X, y = datasets.load_breast_cancer(return_X_y=True, as_frame=True)
    y = (y == spec["data"]["positive"]).astype(int)
    size = spec["data"]["split"]["test"]
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=size, random_state=42, stratify=y)
    mlflow.set_experiment("bare")
    for run in spec["runs"]:
        module, name = run["estimator"].rsplit(".", 1)
        estimator = getattr(importlib.import_module(module), name)(**run.get("params", {}))
        model = make_pipeline(SimpleImputer().set_output(transform="pandas"), StandardScaler(), estimator)
        if run.get("search"):
            space = {f"{model.steps[-1][0]}__{key}": values for key, values in run["search"].items()}
            model = GridSearchCV(model, space, cv=5)
        with mlflow.start_run(run_name=run["name"]):
            model.fit(X_train, y_train)
            scores, predicted = model.predict_proba(X_test)[:, 1], model.predict(X_test)
            mlflow.log_params(run.get("params", {}))
            mlflow.log_metrics(
                {
                    "ks": float(ks_2samp(scores[y_test == 1], scores[y_test == 0]).statistic),
                    "roc_auc": float(metrics.roc_auc_score(y_test, scores)),
                    "log_loss": float(metrics.log_loss(y_test, scores)),
                    "f1": float(metrics.f1_score(y_test, predicted)),
                    "accuracy": float(metrics.accuracy_score(y_test, predicted)),
                }
            )
            mlflow.sklearn.log_model(
                model,
                name="model",
                signature=infer_signature(X_test, predicted),
                input_example=X_test.head(5),
                serialization_format="cloudpickle",
                pip_requirements=[f"mlflow=={mlflow.__version__}", f"scikit-learn=={sklearn.__version__}"],
            )


def main() -> None:
    server, url = start_server(Path.cwd())
    try:
        fit_and_log(Path(sys.argv[1]), url)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


if __name__ == "__main__":
    main()
