"""What the benchmark has to know of a server."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Record = dict[str, Any]
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Target:
    """The model that is served, and what surrounds it.

    Attributes:
        name: The registered model, with the alias ``production``.
        folder: The same model as MLflow stored it.
        project: The mlpipes project.
        mlpipes: The program.
        tracking: The environment that leads to MLflow's server.
        database: The URL of the stack's PostgreSQL.
    """

    name: str
    folder: Path
    project: Path
    mlpipes: Path
    tracking: Mapping[str, str]
    database: str


@dataclass(frozen=True)
class Answers:
    """Labels a row, and the scores of the second class where the server answers them."""

    labels: list[Any]
    scores: list[float] | None = None


@dataclass(frozen=True)
class Route:
    """One way to ask a server.

    Attributes:
        name: For tables.
        path: With ``{model}`` for the model's name.
        body: Records as the wire has them.
        read: The answer's body, parsed.
        scores: Whether scores are answered beside the labels.
    """

    name: str
    path: str
    body: Callable[[Sequence[Record]], Any]
    read: Callable[[Any], Answers]
    scores: bool

    def encode(self, records: Sequence[Record]) -> str:
        """The body as one line."""
        return json.dumps(self.body(records), separators=(",", ":"))


@dataclass(frozen=True)
class Launch:
    """A command line, with what it needs around it."""

    command: list[str]
    environment: Mapping[str, str]
    folder: Path


@dataclass(frozen=True)
class Peer:
    """A server.

    Attributes:
        name: For the command line and the tables.
        routes: Ways to ask it.
        launch: Makes the command, from the environment's ``bin`` folder, the model, the port and a
            scratch folder.
        folder: Where its ``requirements.txt`` is; None for the server of this project.
        stores: Whether each prediction is committed before its answer.
        any_model: Whether it serves models that are not scikit-learn's.
    """

    name: str
    routes: tuple[Route, ...]
    launch: Callable[[Path, Target, int, Path], Launch]
    folder: Path | None = None
    stores: bool = False
    any_model: bool = False


def split(records: Sequence[Record]) -> Any:
    """MLflow's ``dataframe_split``."""
    return {"dataframe_split": {"columns": list(records[0]), "data": [list(one.values()) for one in records]}}


def wrapped(records: Sequence[Record]) -> Any:
    """An object with the list of records, for the applications written here."""
    return {"records": list(records)}


def predictions(answer: Any) -> Answers:
    """``{"predictions": [...]}``, with ``scores`` where there are any."""
    return Answers(answer["predictions"], answer.get("scores"))


def free_port() -> int:
    """A port that nobody has right now."""
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        return int(listening.getsockname()[1])
