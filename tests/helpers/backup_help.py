"""A small backup file, of the same shape as one of a stack."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

from mlpipes_cli.adapters.wiring import make_databases
from mlpipes_cli.lifecycle.transfer.archive_writer import writing
from mlpipes_cli.lifecycle.transfer.manifest import Manifest

DATABASES = make_databases()
END = b"--\n-- PostgreSQL database dump complete\n--\n\n"
FILES = {
    "databases/mlpipes.sql": b"select 1;\n" * 50 + END,
    "databases/mlflow.sql": b"select 2;\n" * 70 + END,
    "artifacts/1/abc/artifacts/model.pkl": bytes(range(256)) * 300,
    "artifacts/1/abc/artifacts/empty": b"",
    "artifacts/ä ö/" + "deep/" * 40 + "ü.txt": b"long names",
}


def manifest() -> Manifest:
    rows = {"mlflow": {"public.runs": 3}, "mlpipes": {"serving.predictions": 7}}
    return Manifest(
        "p", "embedded", "2026-01-01T00:00:00+00:00", "1.0", "3.1", "abc",
        {"mlflow": "17.1", "mlpipes": "17.1"}, rows, ("mlflow-artifacts:/9",),
    )  # fmt: skip


def make(path: Path, files: dict[str, bytes] | None = None) -> Manifest:
    with writing(path) as file:
        for name, content in (files or FILES).items():
            file.add(name, io.BytesIO(content), len(content))
        done = dataclasses.replace(manifest(), members=tuple(file.members))
        file.finish(done)
    return done
