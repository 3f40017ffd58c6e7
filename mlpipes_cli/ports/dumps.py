"""Copying a database whole, and replacing it whole."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class Facts:
    """What a database holds.

    Attributes:
        server: The server's version.
        size: Bytes on disk, indexes too.
        rows: How many there are in each table, by ``schema.table``.
        revision: The version of MLflow's tables; None in another database, and in one without them.
        locations: Where finished models and versions of MLflow's registry say that their files are.
    """

    server: str
    size: int
    rows: Mapping[str, int]
    revision: str | None
    locations: tuple[str, ...]


class Snapshot(Protocol):
    """A database as it was at one moment."""

    @property
    def facts(self) -> Facts:
        """What it held then."""

    def dump(self, target: Path) -> None:
        """Write it as an SQL script.

        Raises:
            MlpipesError: It cannot be read or written.
        """


class Loading(Protocol):
    """A database that is being replaced, in one transaction that is still open."""

    def load(self, script: BinaryIO) -> None:
        """Drop what is there and run a script of ``Snapshot.dump``; nobody else sees it yet.

        Raises:
            MlpipesError: The server refuses it, or the tables are in use.
        """

    def commit(self) -> None:
        """Make it hold.

        Raises:
            MlpipesError: It did not, or nobody can tell whether it did.
        """


class Databases(Protocol):
    """Databases by ``postgresql://`` address of their owners. Every method may raise a ``MlpipesError``."""

    def facts(self, url: str) -> Facts:
        """What a database holds."""

    def snapshot(self, url: str) -> AbstractContextManager[Snapshot]:
        """The database as it is now, for as long as the context lasts."""

    def loading(self, url: str) -> AbstractContextManager[Loading]:
        """Replace a database; without ``commit`` it stays as it was."""
