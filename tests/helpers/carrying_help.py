"""Content for a stack, and a picture of all that it keeps."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg2
from conftest import Cli
from waiting import until

from mlpipes_cli.adapters import wiring
from mlpipes_cli.adapters.postgres.database import migrate
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Storage
from mlpipes_cli.project import find_project

MODEL = "credit"


def fill(environment: Mapping[str, str], folder: Path, *, files: int = 3) -> str:
    """Runs with artifacts, a model with two versions and aliases, predictions, data; the first run's id."""
    from mlflow import MlflowClient

    client = MlflowClient(environment["MLFLOW_TRACKING_URI"])
    experiment = client.create_experiment(f"carried-{folder.name}")
    client.create_registered_model(MODEL, tags={"of": "tests"})
    made = folder / "made"
    (made / "deep").mkdir(parents=True)
    for number in range(files):
        (made / "deep" / f"{number:04} ü.bin").write_bytes(bytes([number % 251]) * (1000 + number))
    runs = []
    for alias in ("production", "staging"):
        run = client.create_run(experiment, run_name=alias).info
        client.log_metric(run.run_id, "ks", 0.5)
        client.log_param(run.run_id, "text", "tab\t, \\ and \u00fc, \\N\nand a line")
        client.log_artifacts(run.run_id, str(made), "kept")
        client.set_terminated(run.run_id)
        source = f"runs:/{run.run_id}/kept"
        version = client.create_model_version(MODEL, source, run.run_id, await_creation_for=0)
        client.set_registered_model_alias(MODEL, alias, version.version)
        runs.append(run.run_id)
    predict(environment["MLPIPES_DATABASE_URL"], 50)
    return str(runs[0])


def predict(url: str, count: int) -> None:
    """So many predictions, and a table of the user's."""
    migrate(url)
    with contextlib.closing(psycopg2.connect(url)) as link, link, link.cursor() as cursor:
        cursor.execute("create table if not exists raw_data.mine (n integer, t text)")
        cursor.execute("insert into raw_data.mine select n, repeat('x', n) from generate_series(1, 20) n")
        cursor.execute(
            "insert into serving.predictions (prediction_id, caller_id, made_at, model_name, model_version,"
            " model_alias, inputs, prediction, scores, latency_ms)"
            " select gen_random_uuid(), n::text, now(), %s, 1, 'production',"
            " '{\"a\": [1, null]}', '1', '0.5', 1.5 from generate_series(1, %s) n",
            (MODEL, count),
        )


def storage(root: Path) -> Storage:
    """What the running stack of a project keeps."""
    return wiring.make_runtime(find_project(root)).storage()


def picture(root: Path) -> dict[str, Any]:
    """Every row of every table (as text, in order), and every artifact's checksum."""
    kept = storage(root)
    found: dict[str, Any] = {}
    for name, url in kept.databases.items():
        with contextlib.closing(psycopg2.connect(url)) as link, link.cursor() as cursor:
            cursor.execute(
                "select schemaname, tablename from pg_tables where schemaname !~ '^(pg_|information_schema)'"
            )
            for schema, table in cursor.fetchall():
                cursor.execute(f'select t::text from "{schema}"."{table}" t')
                # here and not by the server: servers order by locales of their own
                found[f"{name}.{schema}.{table}"] = sorted(row for (row,) in cursor.fetchall())
    for one in kept.artifacts.entries():
        found[f"artifacts/{one.key}"] = until(lambda key=one.key: _checksum(kept, key))
    return found


def _checksum(kept: Storage, key: str) -> str | None:
    """Of an artifact; None while an object store that was just started still finds its files."""
    try:
        with kept.artifacts.read(key) as content:
            return hashlib.sha256(content.read()).hexdigest()
    except MlpipesError as error:
        if "InternalError" in error.reason:
            return None
        raise


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The names of what is not the same in two pictures."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def environment(cli: Cli, root: Path) -> dict[str, str]:
    """What ``mlpipes env`` gives to clients."""
    return dict(cli("env", "--json", cwd=root).ok().json)


def error(text: str) -> str:
    """The one line that a failing command says of its failure."""
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]


def manifest(path: Path) -> dict[str, Any]:
    """What a backup file says of itself."""
    import tarfile

    with tarfile.open(path) as tar:
        content = tar.extractfile("manifest.json")
        assert content is not None
        return dict(json.load(content))


def forged(backup: Path, target: Path, change: Callable[[dict[str, bytes], dict[str, Any]], None]) -> Path:
    """A backup with other files or words in it, whose every checksum is right."""
    import tarfile

    with tarfile.open(backup) as tar:
        files = {one.name: tar.extractfile(one).read() for one in tar.getmembers()}  # type: ignore[union-attr]
    row = json.loads(files.pop("manifest.json"))
    del files["manifest.sha256"]
    change(files, row)
    row["members"] = [
        {"name": name, "size": len(text), "sha256": hashlib.sha256(text).hexdigest()}
        for name, text in files.items()
    ]
    files["manifest.json"] = json.dumps(row).encode()
    files["manifest.sha256"] = (
        f"{hashlib.sha256(files['manifest.json']).hexdigest()}  manifest.json\n".encode()
    )
    with tarfile.open(target, "w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
    return target
