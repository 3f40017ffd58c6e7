"""The protocol between the main process and a worker host, version 1.

Lines of JSON over the host's standard input and output, each with ``protocol`` and ``type``.

======== ========= ============================================================================
from     type      fields
======== ========= ============================================================================
main     run       ``job`` (a name), ``folder`` (holds ``job.json``), ``cores`` and ``gpus`` (numbers
                   of those that it may use, or null for all); a cluster's host gets ``wants``
                   (``cpu``, ``gpu``, ``memory``) instead
main     stop      ``job``; it is killed with its descendants
host     ready     ``python``: jobs start from now on
host     started   ``job``, ``pid``
host     stage     ``job``, ``stage``: read, fit, score, explain, save
host     ended     ``job``, ``exit`` (or null), ``signal`` (or null), ``seconds``, ``max_rss`` (bytes);
                   ``reason`` if the host knows it
host     failed    ``reason``; the host cannot run any job
======== ========= ============================================================================

The end of the host's input ends the host and all of its jobs. Large data are files in the job's
folder: ``job.json`` goes in; ``result.json``, ``log.txt`` and ``out/`` come back. ``out/`` holds
``history.jsonl`` (a line for each step of the fit), ``trials.jsonl`` (a line for each trial) and a folder
for each model of the result's ``models``: ``model/`` (MLflow's format), ``answers.parquet``,
``importance.csv``, ``tables/``, ``files/``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlpipes_cli.local_files import atomic_files

VERSION = 1
JOB, RESULT, LOG, OUT = "job.json", "result.json", "log.txt", "out"
MODEL, ANSWERS, IMPORTANCE, TABLES = "model", "answers.parquet", "importance.csv", "tables"
FILES, HISTORY, SCRATCH_FOLDER = "files", "history.jsonl", "scratch"
TRIALS = "trials.jsonl"
SCRATCH = "MLPIPES_WORKER_SCRATCH"  # folder for the host's own temporary files
MARK = "MLPIPES_WORKER_MARK"  # identifies the pool; all descendants of a job inherit it
_MAP = "$map"


def line(kind: str, **fields: Any) -> bytes:
    """Encode a message.

    A pipe takes up to 4096 bytes atomically, so several processes may write to the same one.
    """
    return (json.dumps({"protocol": VERSION, "type": kind, **fields}) + "\n").encode()


def parse(text: bytes) -> dict[str, Any]:
    """Decode a message.

    Raises:
        ValueError: The text is not a message, or one of another version.
    """
    message = json.loads(text)
    if not isinstance(message, dict) or message.get("protocol") != VERSION:
        raise ValueError(f"not a message of protocol {VERSION}: {text[:80]!r}")
    return message


def pack(value: Any) -> Any:
    """Convert a YAML value to JSON and keep keys that are not strings (``class_weight: {0: 1}``)."""
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value) and _MAP not in value:
            return {key: pack(item) for key, item in value.items()}
        return {_MAP: [[pack(key), pack(item)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return [pack(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def unpack(value: Any) -> Any:
    """Reverse :func:`pack`."""
    if isinstance(value, list):
        return [unpack(item) for item in value]
    if isinstance(value, dict):
        if set(value) == {_MAP}:
            return {unpack(key): unpack(item) for key, item in value[_MAP]}
        return {key: unpack(item) for key, item in value.items()}
    return value


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file atomically."""
    atomic_files.write_text(path, json.dumps({"protocol": VERSION, **pack(content)}))


def read(path: Path) -> dict[str, Any] | None:
    """Read a JSON file that :func:`write` wrote; return None if there is none."""
    try:
        content = unpack(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("protocol") == VERSION else None
