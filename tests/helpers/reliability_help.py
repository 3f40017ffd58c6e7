"""A stack and an API that are hurt while several processes ask, and what must be true afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pandas as pd
import psutil
import psycopg2
import serving_help
import signing_help
import stack_help
import warm_cli
from conftest import Cli
from tcp_faults import Proxy

from mlpipes_cli.adapters.postgres import alias_notifications
from mlpipes_cli.adapters.spool import pending_records

NAME = "people"
STRENGTHS = {1: 0.01, 2: 10.0}  # of the regularisation, by version: their scores differ on every row
COLUMNS = ["amount", "age", "city", "member"]
DETAILS = {"task": "binary", "classes": [0, 1], "positive": 1, "id": "ID", "target": "Y", "features": COLUMNS}
HELPERS = Path(__file__).parent


def rows() -> pd.DataFrame:
    """What is asked about."""
    return serving_help.people(60, 5)[COLUMNS]


def records() -> list[dict[str, Any]]:
    return [
        {name: None if pd.isna(value) else value for name, value in record.items()}
        for record in rows().to_dict("records")
    ]


def estimator(version: int) -> Any:
    """The version's model, fitted by scikit-learn."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from mlpipes_cli.preprocess.auto import build

    frame = serving_help.people(400, 1)
    target = (frame["age"] / 10 + frame["amount"].fillna(100) / 50 > 8).astype(int)
    steps = build(frame[COLUMNS], "binary"), LogisticRegression(C=STRENGTHS[version], max_iter=1000)
    return make_pipeline(*steps).fit(frame[COLUMNS], target)


def logged(version: int) -> dict[str, Any]:
    """What ``mlflow.sklearn.save_model`` and ``log_model`` take."""
    from mlflow.models import infer_signature

    model = estimator(version)
    return {
        "sk_model": model,
        "signature": infer_signature(rows(), model.predict(rows())),
        "serialization_format": "cloudpickle",
        "pip_requirements": ["scikit-learn"],
        "metadata": {"mlpipes": DETAILS},
    }


def register() -> None:
    """Log, sign and register all versions, on the tracking server of the environment; promote the first."""
    import mlflow
    import mlflow.sklearn

    mlflow.set_experiment(NAME)
    for version in STRENGTHS:
        with mlflow.start_run():
            info = mlflow.sklearn.log_model(name="model", registered_model_name=NAME, **logged(version))
        signing_help.seal_logged(info.model_id)
        assert int(info.registered_model_version) == version
    mlflow.MlflowClient().set_registered_model_alias(NAME, "production", "1")


class Truth:
    """What scikit-learn itself says to each record, by version."""

    def __init__(self) -> None:
        self._said = {
            version: list(
                zip(model.predict(rows()).tolist(), model.predict_proba(rows())[:, 1].tolist(), strict=True)
            )
            for version, model in ((version, estimator(version)) for version in STRENGTHS)
        }
        for one, other in zip(self._said[1], self._said[2], strict=True):
            assert abs(one[1] - other[1]) > 1e-6

    def agrees(self, caller_id: str, version: int, prediction: Any, score: float) -> bool:
        label, expected = self._said[version][int(caller_id.rsplit("-", 1)[1])]
        return bool(prediction == label and abs(score - expected) <= 1e-9)


@dataclass(frozen=True)
class Told:
    """What one client was told of one row."""

    prediction_id: str
    caller_id: str
    version: int
    prediction: Any
    score: float


@dataclass
class Load:
    """Clients in several processes, whose answers lie in files."""

    url: str
    folder: Path
    processes: int = 4
    tag: str = field(default_factory=lambda: secrets.token_hex(4))
    _clients: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _counted: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def start(self) -> Load:
        self.folder.mkdir(parents=True)
        asked = self.folder / "records.json"
        asked.write_text(json.dumps(records()))
        for number in range(self.processes):
            out = self.folder / f"{number}.jsonl"
            command = [sys.executable, str(HELPERS / "load_process.py"), self.url, str(asked), str(out)]
            command.append(f"{self.tag}-{number}")
            self._clients.append(subprocess.Popen(command, stdin=subprocess.PIPE))
        return self

    def answers(self) -> list[tuple[int, float, Any, str | None]]:
        """All so far."""
        lines = [line for path in self.folder.glob("*.jsonl") for line in path.read_text().splitlines(True)]
        return [tuple(json.loads(line)) for line in lines if line.endswith("\n")]

    def count(self) -> int:
        """Answers with predictions so far; only what is new is read."""
        for path in self.folder.glob("*.jsonl"):
            start, found = self._counted.get(path, (0, 0))
            with path.open("rb") as file:
                file.seek(start)
                new = file.read()
            new = new[: new.rfind(b"\n") + 1]
            more = sum(line.startswith(b"[200") for line in new.splitlines())
            self._counted[path] = start + len(new), found + more
        return sum(found for _, found in self._counted.values())

    def after(self, more: int, seconds: float = 120) -> None:
        """Wait until so many further requests were answered with predictions."""
        before = self.count()
        serving_help.until(lambda: self.count() >= before + more, seconds, f"{more} further answers")

    def stop(self) -> list[tuple[int, float, Any, str | None]]:
        for client in self._clients:
            assert client.stdin is not None
            client.stdin.close()
        for client in self._clients:
            assert client.wait(90) == 0
        self._clients = []
        return self.answers()

    def told(self) -> list[Told]:
        """Every row of which a client was told a prediction."""
        found = []
        for status, _, said, _ in self.answers():
            if status == 200:
                parts = said["prediction_ids"], said["ids"], said["predictions"], said["scores"]
                version = said["model"]["version"]
                found += [
                    Told(pid, cid, version, label, score)
                    for pid, cid, label, score in zip(*parts, strict=True)
                ]
        return found

    def stored_by(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Those rows of the table that these clients caused; rows of other tests may have no caller."""
        return [row for row in rows if row[1] is not None and row[1].startswith(self.tag)]

    def statuses(self) -> dict[int, int]:
        counts: dict[int, int] = {}
        for status, *_ in self.answers():
            counts[status] = counts.get(status, 0) + 1
        return counts

    def slowest(self) -> float:
        """Seconds of the slowest answer of all that were answered."""
        return max(seconds for status, seconds, *_ in self.answers() if status)

    def __enter__(self) -> Load:
        return self.start()

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.kill()
            client.wait()


@dataclass
class Server:
    """``mlpipes serve`` in a project, in front, on one port throughout."""

    cli: Cli
    options: tuple[str, ...] = ()
    port: int = field(default_factory=serving_help.free_port)
    process: subprocess.Popen[Any] | warm_cli.Child | None = None
    log: Path | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, seconds: float = 120) -> None:
        self.log = self.log or self.cli.cwd.parent / f"serve-{self.port}.log"
        with self.log.open("a") as log:
            self.process = warm_cli.start(self.command(), self.cli.cwd, self.cli.environment, log)
        serving_help.until(self.answers, seconds, "the API")

    def command(self) -> list[str]:
        return self.cli.command("serve", "--port", str(self.port), "--model", NAME, *self.options)

    def answers(self) -> bool:
        assert self.process is not None
        assert self.log is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.ready() is not None
        except httpx.TransportError:
            return False

    def ready(self) -> dict[str, Any]:
        """What ``/ready`` says."""
        return dict(httpx.get(f"{self.url}/ready", trust_env=False, timeout=30).json())

    def kill(self) -> None:
        """``kill -9``, with all its workers, unless it has ended."""
        assert self.process is not None
        if self.process.poll() is not None:
            return
        family = [psutil.Process(self.process.pid)]
        family += family[0].children(recursive=True)
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
        psutil.wait_procs(family, timeout=20)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)

    def drained(self) -> None:
        """Wait until nothing waits in the spool of any worker."""
        spool = self.cli.cwd / ".mlpipes" / "spool"
        serving_help.until(lambda: pending_records(spool).rows == 0, 90, "the replay")


_LISTEN = """
import sys
from pathlib import Path
from mlpipes_cli.lifecycle.serving.api import listen
from mlpipes_cli.server.settings import ServerSettings
model, files, state, port, workers = sys.argv[1:]
settings = ServerSettings(
    "people", "production", 1, model, files=files,
    on_log_failure="spool", spool=f"{state}/spool", api_keys="off",
)
sys.exit(listen(settings, "127.0.0.1", int(port), int(workers), Path(state) / "failure"))
"""


@dataclass
class FromFolder(Server):
    """The API on a model in a folder, as an image of ``mlpipes build`` starts it: it knows no registry."""

    workers: int = 1

    def command(self) -> list[str]:
        model = self.cli.cwd / "model"
        if not model.exists():
            import mlflow.sklearn

            mlflow.sklearn.save_model(path=str(model), **logged(1))
        return [
            sys.executable,
            "-c",
            _LISTEN,
            str(model),
            signing_help.digest(model),
            str(self.cli.cwd),
            str(self.port),
            str(self.workers),
        ]


@dataclass
class Stack:
    """An embedded stack of the tests' own, with both versions registered.

    Attributes:
        root: The project.
        cli: The command line in it.
    """

    root: Path
    cli: Cli
    _tracking: str = ""

    @property
    def environment(self) -> Mapping[str, str]:
        return stack_help.environment(self.cli, self.root)

    def settings(self, serving: str) -> None:
        """Write mlpipes.yaml with these lines of ``serving``."""
        (self.root / "mlpipes.yaml").write_text(f"project: tests\nruntime: embedded\nserving:\n{serving}")

    def postgres(self) -> psutil.Process:
        rows = self.cli("status", "--json").ok().json["services"]
        return psutil.Process(next(row["pid"] for row in rows if row["name"] == "postgres"))

    def kill_postgres(self) -> None:
        """``kill -9`` of the postmaster and all that it started."""
        main = self.postgres()
        family = [main, *main.children(recursive=True)]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=20)

    def up(self) -> None:
        self.cli("up").ok()

    def promote(self, version: int) -> None:
        """Move the alias by the registry's own way, and tell it as `mlpipes promote` does."""
        self._tracking = self._tracking or self.environment["MLFLOW_TRACKING_URI"]
        url = f"{self._tracking}/api/2.0/mlflow/registered-models/alias"
        body = {"name": NAME, "alias": "production", "version": str(version)}
        httpx.post(url, json=body, trust_env=False, timeout=30).raise_for_status()
        alias_notifications.notify(self.environment["MLPIPES_DATABASE_URL"], NAME)

    def stored(self, url: str | None = None) -> list[tuple[Any, ...]]:
        """Every row of the table: identifiers, version, prediction, score."""
        sql = "select prediction_id::text, caller_id, model_version, prediction, scores "
        sql += "from serving.predictions"
        url = url or self.environment["MLPIPES_DATABASE_URL"]
        with contextlib.closing(psycopg2.connect(url)) as link, link.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def check(self, told: list[Told], truth: Truth) -> None:
        """Each prediction that anybody was told is there once, as it was told, and scikit-learn's own."""
        assert len({one.prediction_id for one in told}) == len(told)
        found = self.stored()
        by_id = {row[0]: row[1:] for row in found}
        assert len(by_id) == len(found), "a prediction is there twice"
        lost = [one for one in told if one.prediction_id not in by_id]
        assert lost == [], f"{len(lost)} of {len(told)} are not in the table"
        changed = [
            one
            for one in told
            if by_id[one.prediction_id] != (one.caller_id, one.version, one.prediction, one.score)
        ]
        assert changed == []
        wrong = [
            one for one in told if not truth.agrees(one.caller_id, one.version, one.prediction, one.score)
        ]
        assert wrong == []
        # What was stored and never answered is scikit-learn's own word too; other tests' rows have no caller.
        ours = [row for row in found if row[1] is not None]
        assert [row for row in ours if not truth.agrees(*row[1:])] == []


@dataclass
class Behind(Stack):
    """A project that uses another one's stack, with a proxy before the database.

    Attributes:
        proxy: What stands in between.
        database: Where the table really is.
    """

    proxy: Proxy = field(kw_only=True)
    database: str = field(kw_only=True)
    tracking: str = field(kw_only=True)

    def settings(self, serving: str) -> None:
        parts = urlsplit(self.proxy.url(self.database))
        bare = parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":${DB_PASSWORD}@")).geturl()
        (self.root / ".env").write_text(f"DB_PASSWORD={unquote(parts.password or 'none')}\n")
        (self.root / ".env").chmod(0o600)
        signing_help.give(self.root)
        (self.root / "mlpipes.yaml").write_text(
            f"project: ours\nruntime: remote\nstack:\n  mlflow: {{url: '{self.tracking}'}}\n"
            f"  postgres: {{url: '{bare}'}}\nserving:\n{serving}"
        )

    def stored(self, url: str | None = None) -> list[tuple[Any, ...]]:
        return super().stored(url or self.database)


@contextlib.contextmanager
def behind(stack: Stack, base: Path, database: str | None = None) -> Iterator[Behind]:
    """A project of its own, between which and the database a proxy stands."""
    environment = stack.environment
    database = database or environment["MLPIPES_DATABASE_URL"]
    root = base / "behind"
    root.mkdir()
    with Proxy.before(database) as proxy:
        tracking = environment["MLFLOW_TRACKING_URI"]
        yield Behind(root, Cli(base / "home", root), proxy=proxy, database=database, tracking=tracking)


@contextlib.contextmanager
def stack(base: Path) -> Iterator[Stack]:
    """A running stack for as long as the context lasts."""
    root = base / "project"
    root.mkdir(parents=True)
    made = Stack(root, Cli(base / "home", root))
    made.cli.environment["TMPDIR"] = str(base)  # what is killed cannot remove its temporary files
    made.settings("  port: auto\n")
    signing_help.give(root)
    made.up()
    try:
        code = "import sys; sys.path[:0] = sys.argv[1:]; "
        code += "import reliability_help; reliability_help.register()"
        environment = os.environ | dict(made.environment) | {"MLFLOW_DISABLE_TELEMETRY": "true"}
        command = [sys.executable, "-c", code, str(HELPERS), str(HELPERS.parent)]
        done = warm_cli.program(command, environment)
        assert done.returncode == 0, done.stderr
        yield made
    finally:
        made.cli("down", "--volumes", "--yes").ok()
