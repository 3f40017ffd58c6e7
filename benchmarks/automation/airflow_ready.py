"""How soon `mlpipes up --with airflow` has a working Airflow, beside bare `airflow standalone`.

    python benchmarks/automation/airflow_ready.py [ROUNDS]

Both run from the same environment (the one that `up` builds), each time with a new folder and a new database:
ours in the PostgreSQL of a running embedded stack, `standalone` in its SQLite, as it does by itself. Seconds
from the start of the command until scheduler and DAG processor are healthy; and the memory (proportional set
size, MB) of all their processes then.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

from mlpipes_cli.adapters import wiring
from mlpipes_cli.lifecycle.airflow import environment

MLPIPES = [sys.executable, "-m", "mlpipes_cli"]
SETTINGS = "project: bench\nruntime: embedded\n"
PIPELINE = "pipeline: bench\nsteps: [{name: hello, run: echo hello}]\n"
HEALTH = "/api/v2/monitor/health"
PARTS = ("metadatabase", "scheduler", "dag_processor")


def healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url + HEALTH, timeout=5) as answer:
            found = json.load(answer)
    except OSError:
        return False
    return all((found.get(part) or {}).get("status") == "healthy" for part in PARTS)


def memory(pids: list[int]) -> float:
    """Return MB of the processes and all their children."""
    family = {child.pid: child for pid in pids for child in psutil.Process(pid).children(recursive=True)}
    family |= {pid: psutil.Process(pid) for pid in pids}
    return sum(process.memory_full_info().pss for process in family.values()) / 2**20


def ours(base: Path) -> tuple[float, float]:
    root = base / "project"
    root.mkdir()
    (root / "mlpipes.yaml").write_text(SETTINGS)
    (root / "pipeline.yaml").write_text(PIPELINE)
    try:
        subprocess.run([*MLPIPES, "up"], cwd=root, check=True, capture_output=True)
        begun = time.monotonic()
        subprocess.run([*MLPIPES, "up", "--with", "airflow"], cwd=root, check=True, capture_output=True)
        seconds = time.monotonic() - begun
        said = subprocess.run([*MLPIPES, "status", "--json"], cwd=root, check=True, capture_output=True)
        (row,) = [row for row in json.loads(said.stdout)["services"] if row["name"] == "airflow"]
        assert healthy(row["url"])
        return seconds, memory([row["pid"]])
    finally:
        subprocess.run([*MLPIPES, "down", "--volumes", "--yes"], cwd=root, check=True, capture_output=True)


def standalone(base: Path, python: Path, port: int) -> tuple[float, float]:
    home = base / "airflow"
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "PATH": f"{python.parent}:{os.environ['PATH']}",
    }
    begun = time.monotonic()
    process = subprocess.Popen(
        [str(python), "-m", "airflow", "standalone"], env=os.environ | settings, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while not healthy(f"http://127.0.0.1:{port}"):
            assert process.poll() is None and time.monotonic() - begun < 300
            time.sleep(0.2)
        return time.monotonic() - begun, memory([process.pid])
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGTERM)
        psutil.wait_procs(family, timeout=20)
        for child in family:
            if child.is_running():
                child.kill()
        process.wait(20)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with wiring.make_environments() as environments:
        python = environment.ensure(environments, print).python
    found: dict[str, list[tuple[float, float]]] = {"ours": [], "standalone": []}
    for number in range(rounds):
        for name in ("ours", "standalone") if number % 2 == 0 else ("standalone", "ours"):
            base = Path(tempfile.mkdtemp(prefix="mlpipes-bench-"))
            try:
                made = ours(base) if name == "ours" else standalone(base, python, 18080 + number)
            finally:
                shutil.rmtree(base, ignore_errors=True)
            found[name].append(made)
            print(f"{name}: {made[0]:.1f} s, {made[1]:.0f} MB", flush=True)
    for at, unit in ((0, "s"), (1, "MB")):
        one, other = (statistics.median(made[at] for made in found[name]) for name in ("ours", "standalone"))
        print(f"ours {one:.1f} {unit}, standalone {other:.1f} {unit}: {one / other:.2f}")


if __name__ == "__main__":
    main()
