"""Every framework in one experiment, and each of its models served in every way.

``python benchmarks/frameworks/show.py --data creditcard.csv --target Class --drop Time [--only NAME]``

Trains ``everything.yaml`` on the data, recomputes each run's KS from its ``holdout_predictions.parquet`` by
SciPy alone (to 1e-9), promotes every run to an alias of its own, the champion to `production`, and asks each
for the same rows by the prediction API, by ``mlflow models serve`` and offline: labels have to be equal and
scores within 1e-9. Prints a table; exit 1 where anything differs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import yaml

HERE = Path(__file__).parent
MLPIPES = str(Path(sys.executable).with_name("mlpipes"))
TOLERANCE = 1e-9


def mlpipes(folder: Path, *arguments: str, fine: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([MLPIPES, *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode not in fine:
        sys.exit(f"mlpipes {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def document(arguments: argparse.Namespace) -> dict[str, Any]:
    made = yaml.safe_load((HERE / "everything.yaml").read_text())
    data = {"source": str(arguments.data.resolve()), "target": arguments.target, "drop": arguments.drop}
    if arguments.only:
        made["runs"] = [run for run in made["runs"] if run["name"] in arguments.only]
    return {**made, "data": data}


def recomputed(run_id: str, tracking: str) -> float:
    """The two-sample Kolmogorov-Smirnov statistic of what the run kept."""
    import mlflow
    from scipy.stats import ks_2samp

    mlflow.set_tracking_uri(tracking)
    with tempfile.TemporaryDirectory() as folder:
        path = mlflow.artifacts.download_artifacts(
            run_id=run_id, artifact_path="holdout_predictions.parquet", dst_path=folder
        )
        frame = pd.read_parquet(path)
    positive = frame["target"] == sorted(frame["target"].unique())[-1]
    return float(ks_2samp(frame["score"][positive], frame["score"][~positive]).statistic)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextlib.contextmanager
def serving(folder: Path, engine: str, alias: str) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = folder / f"serve-{engine}-{alias}.log"
    with log.open("w") as file:
        command = [MLPIPES, "serve", "--engine", engine, "--alias", alias, "--port", str(port)]
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file, start_new_session=True)
    try:
        ready, deadline = ("/ready" if engine == "api" else "/ping"), time.monotonic() + 300
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{engine} does not serve {alias}: {log.read_text()[-1500:]}")
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(url + ready, timeout=5, trust_env=False).status_code == 200:
                    break
            time.sleep(0.2)
        yield url
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def asked(url: str, path: str, body: Any) -> Any:
    answer = httpx.post(url + path, json=body, timeout=120, trust_env=False)
    if answer.status_code != 200:
        raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:300]}")
    return answer.json()


def differences(folder: Path, alias: str, rows: pd.DataFrame) -> list[str]:
    """What is not the same in the ways to ask the version behind an alias."""
    file, out = folder / "rows.csv", folder / f"offline-{alias}.json"
    rows.to_csv(file, index=False)
    records = json.loads(rows.to_json(orient="records"))
    split = {"dataframe_split": json.loads(rows.to_json(orient="split", index=False))}
    mlpipes(folder, "predict", str(file), "--offline", "--alias", alias, "--output", str(out))
    offline = pd.read_json(out)
    wrong = []
    with serving(folder, "api", alias) as url:
        own = asked(url, "/predict", records)
        alone = [asked(url, "/predict", record) for record in records[:5]]
        invoked = asked(url, "/invocations", split)["predictions"]
    with serving(folder, "mlflow", alias) as url:
        plain = asked(url, "/invocations", split)["predictions"]
    labels = own["predictions"]
    for name, other in (
        ("offline", list(offline["prediction"])),
        ("/invocations", invoked),
        ("mlflow", plain),
    ):
        if list(other) != labels:
            wrong.append(f"{name}: {sum(a != b for a, b in zip(other, labels, strict=True))} labels differ")
    far = max(abs(a - b) for a, b in zip(offline["score"], own["scores"], strict=True))
    near = max(abs(one["scores"][0] - many) for one, many in zip(alone, own["scores"], strict=False))
    if far > TOLERANCE:
        wrong.append(f"offline scores differ by {far:.1e}")
    if near > TOLERANCE:
        wrong.append(f"a row alone differs by {near:.1e}")
    return wrong


def show(folder: Path, arguments: argparse.Namespace) -> int:
    (folder / "mlpipes.yaml").write_text("project: everything\nruntime: embedded\n")
    (folder / "experiment.yaml").write_text(yaml.safe_dump(document(arguments), sort_keys=False))
    shutil.copy(HERE / "everything_net.py", folder)
    mlpipes(folder, "up")
    began = time.monotonic()
    trained = json.loads(mlpipes(folder, "train", "experiment.yaml", "--json", fine=(0, 1)).stdout)
    print(f"trained in {time.monotonic() - began:.0f} s; best: {trained['best']}", flush=True)
    tracking = json.loads(mlpipes(folder, "env", "--json").stdout)["MLFLOW_TRACKING_URI"]
    frame = pd.read_csv(arguments.data).drop(columns=[arguments.target, *arguments.drop])
    rows = frame.sample(arguments.rows, random_state=1)
    broken = 0
    for run in trained["runs"]:
        if run["status"] != "FINISHED":
            print(f"{run['name']}: {run['status']}: {run['error']}", flush=True)
            broken += 1
            continue
        ks, alias = run["metrics"]["ks"], f"try-{run['name']}"
        away = abs(recomputed(run["run_id"], tracking) - ks)
        mlpipes(folder, "promote", "--run", run["name"], "--to", alias)
        try:
            wrong = differences(folder, alias, rows)
        except RuntimeError as error:
            wrong = [str(error)]
        wrong += [f"KS recomputed differs by {away:.1e}"] if away > TOLERANCE else []
        broken += bool(wrong)
        told = "; ".join(wrong) or "the same everywhere"
        print(f"{run['name']}: ks {ks:.6f}, fit {run['seconds']:.1f} s: {told}", flush=True)
    mlpipes(folder, "promote", "--metric", "ks")
    wrong = differences(folder, "production", rows)
    print(f"production: {trained['best']}: {'; '.join(wrong) or 'the same everywhere'}")
    return 1 if broken or wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="every framework in one experiment, served in every way")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--drop", action="append", default=[])
    parser.add_argument("--rows", type=int, default=50)
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlpipes-everything-", ignore_cleanup_errors=True) as text:
        folder = Path(text)
        try:
            return show(folder, arguments)
        finally:
            subprocess.run([MLPIPES, "down", "--volumes", "--yes"], cwd=folder, capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
