"""The storage of a stack: two databases and the artifacts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class Artifact:
    """A file in the artifact store.

    Attributes:
        key: Its path below the store's root, with ``/``, as in ``mlflow-artifacts:/<key>``.
        size: Bytes.
    """

    key: str
    size: int


class ArtifactStore(Protocol):
    """Files by key: a folder, or a bucket. Every method may raise a ``MlpipesError``."""

    def entries(self) -> Iterator[Artifact]:
        """Yield all files, in no particular order."""

    def read(self, key: str) -> AbstractContextManager[BinaryIO]:
        """Open a file's content for reading."""

    def write(self, key: str, content: BinaryIO, size: int) -> None:
        """Write or replace a file, completely or not at all (a power failure may still lose it)."""

    def remove(self, keys: Iterable[str]) -> None:
        """Remove files; a missing file is not an error."""


@dataclass(frozen=True)
class Storage:
    """All data of a stack.

    Attributes:
        databases: ``postgresql://user:password@host:port/name`` of the databases' owners, by content:
            ``mlflow`` and ``mlpipes``.
        artifacts: The artifacts of MLflow's server.
    """

    databases: Mapping[str, str] = field(repr=False)
    artifacts: ArtifactStore
