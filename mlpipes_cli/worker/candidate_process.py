"""The process of a candidate: reads its job, trains, predicts the holdout and saves the model.

An exception, ``sys.exit`` or a crash in this process affects only this candidate.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import random
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlpipes_cli.child_process import reaper
from mlpipes_cli.trainers.base import TrainingError
from mlpipes_cli.worker import protocol

_PRELOADED = (
    "pandas", "pandas.io.formats.csvs", "pyarrow.parquet", "pyarrow.dataset", "cloudpickle", "threadpoolctl",
    "sklearn.pipeline", "sklearn.linear_model",
    "sklearn.ensemble", "sklearn.model_selection", "mlflow.sklearn", "mlflow.models.signature",
    "mlpipes_cli.data.prepared_cache", "mlpipes_cli.preprocess.auto", "mlpipes_cli.preprocess.portable",
    "mlpipes_cli.trainers.sklearn.trainer", "mlpipes_cli.trainers.python.trainer", "mlpipes_cli.worker.jobs",
    "mlpipes_cli.worker.importance",
)  # fmt: skip
PLACE = ("cores", "gpus")  # what a job may use of the machine; None for all
_OOM_SCORE = "800"  # of 1000: the kernel kills this process first


def preload() -> None:
    """Import what every candidate needs, and save a model once, since many imports happen on first use.

    Modules that an environment lacks are skipped: the candidate that needs one reports the error.
    """
    for name in _PRELOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with contextlib.suppress(ImportError):
        from mlpipes_cli.worker import saving

        saving.warm_up()


def run(folder: Path, job: str, events: int, parent: int, allocation: Mapping[str, Any]) -> int:
    """Run the job of a folder in this process and return its exit code."""
    _die_with(parent)
    _stay_in(allocation)
    _log_to(folder / protocol.LOG)

    def tell(stage: str) -> None:
        os.write(events, protocol.line("stage", job=job, stage=stage))

    content = protocol.read(folder / protocol.JOB) or {}
    try:
        _prepare_process(content)
        from mlpipes_cli.worker import jobs

        result = jobs.DO[content["kind"]](content, folder, tell)
    except BaseException as error:  # noqa: BLE001 (SystemExit and KeyboardInterrupt are the user's code's too)
        if not isinstance(error, TrainingError) or error.__cause__ is not None:
            traceback.print_exc()
        result = {"status": "failed", "error": failure_line(error, content.get("folders", []))}
    _flush()
    protocol.write(folder / protocol.RESULT, result)
    return 0 if result["status"] == "ok" else 1


def failure_line(error: BaseException, folders: Sequence[str]) -> str:
    """Return in one line why a candidate failed, with file and line if its own code raised the error.

    Args:
        error: The exception.
        folders: The folders of the project's own code.
    """
    line = one_line(error)
    if isinstance(error, TrainingError):
        return line
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame for frame in frames if any(Path(frame.filename).is_relative_to(folder) for folder in folders)
    ]
    where = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return f"{line.removesuffix('.')}{where}; log.txt of the run has the traceback"


def one_line(error: BaseException) -> str:
    """Return the last line of a traceback, short enough for a table."""
    text = next((part.strip() for part in str(error).splitlines() if part.strip()), "")
    if isinstance(error, TrainingError):
        return text[:500]
    if isinstance(error, SystemExit):
        return f"the code called sys.exit({error.code!r})"
    if isinstance(error, MemoryError):
        return f"MemoryError: {text or 'not enough memory'}"[:500]
    return f"{type(error).__name__}: {text}".removesuffix(": ")[:500]


def _die_with(parent: int) -> None:
    """Prepare this process for the end of others (Linux only).

    The kernel kills it when the host dies, and before the main process when memory runs out. It adopts the
    orphans among its descendants.
    """
    reaper.die_with(parent)
    reaper.adopt()
    if reaper.LINUX:
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)


def _stay_in(allocation: Mapping[str, Any]) -> None:
    """Restrict this process and its descendants to these cores and GPUs."""
    if allocation.get("cores") and hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):  # a core is offline
            os.sched_setaffinity(0, allocation["cores"])
    if allocation.get("gpus") is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, allocation["gpus"]))


def _log_to(path: Path) -> None:
    _flush()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass


def _prepare_process(content: dict[str, Any]) -> None:
    """Set up the same environment for each candidate: folder, import path, seeds, threads, signals."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    folders = [str(folder) for folder in content.get("folders", [])]
    if folders:
        os.chdir(folders[0])
    sys.path[:0] = [folder for folder in folders if folder not in sys.path]
    threads = int(content.get("threads", 1))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
        os.environ[name] = str(threads)
    import numpy as np
    import threadpoolctl

    threadpoolctl.threadpool_limits(threads)
    seed = int(content.get("seed", 0))
    random.seed(seed)
    np.random.seed(seed)


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), os.getppid(), json.loads(sys.argv[4])))
