"""Serves a model from a process in the environment that trained it.

Started by ``python entry.py mlpipes_cli.model_process.server FD``: FD is one end of a socket pair;
:mod:`mlpipes_cli.model_process.protocol` defines the messages. Output of the model's code goes to standard
error. The process ends when the socket closes, with all its descendants.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlpipes_cli.child_process import guard
from mlpipes_cli.mlflow_tags import MODEL_SAMPLE
from mlpipes_cli.model_process import protocol

_WARM = 2  # rows of the warm-up
Ask = Callable[[Any, Any], tuple[Any, Any]]


def main(descriptor: int) -> int:
    """Answer requests until the socket closes."""
    os.set_inheritable(descriptor, False)  # the model's child processes must not keep it open
    os.dup2(2, 1)
    guard.stand_guard(descriptor)
    os.chdir(tempfile.gettempdir())  # some libraries write to the current folder
    return _serve(socket.socket(fileno=descriptor))


def _serve(link: socket.socket) -> int:
    try:
        request = protocol.receive(link).value
        try:
            ask, about = _loaded(request)
            _warm_up(ask, Path(request["folder"]), bool(request["pickled"]))
        except Exception as error:  # noqa: BLE001  a pickled model may raise anything
            traceback.print_exc()
            absent = error.name if isinstance(error, ImportError) else None
            protocol.send(link, "failed", error=one_line(error), absent=absent)
            return 1
        protocol.send(link, "ready", pid=os.getpid(), python=sys.version.split()[0], **about)
        while True:
            _answer(link, ask, protocol.receive(link).value)
    except protocol.Closed:
        return 0


def _answer(link: socket.socket, ask: Ask, asked: Mapping[str, Any]) -> None:
    number = asked["number"]
    try:
        raw, scores = ask(asked["data"], asked["params"])
        protocol.send(link, "answer", number=number, raw=raw, scores=scores)
    except protocol.Closed:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  a model may raise anything
        protocol.send(link, "error", number=number, error=one_line(error))


def _loaded(request: Mapping[str, Any]) -> tuple[Ask, dict[str, Any]]:
    """Load the model; return its predict function and what the API needs to know of its scores."""
    if request["pickled"] is None:
        return _pyfunc(request["folder"]), {"scores": None}
    import cloudpickle
    import numpy as np

    from mlpipes_cli.scoring.score_reader import ScoreReader, split

    with Path(request["pickled"]).open("rb") as file:
        model = cloudpickle.load(file)
    prepare, last = split(model)
    reader = ScoreReader.of(last, request["details"])

    def ask(data: Any, params: Any) -> tuple[Any, Any]:
        prepared = data if prepare is None else prepare.transform(data)
        raw = last.predict(prepared)
        return raw, None if reader is None else np.asarray(reader.read(prepared), dtype=float)

    if reader is None:
        return ask, {"scores": None}
    about = {"positive": reader.positive, "order": list(reader.order), "probabilities": reader.probabilities}
    return ask, {"scores": about}


def _pyfunc(folder: str) -> Ask:
    os.environ["_MLFLOW_IS_IN_SERVING_ENVIRONMENT"] = "true"  # as in MLflow's own scoring server
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(folder)
    return lambda data, params: (model.predict(data, params=params or None), None)


def _warm_up(ask: Ask, folder: Path, native: bool) -> None:
    """Predict once, so that the first request does not have to wait for imports on first use."""
    try:
        rows = _sample(folder) if native else None
        rows = _example(folder) if rows is None else rows
        if rows is not None:
            ask(rows.head(_WARM) if hasattr(rows, "head") else rows, None)
    except Exception:  # noqa: BLE001  the sample rows may be the cause; requests report it
        traceback.print_exc()


def _sample(folder: Path) -> Any:
    path = folder / MODEL_SAMPLE
    if not path.is_file():
        return None
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all().to_pandas()


def _example(folder: Path) -> Any:
    from mlflow.models import Model

    return Model.load(str(folder)).load_input_example(str(folder))


def one_line(error: BaseException) -> str:
    """Describe an error in one line."""
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text}".removesuffix(": ")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
