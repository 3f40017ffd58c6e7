"""The peers' environments, each of its own, at the versions that their ``requirements.txt`` locks."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "benchmarks" / "serving"
SHARED = ("scikit-learn", "pandas", "numpy", "scipy", "cloudpickle")


class BenchError(Exception):
    """Something of a server that does not work; the others go on."""


def bin_of(folder: Path) -> Path:
    """The ``bin`` folder of the environment that a folder's ``requirements.txt`` describes, made if needed.

    Raises:
        BenchError: It cannot be installed.
    """
    lock = folder / "requirements.txt"
    place = CACHE / folder.name
    stamp = place / "installed"
    wanted = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != wanted:
        print(f"installing the environment of {folder.name}", flush=True)
        _uv("venv", "--quiet", "--clear", "--python", sys.executable, str(place))
        _uv("pip", "install", "--quiet", "--python", str(place / "bin" / "python"), "-r", str(lock))
        stamp.write_text(wanted)
    return place / "bin"


def check(lock: Path, model: Path) -> None:
    """Both have the same versions of what the model is made of.

    Raises:
        BenchError: They have not.
    """
    theirs, models = _pins(lock), _pins(model)
    other = [
        f"{name} {theirs.get(name)}, not {models[name]}"
        for name in SHARED
        if theirs.get(name) != models[name]
    ]
    if other:
        raise BenchError(
            f"its environment differs from the model's: {'; '.join(other)} (see README.md, Versions)"
        )


def _pins(file: Path) -> dict[str, str]:
    lines = (line.split(";")[0].strip() for line in file.read_text().splitlines())
    return dict(line.split("==", 1) for line in lines if "==" in line and not line.startswith("#"))  # type: ignore[misc]


def _uv(*arguments: str) -> None:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv is None:
        raise BenchError("there is no uv program beside this Python or on PATH")
    around = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run([uv, *arguments], env=around, capture_output=True, text=True)
    if done.returncode:
        raise BenchError(f"uv {arguments[0]} failed: {' '.join(done.stderr.split())[-400:]}")
