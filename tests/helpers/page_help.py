"""What the tests of the page look at: models of several kinds, and the real API over them."""

from __future__ import annotations

import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import serving_help

HOSTILE = {
    "<img src=x onerror='window.owned=1'>": "double",
    'it\'s "quoted" \\ 東京': "long",
    "__proto__": "double",
    "größe\tof the 箱, a name that goes on and on without-one-place-to-break-it-at-all-" + "x" * 60: "double",
    "</script><script>window.owned=1</script>": "string",
}
HOSTILE_CLASSES = ["<b onclick=1>yes</b>", 'no & "no" 🙂']
PROMOTED = "2026-11-20T14:32:10+00:00"


def png(width: int = 40, height: int = 24) -> bytes:
    """A real picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = b"".join(b"\0" + bytes([20, 120, 110]) * width for _ in range(height))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def people_model(path: Path, classes: tuple[Any, ...] = (0, 1), *, regression: bool = False) -> Path:
    """:func:`serving_help.saved` with the input example."""
    import mlflow.sklearn

    given = serving_help.arguments(classes, regression=regression)
    mlflow.sklearn.save_model(path=str(path), input_example=serving_help.people().head(2), **given)
    return path


def _pipeline(frame: pd.DataFrame, text: list[str], labels: Any) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    numbers = [name for name in frame if name not in text]
    parts = [("n", SimpleImputer(), numbers), ("t", OneHotEncoder(handle_unknown="ignore"), text)]
    return make_pipeline(ColumnTransformer(parts), LogisticRegression()).fit(frame, labels)


def _save(path: Path, frame: pd.DataFrame, model: Any, classes: list[Any]) -> Path:
    import mlflow.sklearn
    from mlflow.models import infer_signature

    task = "binary" if len(classes) == 2 else "multiclass"
    noted = {"task": task, "classes": classes, "positive": classes[0], "target": "Y", "features": list(frame)}
    mlflow.sklearn.save_model(
        model,
        str(path),
        signature=infer_signature(frame, model.predict(frame)),
        input_example=frame.head(2),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
        metadata={"mlpipes": noted},
    )
    return path


def hostile_model(path: Path) -> Path:
    """Columns, values and classes that a careless page would take for markup."""
    random = np.random.default_rng(0)
    values: dict[str, Any] = {"double": random.normal(size=40), "long": random.integers(0, 9, 40)}
    values["string"] = ["<script>window.owned=1</script>", "'; drop table"] * 20
    frame = pd.DataFrame({name: values[kind] for name, kind in HOSTILE.items()})
    labels = np.array(HOSTILE_CLASSES * 20, dtype=object)
    return _save(path, frame, _pipeline(frame, [list(HOSTILE)[-1]], labels), HOSTILE_CLASSES)


def wide_model(path: Path) -> Path:
    """200 columns, 12 classes."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(240, 200)).round(3), columns=[f"V{n}" for n in range(200)])
    classes = [f"class {n}" for n in range(12)]
    return _save(path, frame, _pipeline(frame, [], np.array(classes * 20, dtype=object)), classes)


def picture_model(path: Path) -> Path:
    """Says how many pixels its two pictures have, one as bytes, one as Base64 text."""
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    class Pixels(mlflow.pyfunc.PythonModel):
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            import base64
            import struct

            def pixels(picture: bytes) -> int:
                width, height = struct.unpack(">II", picture[16:24])
                return int(width * height)

            both = zip(model_input["picture"], model_input["scan"], strict=True)
            return [pixels(p) + (pixels(base64.b64decode(s)) if s else 0) for p, s in both]

    columns = [ColSpec("binary", "picture"), ColSpec("string", "scan", required=False)]
    mlflow.pyfunc.save_model(
        str(path),
        python_model=Pixels(),
        signature=ModelSignature(inputs=Schema(columns)),
        pip_requirements=["mlflow"],
        metadata={"mlpipes": {"task": "regression", "target": "pixels", "images": ["scan"]}},
    )
    return path


def tensor_model(path: Path) -> Path:
    """Takes rows of three numbers without names."""
    import mlflow.sklearn
    from mlflow.models import infer_signature
    from sklearn.linear_model import LinearRegression

    rows = np.arange(30.0).reshape(10, 3)
    model = LinearRegression().fit(rows, rows.sum(axis=1))
    mlflow.sklearn.save_model(
        model,
        str(path),
        signature=infer_signature(rows, model.predict(rows)),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )
    return path


class Site:
    """The API in a thread of this process, so that its models can be changed under it."""

    def __init__(self, folder: Path, database: str, **settings: Any) -> None:
        import uvicorn

        from mlpipes_cli.adapters import database_wiring
        from mlpipes_cli.lifecycle.serving.stores import make_stores
        from mlpipes_cli.server.http.app import create_app
        from mlpipes_cli.server.models.served_models import ServedModels
        from mlpipes_cli.server.settings import ServerSettings

        database_wiring.prepare_database(database)
        given = ServerSettings("people", "production", 3, str(folder), **settings)
        self.models = ServedModels(self._loaded(folder, 3, "production"))
        app = create_app(given, make_stores(given, database, None), self.models)
        self.port = serving_help.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        options: dict[str, Any] = {"loop": "uvloop", "http": "httptools", "ws": "none", "lifespan": "on"}
        config = uvicorn.Config(app, port=self.port, log_level="critical", **options)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    @staticmethod
    def _loaded(folder: Path, version: int, alias: str) -> Any:
        from mlpipes_cli.server.models import loader

        return loader.load(folder, "people", version, alias, PROMOTED)

    def put(self, folder: Path, version: int, alias: str = "production") -> None:
        """Serve another version from now on, as the follower of the registry does."""
        self.models.put(self._loaded(folder, version, alias))

    def __enter__(self) -> Site:
        self._thread.start()
        serving_help.until(lambda: self._server.started, 60, "the API")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(60)
