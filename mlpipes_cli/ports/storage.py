"""What a stack keeps: two databases and the artifacts."""

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
        """All files, in no certain order."""

    def read(self, key: str) -> AbstractContextManager[BinaryIO]:
        """A file's content."""

    def write(self, key: str, content: BinaryIO, size: int) -> None:
        """Write a file over what it was; it is there whole or not at all (a power cut may still take it)."""

    def remove(self, keys: Iterable[str]) -> None:
        """Remove files; one that is not there is no error."""


@dataclass(frozen=True)
class Storage:
    """All that a stack keeps.

    Attributes:
        databases: ``postgresql://user:password@host:port/name`` of the databases' owners, by what they
            hold: ``mlflow`` and ``mlpipes``.
        artifacts: The artifacts of MLflow's server.
    """

    databases: Mapping[str, str] = field(repr=False)
    artifacts: ArtifactStore
