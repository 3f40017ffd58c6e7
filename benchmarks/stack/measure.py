"""`mlpipes up` on warm images against plain `docker run`: at most 1.15 times; and idle memory.

The same services, images, environment and limits, in the same order: once by `mlpipes up` in a fresh project
and again after `mlpipes down`, once by bare.py, which calls the docker program with ready command lines. They
take turns, so that whatever else the machine does meets both alike. Then the idle memory of the stack's
containers and of MLflow's server as it comes (`mlflow server`, a SQLite file), side by side.
Run with ``make bench`` or ``python benchmarks/stack/measure.py [ROUNDS] [--output FILE]``; exit 1 past the
bound. Where no Docker engine answers it says so and ends with 0.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import plan as plans

BOUND = 1.15
HERE = Path(__file__).parent
MLPIPES = str(Path(sys.executable).with_name("mlpipes"))
CASES = ("fresh", "after down")
IDLE = 30.0  # seconds until memory is looked at
DEFAULT = "mlflow server --host 0.0.0.0 --port 5000"


def run(command: list[str], folder: Path) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    took = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{' '.join(command[:3])} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return took


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout


class Ours:
    """`mlpipes up` in a project of its own."""

    name = "mlpipes up"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "mlpipes.yaml").write_text("project: bench\nruntime: docker\n")

    def up(self, case: str) -> float:
        return run([MLPIPES, "up"], self.folder)

    def down(self) -> None:
        run([MLPIPES, "down"], self.folder)

    def remove(self) -> None:
        run([MLPIPES, "down", "--volumes", "--yes"], self.folder)

    def containers(self) -> dict[str, str]:
        listing = docker(
            "ps", "--filter", f"label=io.mlpipes.root={self.folder.resolve()}",
            "--format", '{{.Label "com.docker.compose.service"}} {{.ID}}',
        )  # fmt: skip
        rows = (line.split() for line in listing.splitlines())
        return {row[0]: row[1] for row in rows}


class Bare:
    """The same with bare.py."""

    name = "docker run"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan: dict[str, Any] = plans.make(f"bare-{uuid.uuid4().hex[:6]}")

    def up(self, case: str) -> float:
        path = plans.write(self.plan, self.folder / "plan.json", fresh=case == "fresh")
        return run([sys.executable, str(HERE / "bare.py"), str(path)], self.folder)

    def down(self) -> None:
        names = list(self.plan["names"].values())
        found = docker("ps", "--all", "--format", "{{.Names}}").split()
        there = [name for name in reversed(names) if name in found]
        if there:
            docker("stop", *there)
            docker("rm", *there)
        if self.plan["network"] in docker("network", "ls", "--format", "{{.Name}}").split():
            docker("network", "rm", self.plan["network"])

    def remove(self) -> None:
        self.down()
        there = docker("volume", "ls", "--quiet").split()
        for name in self.plan["volumes"]:
            if name in there:
                docker("volume", "rm", name)


def fetch_images() -> None:
    with tempfile.TemporaryDirectory() as text:
        stack = Ours(Path(text))
        try:
            stack.up("fresh")
        finally:
            stack.remove()


def one_round(kind: type[Ours] | type[Bare], times: dict[tuple[str, str], list[float]]) -> None:
    with tempfile.TemporaryDirectory() as text:
        stack = kind(Path(text))
        try:
            for case in CASES:
                times[case, kind.name].append(stack.up(case))
                stack.down()
        finally:
            stack.remove()


def megabytes(container: str) -> float:
    """In use, without what the system may drop at any time."""
    text = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", container).split("/")[0].strip()
    units = {"KiB": 1 / 1024, "MiB": 1.0, "GiB": 1024.0}
    return next(float(text.removesuffix(unit)) * size for unit, size in units.items() if text.endswith(unit))


def memory() -> dict[str, float]:
    """Idle, all at the same time: each service of the stack, and MLflow's server as it comes."""
    with tempfile.TemporaryDirectory() as text:
        stack = Ours(Path(text))
        other = ""
        try:
            stack.up("fresh")
            services = stack.containers()
            image = docker("inspect", "--format", "{{.Image}}", services["mlflow"]).strip()
            other = docker("run", "--detach", "--rm", "--label", plans.LABEL, image, *DEFAULT.split()).strip()
            time.sleep(IDLE)
            return {name: megabytes(id) for name, id in {**services, "alone": other}.items()}
        finally:
            if other:
                docker("rm", "--force", "--volumes", other)
            stack.remove()


def report(times: dict[tuple[str, str], list[float]], used: dict[str, float]) -> tuple[str, float]:
    """The text, and the worse of both ratios."""
    rounds = len(next(iter(times.values())))
    lines = [
        "# The stack in containers against plain `docker run`",
        "",
        f"Made by `python benchmarks/stack/measure.py {rounds} --output benchmarks/stack/RESULTS.md` on",
        f"{machine()}.",
        "",
        "`mlpipes up` on warm images against bare.py, which starts the same services with `docker run` in",
        "the same order, with the same images, environment and limits, and waits for the same answers; both",
        f"take turns. Medians of {rounds} rounds, and from the fastest to the slowest.",
        "",
        "| project | `docker run`, s | `mlpipes up`, s | difference, s | ratio |",
        "| --- | --- | --- | --- | --- |",
    ]
    ratios = []
    for case in CASES:
        bare, ours = (statistics.median(times[case, kind.name]) for kind in (Bare, Ours))
        ratios.append(ours / bare)
        told = " | ".join(span(times[case, kind.name]) for kind in (Bare, Ours))
        lines.append(f"| {case} | {told} | {ours - bare:+.2f} | {ratios[-1]:.2f} |")
    worst = max(ratios)
    whole = sum(size for name, size in used.items() if name != "alone")
    lines += [
        "",
        f"Bound {BOUND}: {'kept' if worst <= BOUND else 'BROKEN'}.",
        *standins(),
        "",
        f"Idle memory after {IDLE:.0f} s, without caches, side by side:",
        "",
        "| container | MB |",
        "| --- | --- |",
        *(f"| {name} | {size:.0f} |" for name, size in used.items() if name != "alone"),
        f"| the whole stack | {whole:.0f} |",
        f"| MLflow's server as it comes: `{DEFAULT}`, SQLite | {used['alone']:.0f} |",
    ]
    return "\n".join(lines) + "\n", worst


def span(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def standins() -> list[str]:
    """That some images were not the official ones, whose times and memory differ."""
    found = docker("images", "--filter", "label=mlpipes.standin", "--format", "{{.Repository}}").split()
    names = [name for name in ("postgres", "minio") if any(one.split("/")[-1] == name for one in found)]
    if not names:
        return []
    return ["", f"The images of {' and '.join(names)} were stand-ins (tests/images), not the official ones."]


def machine() -> str:
    engine = docker("version", "--format", "{{.Server.Version}}").strip()
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, Docker {engine}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="mlpipes up against plain docker run")
    parser.add_argument("rounds", nargs="?", type=int, default=3)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    try:
        docker("version")
    except (OSError, subprocess.CalledProcessError):
        print("no Docker engine answers (or there is no docker program): nothing to measure")
        return 0
    fetch_images()
    times: dict[tuple[str, str], list[float]] = {
        (case, kind.name): [] for case in CASES for kind in (Bare, Ours)
    }
    for turn in range(1, arguments.rounds + 1):
        for kind in (Bare, Ours) if turn % 2 else (Ours, Bare):
            one_round(kind, times)
        shown = ", ".join(f"{name} {case} {values[-1]:.2f} s" for (case, name), values in times.items())
        print(f"round {turn}: {shown}", flush=True)
    text, worst = report(times, memory())
    print(text, end="")
    if arguments.output:
        arguments.output.write_text(text)
    return 0 if worst <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
